"""Locks between processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..storage.raw import Raw
from .members import Log, Member


@pytest.mark.parametrize("locked", [True, False])
def test_what_is_done_under_a_lock_is_done_by_one_at_a_time(
    fleet: list[Member], prefix: str, shell: Raw, locked: bool
) -> None:
    """Without a lock, the control, counts are lost."""
    orders = [
        (one, one.send("count", prefix=prefix, key="l", tasks=3, times=8 if locked else 30, locked=locked))
        for one in fleet
    ]
    for one, order in orders:
        one.result(order)
    counted = int(shell("GET", f"count of {prefix}"))
    assert counted == 4 * 3 * 8 if locked else counted < 4 * 3 * 30
    assert shell("EXISTS", f"{prefix}#l:l") == 0


def test_a_waiter_in_another_process_is_woken_when_the_lock_is_given_back(
    fleet: list[Member], prefix: str, log: Log
) -> None:
    """It would look again by itself only when the ttl is over, in ten minutes."""
    owner, waiter = fleet[:2]
    owned = owner.send("lock", prefix=prefix, key="l", name="owner", ttl=600, gate="g")
    assert log.next() == "+owner"
    waiting = waiter.send("lock", prefix=prefix, key="l", name="waiter", ttl=600, gate="g")
    waiter.until("waits", prefix=prefix)
    log.open("g", 2)
    assert (owner.result(owned), waiter.result(waiting)) == ("", "")
    assert log.rest() == ["+owner", "-owner", "+waiter", "-waiter"]


@pytest.mark.slow
@pytest.mark.ci
def test_a_lock_is_renewed_while_it_is_held(fleet: list[Member], prefix: str, shell: Raw, log: Log) -> None:
    owner, other = fleet[:2]
    owned = owner.send("lock", prefix=prefix, key="l", name="owner", ttl=1.5, gate="g")
    assert log.next() == "+owner"
    (name,) = shell("KEYS", f"{prefix}*l")
    shell("CLIENT", "TRACKING", "ON")
    held = shell("GET", name)
    for _ in range(4):  # at each third: more than its whole length passes
        shell.await_push()
        assert shell("GET", name) == held
    assert other.do("lock", prefix=prefix, key="l", name="other", ttl=1, gate="g", wait=0) == "LockNotAcquiredError"
    log.open("g")
    assert owner.result(owned) == ""
    assert log.rest() == ["+owner", "-owner"]


def test_when_its_owner_is_killed_a_waiter_gets_the_lock_when_it_ends(
    fleet: list[Member], spare: Callable[[], Member], prefix: str, log: Log
) -> None:
    owner, waiter = spare(), fleet[0]
    owner.send("lock", prefix=prefix, key="l", name="owner", ttl=1, gate="never")
    assert log.next() == "+owner"
    waiting = waiter.send("lock", prefix=prefix, key="l", name="waiter", ttl=1, gate="g")
    waiter.until("waits", prefix=prefix)
    owner.kill()
    assert log.next() == "+waiter"
    log.open("g")
    assert waiter.result(waiting) == ""


def test_an_owner_that_sleeps_past_the_ttl_is_told_that_it_lost_the_lock_and_takes_it_from_nobody(
    fleet: list[Member], spare: Callable[[], Member], prefix: str, shell: Raw, log: Log
) -> None:
    sleeper, other = spare(), fleet[0]
    slept = sleeper.send("lock", prefix=prefix, key="l", name="sleeper", ttl=60, gate="s")
    assert log.next() == "+sleeper"
    sleeper.stop()
    (name,) = shell("KEYS", f"{prefix}*l")
    shell("PEXPIRE", name, 1)  # the minute is over
    taken = other.send("lock", prefix=prefix, key="l", name="other", ttl=60, gate="o")
    assert log.next() == "+other"
    sleeper.go_on()
    log.open("s")
    assert sleeper.result(slept) == "LockLostError"
    third = fleet[1].do("lock", prefix=prefix, key="l", name="third", ttl=1, gate="o", wait=0)
    assert third == "LockNotAcquiredError"  # it is the other's yet
    log.open("o")
    assert other.result(taken) == ""
