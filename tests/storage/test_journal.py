"""What the journal remembers, for how long, and what becomes of what does not fit."""

from __future__ import annotations

import math
import os

from pika_redis.storage.journal import MINUTE, Journal
from pika_redis.testing import FakeClock


def journal(clock: FakeClock | None = None, most: int = 10) -> Journal:
    return Journal((clock or FakeClock()).monotonic, most)


def test_what_was_missed_waits_until_it_is_settled() -> None:
    kept = journal()
    kept.miss(["a", "b"], "e")
    kept.miss(["b", "c"], "e")
    assert (kept.to_delete(), kept.waiting) == (["a", "b", "c"], 3)
    kept.settled(["a", "c"])
    assert kept.to_delete() == ["b"]


def test_what_does_not_fit_ends_the_epochs_of_its_namespaces() -> None:
    kept = journal(most=3)
    kept.miss(["a", "b"], "e")
    kept.miss(["x", "y"], "f")
    assert sorted(kept.to_delete()) == ["e", "f"]
    kept.miss(["c"], "e")
    assert sorted(kept.to_delete()) == ["c", "e", "f"]


def test_what_was_acknowledged_within_a_minute_before_is_repeated() -> None:
    clock = FakeClock()
    kept = journal(clock)
    start = clock.monotonic()
    kept.done(["a"], "e")
    clock.advance(MINUTE - 1)
    kept.done(["b"], "e")
    assert kept.to_repeat(start) == ["a", "b"]
    assert kept.to_repeat(start + MINUTE + 0.5) == ["b"]
    clock.advance(2)
    kept.done(["c"], "e")
    assert kept.to_repeat(0.0) == ["b", "c"]


def test_a_long_outage_does_not_make_it_forget() -> None:
    clock = FakeClock()
    kept = journal(clock)
    kept.done(["a"], "e")
    heard = clock.monotonic()
    clock.advance(100 * MINUTE)
    assert kept.to_repeat(heard) == ["a"]


def test_the_latest_acknowledgement_counts() -> None:
    clock = FakeClock()
    kept = journal(clock)
    for key in ("a", "b", "a"):
        kept.done([key], "e")
        clock.advance(MINUTE / 2)
    kept.done(["c"], "e")
    assert kept.to_repeat(0.0) == ["b", "a", "c"]


def test_acknowledged_keys_that_do_not_fit_end_the_epoch() -> None:
    kept = journal(most=3)
    kept.done(["a", "b", "c"], "e")
    kept.done(["x"], "f")
    assert kept.to_repeat(0.0) == ["b", "c", "x", "e"]


def test_what_a_server_was_told_at_last_is_repeated_at_the_next_one() -> None:
    """It may be one that was replaced already and does not know it yet."""
    kept = journal()
    kept.miss(["a", "b"], "e")
    kept.settled(["a", "unknown"])
    assert (kept.to_delete(), kept.to_repeat(0.0)) == (["b"], ["a"])
    kept.forget(["a"])
    assert kept.to_repeat(0.0) == []


def test_what_was_written_since_is_not_repeated() -> None:
    kept = journal()
    kept.done(["a", "b"], "e")
    kept.forget(["a", "absent"])
    assert kept.to_repeat(0.0) == ["b"]


def test_leases_are_kept_until_they_are_given_back_and_not_without_end() -> None:
    kept = journal(most=2)
    kept.keep_lease("a", b"1")
    kept.keep_lease("a", b"2")
    kept.given_back("a", b"1")
    assert (kept.leases(), kept.owes, kept.waiting) == ([("a", b"2")], True, 0)
    kept.given_back("a", b"2")
    assert not kept.owes
    for key in ("a", "b", "c"):
        kept.keep_lease(key, b"1")
    assert kept.leases() == [("c", b"1")]


def test_a_forked_child_has_missed_nothing() -> None:
    kept = journal()
    kept.miss(["a"], "e")
    kept.done(["b"], "e")
    child = os.fork()
    if not child:
        os._exit(10 * kept.waiting + len(kept.to_repeat(0.0)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (kept.waiting, kept.to_repeat(0.0)) == (1, ["b"])


def test_while_a_server_is_missing_the_minute_before_it_was_last_heard_of_is_kept() -> None:
    clock = FakeClock()
    kept = journal(clock)
    heard = clock.monotonic()
    kept.done(["a"], "e")
    kept.keep_from(heard)
    clock.advance(MINUTE + 1)
    kept.done(["b"], "e")
    assert kept.to_repeat(heard) == ["a", "b"]
    kept.keep_from(math.inf)
    kept.done(["c"], "e")
    assert kept.to_repeat(heard) == ["b", "c"]


def test_leases_that_ended_shortly_before_another_server_took_over_are_given_back_again() -> None:
    clock = FakeClock()
    kept = journal(clock)
    kept.ended("a", b"L1")
    clock.advance(4.0)
    kept.ended("b", b"L2")
    kept.ended("b", b"L3")
    assert kept.leases() == []
    clock.advance(2.0)
    kept.doubt_ends(clock.monotonic())
    assert kept.leases() == [("b", b"L2"), ("b", b"L3")]
    kept.given_back("b", b"L2")
    assert kept.leases() == [("b", b"L3")]
    clock.advance(100.0)
    kept.doubt_ends(clock.monotonic() - 101.0)  # last heard of long ago
    assert kept.leases() == [("b", b"L3"), ("a", b"L1"), ("b", b"L2")]


def test_leases_that_ended_are_remembered_within_bounds() -> None:
    kept = journal(most=10_000)
    for number in range(2000):
        kept.ended(f"k{number}", b"L")
    kept.doubt_ends(0.0)
    assert [place for place, _ in kept.leases()] == [f"k{number}" for number in range(1000, 2000)]
