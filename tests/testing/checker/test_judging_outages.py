"""The judge on changes that returned while the server was gone, and on what memory answered meanwhile."""

from __future__ import annotations

import pytest

from pika_redis.testing.checker import ALLOWED_NS, Operation, Tier

from .histories import committed, deleted, read, verdict_of


def without_the_server(change: Operation) -> Operation:
    return change._replace(tier=Tier.DEGRADED)


def paid(change: Operation, end: int) -> Operation:
    """The same change, when the server was told of it."""
    return change._replace(end=end, version=1)


@pytest.mark.parametrize("tier", [Tier.SERVER, Tier.STRICT, Tier.L1, Tier.JOINED, Tier.DEGRADED])
def test_a_change_that_returned_without_the_server_binds_its_own_process_alone(tier: Tier) -> None:
    change = without_the_server(deleted(10, 20, process=1))
    others, own = (read(30, 40, as_of=5, process=process, tier=tier) for process in (2, 1))
    verdict = verdict_of(change, others)
    assert (verdict.violations, verdict.tiers[tier].stale) == (0, 0)
    (found,) = verdict_of(change, own).examples
    assert (found.own, found.cause, found.stale_ns) == (True, change, 10)


def test_it_binds_the_others_from_when_the_server_was_told() -> None:
    change = deleted(10, 20, process=1)
    history = [without_the_server(change), paid(change, 100)]
    assert verdict_of(*history, read(100, 110, as_of=5, process=2)).violations == 0
    assert verdict_of(*history, read(101, 110, as_of=10, process=2)).violations == 0
    (found,) = verdict_of(*history, read(101, 110, as_of=9, process=2)).examples
    assert (found.own, found.stale_ns) == (False, 1)
    (found,) = verdict_of(*history, read(50, 110, as_of=9, process=1)).examples
    assert (found.own, found.stale_ns) == (True, 30)


def test_it_counts_as_one_invalidation() -> None:
    change = deleted(10, 20, process=1)
    verdict = verdict_of(without_the_server(change), paid(change, 100))
    assert (verdict.invalidations, verdict.operations) == (1, 1)


def test_what_a_process_ended_without_the_server_makes_its_own_stale_reads_outdated() -> None:
    change = without_the_server(deleted(10, 20, process=1))
    old = verdict_of(committed(8, 9, 3), change, read(30, 40, as_of=5, version=2, process=1))
    lucky = verdict_of(committed(8, 9, 3), change, read(30, 40, as_of=5, version=3, process=1))
    assert [(one.violations, one.outdated) for one in (old, lucky)] == [(1, 1), (1, 0)]


def test_a_change_of_another_process_that_others_know_still_counts_first() -> None:
    """Staleness counts from the end of the one that should have stopped the read first."""
    known, own = deleted(10, 20, process=1), without_the_server(deleted(30, 40, process=2))
    (found,) = verdict_of(known, own, read(50, 60, as_of=5, process=2)).examples
    assert (found.own, found.stale_ns) == (True, 30)


def test_memory_may_lag_behind_others_while_the_server_is_gone() -> None:
    allowed = ALLOWED_NS[Tier.DEGRADED]
    assert allowed == 30_000_000_000  # the default of degraded_ttl
    change = deleted(10, 20, process=1)
    late = read(21 + allowed, 30 + allowed, as_of=5, process=2, tier=Tier.DEGRADED)
    assert verdict_of(change, late).violations == 1
