"""One load at a time in a whole fleet of processes, whatever becomes of the one that has it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import pytest

from ..storage.raw import Raw
from .members import Log, Member


@pytest.mark.parametrize("tasks", [50, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.ci])])
def test_a_cold_key_is_loaded_once_however_many_ask(fleet: list[Member], prefix: str, log: Log, tasks: int) -> None:
    for member in fleet:
        member.do("get", prefix=prefix, key="another")  # is connected
    orders = [
        (member, member.send("load", prefix=prefix, key="k", value=f"by {number}", tasks=tasks, gate="g"))
        for number, member in enumerate(fleet)
    ]
    (winner,) = log.next().split("+")[1:]
    log.open("g", 10)
    results = [member.result(order) for member, order in orders]
    assert results == [[winner]] * 4
    assert log.rest() == [f"+{winner}", f"-{winner}"]
    print(f"4 processes of {tasks} tasks: 1 load")  # noqa: T201 (the figure)


def test_batches_of_four_processes_that_overlap_load_each_item_once(fleet: list[Member], prefix: str, log: Log) -> None:
    for member in fleet:
        member.do("get", prefix=prefix, key="another")  # is connected
    starts = [0, 50, 100, 25]
    orders = [
        member.send("load_many", prefix=prefix, first=start, last=start + 100, gate="g")
        for member, start in zip(fleet, starts, strict=True)
    ]
    loaded = [int(item) for item in log.next().split()]
    log.open("g", 10)
    for member, order, start in zip(fleet, orders, starts, strict=True):
        assert member.result(order) == [item * 2 for item in range(start, start + 100)]
    loaded += [int(item) for event in log.rest()[1:] for item in event.split()]
    assert sorted(loaded) == list(range(200))


def test_a_load_that_outlasts_its_lease_keeps_it(fleet: list[Member], prefix: str, shell: Raw, log: Log) -> None:
    owner, waiter = fleet[:2]
    owned = owner.send("load", prefix=prefix, key="k", value="owner", gate="g", lease=1.5)
    assert log.next() == "+owner"
    waiting = waiter.send("load", prefix=prefix, key="k", value="waiter", lease=1.5)
    shell("CLIENT", "TRACKING", "ON")
    lease = shell("GET", f"{prefix}k")
    for _ in range(4):  # renewed at each third: more than its whole length passes
        shell.await_push()
        assert shell("GET", f"{prefix}k") == lease
    log.open("g")
    assert owner.result(owned) == waiter.result(waiting) == ["owner"]
    assert log.rest() == ["+owner", "-owner"]


def test_when_its_owner_is_killed_another_process_loads_within_the_lease(
    fleet: list[Member], spare: Callable[[], Member], prefix: str, shell: Raw, log: Log
) -> None:
    owner, waiter = spare(), fleet[0]
    owner.send("load", prefix=prefix, key="k", value="owner", gate="g", lease=1.5)
    assert log.next() == "+owner"
    waiting = waiter.send("load", prefix=prefix, key="k", value="waiter", lease=1.5)
    waiter.until("waits", prefix=prefix)
    owner.kill()
    began = monotonic()
    assert 0 < shell("PTTL", f"{prefix}k") <= 1500
    assert log.next() == "+waiter"
    print(f"the second load began {(monotonic() - began) * 1000:.0f} ms after the kill")  # noqa: T201 (the figure)
    assert waiter.result(waiting) == ["waiter"]
    assert log.rest() == ["+owner", "+waiter", "-waiter"]
    assert fleet[1].do("get", prefix=prefix, key="k") == "waiter"


def test_when_the_owner_of_a_claim_is_killed_another_process_loads(
    fleet: list[Member], spare: Callable[[], Member], prefix: str, log: Log
) -> None:
    owner, waiter = spare(), fleet[0]
    waiter.do("load", prefix=prefix, key="k", value="old", ttl=0.01, stale_if_error=60, ttl_jitter=0)
    log.rest()
    owner.send("load", prefix=prefix, key="k", value="owner", gate="g", lease=0.5)
    assert log.next() == "+owner"
    waiting = waiter.send("load", prefix=prefix, key="k", value="waiter", lease=0.5)
    owner.kill()
    assert log.next() == "+waiter"
    assert waiter.result(waiting) == ["waiter"]


def test_an_owner_that_outsleeps_its_lease_stores_nothing(
    fleet: list[Member], spare: Callable[[], Member], prefix: str, shell: Raw, log: Log
) -> None:
    owner, other, third = spare(), *fleet[:2]
    owned = owner.send("load", prefix=prefix, key="k", value="owner", gate="g", lease=0.3)
    assert log.next() == "+owner"
    owner.stop()
    assert other.do("load", prefix=prefix, key="k", value="other", lease=0.3) == ["other"]
    stored = shell("GET", f"{prefix}k")
    owner.go_on()
    log.open("g")
    owner.result(owned)
    assert log.rest() == ["+owner", "+other", "-other", "-owner"]
    assert shell("GET", f"{prefix}k") == stored
    assert [one.do("hear_and_get", prefix=prefix, key="k") for one in (owner, other, third)] == ["other"] * 3


def test_a_plain_del_breaks_a_load_in_flight(fleet: list[Member], prefix: str, shell: Raw, log: Log) -> None:
    early, late, third = fleet[:3]
    loading = early.send("load", prefix=prefix, key="k", value="early", gate="early", lease=60)
    assert log.next() == "+early"
    shell("DEL", f"{prefix}k")
    after = late.send("load", prefix=prefix, key="k", value="late", gate="late", lease=60)
    assert log.next() == "+late"  # it does not wait for the load that is broken
    log.open("early")
    assert early.result(loading) == ["early"]  # it asked before the delete
    assert third.do("get", prefix=prefix, key="k") is None
    log.open("late")
    assert late.result(after) == ["late"]
    assert [one.do("hear_and_get", prefix=prefix, key="k") for one in fleet] == ["late"] * 4


def test_a_plain_del_wakes_who_waits_and_one_of_them_loads(
    fleet: list[Member], prefix: str, shell: Raw, log: Log
) -> None:
    owner, *waiters = fleet
    owned = owner.send("load", prefix=prefix, key="k", value="owner", gate="owner", lease=600, hard_timeout=None)
    assert log.next() == "+owner"
    orders = [one.send("load", prefix=prefix, key="k", value="next", lease=600, hard_timeout=None) for one in waiters]
    for one in waiters:
        one.until("waits", prefix=prefix)
    shell("DEL", f"{prefix}k")
    assert [one.result(order) for one, order in zip(waiters, orders, strict=True)] == [["next"]] * 3
    log.open("owner")
    owner.result(owned)
    assert log.rest() == ["+owner", "+next", "-next", "-owner"]


@pytest.mark.timeout(40)  # without the push nobody would ever wake them
def test_waiters_in_other_processes_are_woken_by_the_push(fleet: list[Member], prefix: str, log: Log) -> None:
    owner, *waiters = fleet
    for one in fleet:
        one.do("load", prefix=prefix, key="warm", value="warm")
    log.rest()
    log.events.clear()
    owned = owner.send("load", prefix=prefix, key="k", value="v", gate="g", lease=600, hard_timeout=None)
    assert log.next() == "+v"
    orders = [one.send("load", prefix=prefix, key="k", value="w", lease=600, hard_timeout=None) for one in waiters]
    for one in waiters:
        one.until("waits", prefix=prefix)
    before = [one.do("commands") for one in waiters]
    log.open("g")
    assert [one.result(order) for one, order in zip(waiters, orders, strict=True)] == [["v"]] * 3
    asked = [one.do("commands") - start for one, start in zip(waiters, before, strict=True)]
    owner.result(owned)
    print(f"each of 3 waiters asked {asked} commands from waiting to its value")  # noqa: T201 (the figure)
    assert asked == [1, 1, 1]
    assert log.rest() == ["+v", "-v"]
