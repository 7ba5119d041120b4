"""The judge on handmade histories: what is a violation, what is none, and how stale a read was."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from pika_redis.testing.checker import ALLOWED_NS, OVER_AGE_NS, T_LEASE_NS, Kind, Operation, Plan, Tier, judge
from pika_redis.testing.checker.judge import allowed_on

from .histories import GROUP, committed, deleted, read, tags_of, untagged, verdict_of


def test_a_value_loaded_before_an_invalidation_that_ended_before_the_read_is_a_violation() -> None:
    verdict = verdict_of(deleted(10, 20), read(30, 40, as_of=5))
    assert (verdict.violations, verdict.held) == (1, False)
    (found,) = verdict.examples
    assert (found.cause, found.as_of, found.stale_ns) == (deleted(10, 20), 5, 10)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (deleted(10, 20), read(20, 40, as_of=5)),
        (deleted(10, 20), read(15, 40, as_of=5)),
        (deleted(10, 20), read(5, 40, as_of=2)),
        (deleted(10, 20), read(30, 40, as_of=10)),
        (deleted(10, 20), read(30, 40, as_of=15)),
        (deleted(10, 20), read(30, 40, as_of=25)),
        (deleted(10, 20, row=2), read(30, 40, as_of=5)),
        (untagged(10, 20, tag=2), read(30, 40, as_of=5)),
        (Operation(Kind.FAILED, 10, 20, 1), read(30, 40, as_of=5)),
        (committed(10, 20, 2), read(30, 40, as_of=5)),
    ],
    ids=[
        "the read began as the invalidation ended",
        "the read began within it",
        "the read began before it",
        "the load began as it began",
        "the load began within it",
        "the load began after it",
        "it was of another key",
        "it was of another tag",
        "it failed, which promises nothing",
        "a commit without an invalidation",
    ],
)
def test_what_overlaps_or_concerns_others_is_no_violation(change: Operation, what: Operation) -> None:
    verdict = verdict_of(change, what)
    assert (verdict.violations, verdict.tiers[Tier.SERVER].stale) == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        deleted(10, 20),
        Operation(Kind.MARK_STALE, 10, 20, 1),
        Operation(Kind.SET, 10, 20, 1, origin=7),
        untagged(10, 20, tag=1),
        untagged(10, 20, tag=GROUP),
        Operation(Kind.CLEAR, 10, 20),
    ],
    ids=["delete", "mark_stale", "set", "own tag", "shared tag", "clear"],
)
def test_every_change_ends_what_was_loaded_before(change: Operation) -> None:
    assert verdict_of(change, read(21, 40, as_of=9)).violations == 1
    assert verdict_of(change, read(21, 40, as_of=10)).violations == 0


def test_several_rows_are_judged_each_for_itself() -> None:
    history = [deleted(10, 20, row=1), deleted(50, 60, row=2)]
    history += [read(70, 80, as_of=30, row=row) for row in (1, 2, 3)]
    verdict = verdict_of(*history)
    assert [found.read.subject for found in verdict.examples] == [2]


def test_a_shared_tag_ends_the_entries_of_all_its_rows() -> None:
    verdict = verdict_of(untagged(10, 20, tag=GROUP), *[read(30, 40, as_of=5, row=row) for row in range(5)])
    assert verdict.violations == 5


def test_of_two_invalidations_each_counts_by_its_own_interval() -> None:
    long, short = deleted(10, 100), deleted(12, 20)
    assert verdict_of(long, short, read(30, 40, as_of=11)).violations == 1  # the short one alone had ended
    assert verdict_of(long, short, read(30, 40, as_of=12)).violations == 0
    late = deleted(50, 55)
    assert verdict_of(long, short, late, read(60, 70, as_of=30)).violations == 1
    assert verdict_of(long, short, late, read(52, 70, as_of=30)).violations == 0


def test_staleness_counts_from_the_first_change_that_should_have_stopped_the_read() -> None:
    changes = [deleted(10, 20), untagged(30, 40, tag=GROUP), Operation(Kind.CLEAR, 60, 70)]
    assert verdict_of(*changes, read(100, 110, as_of=5)).tiers[Tier.SERVER].worst_ns == 80
    assert verdict_of(*changes, read(100, 110, as_of=15)).tiers[Tier.SERVER].worst_ns == 60
    assert verdict_of(*changes, read(100, 110, as_of=35)).tiers[Tier.SERVER].worst_ns == 30
    assert verdict_of(*changes, read(100, 110, as_of=65)).tiers[Tier.SERVER].worst_ns == 0


def test_a_set_value_is_current_until_its_call_returns() -> None:
    setting = Operation(Kind.SET, 10, 20, 1, origin=7)
    given = read(100, 110, as_of=0, origin=7)
    assert verdict_of(setting, given).violations == 0
    assert verdict_of(setting, deleted(15, 30), given).violations == 0  # they overlap: the set may have come second
    assert verdict_of(setting, deleted(20, 30), given).violations == 0
    assert verdict_of(setting, deleted(21, 30), given).violations == 1
    assert verdict_of(setting, Operation(Kind.SET, 21, 30, 1, origin=8), given).violations == 1


def test_a_set_that_never_returned_may_land_at_any_time() -> None:
    assert verdict_of(deleted(10, 20), read(100, 110, as_of=0, origin=7)).violations == 0


def test_a_cached_none_is_as_new_as_the_newest_load_that_may_have_given_it() -> None:
    none = Operation(Kind.READ, 100, 110, 1)
    loads = [Operation(Kind.LOAD, start, start + 5, 1) for start in (5, 30)]
    assert verdict_of(*loads, none).violations == 0
    assert verdict_of(*loads, deleted(20, 25), none).violations == 0
    assert verdict_of(*loads, deleted(31, 40), none).violations == 1
    late = Operation(Kind.LOAD, 110, 112, 1)
    assert verdict_of(*loads, late, deleted(31, 40), none).violations == 0
    too_late = Operation(Kind.LOAD, 111, 112, 1)
    assert verdict_of(*loads, too_late, deleted(31, 40), none).violations == 1
    other = Operation(Kind.LOAD, 50, 55, 2)
    assert verdict_of(*loads, other, deleted(31, 40), none).violations == 1


def test_a_value_that_nobody_loaded_is_a_violation_in_every_tier() -> None:
    of_a_row = Operation(Kind.LOAD, 5, 10, 1, version=3)
    for tier in Tier:
        assert verdict_of(of_a_row, Operation(Kind.READ, 20, 30, 1, tier=tier)).violations == 1
        mixed = Operation(Kind.MIXED, 20, 30, 1, tier=tier)
        assert verdict_of(of_a_row, mixed).examples[0].cause is None


@pytest.mark.parametrize("tier", Tier)
def test_each_tier_is_allowed_its_own_staleness_and_not_a_nanosecond_more(tier: Tier) -> None:
    allowed = ALLOWED_NS[tier]
    change = deleted(10, 20)
    just = verdict_of(change, read(20 + max(allowed, 0), 30 + allowed, as_of=5, tier=tier))
    over = verdict_of(change, read(21 + allowed, 30 + allowed, as_of=5, tier=tier))
    assert (just.violations, over.violations) == (0, 1)
    assert over.tiers[tier].worst_ns == allowed + 1


def test_memory_and_joined_loads_may_lag_by_the_lease_and_all_else_not_at_all() -> None:
    assert T_LEASE_NS == 3_000_000_000
    assert {tier for tier in Tier if ALLOWED_NS[tier] == T_LEASE_NS} == {Tier.L1, Tier.JOINED}
    assert {tier for tier in Tier if not ALLOWED_NS[tier]} == {Tier.SERVER, Tier.STRICT, Tier.LOADED}
    assert allowed_on("redis://host") == allowed_on(None) == ALLOWED_NS
    assert allowed_on("rediss+cluster://a,b") == {**ALLOWED_NS, Tier.SERVER: T_LEASE_NS}


@pytest.mark.parametrize("tier", [Tier.L1, Tier.JOINED, Tier.DEGRADED])
def test_what_a_process_invalidated_itself_it_may_not_read_from_memory_either(tier: Tier) -> None:
    what = read(30, 40, as_of=5, process=2, tier=tier)
    assert verdict_of(deleted(10, 20, process=1), what).violations == 0
    own = verdict_of(deleted(10, 20, process=1), deleted(12, 22, process=2), what)
    assert own.violations == 1
    assert (own.examples[0].own, own.examples[0].stale_ns) == (True, 10)
    assert verdict_of(deleted(10, 20, process=1), deleted(12, 30, process=2), what).violations == 0


def test_a_stale_read_is_outdated_when_a_newer_version_was_there_before_the_invalidation() -> None:
    commits = [committed(1, 2, 2), committed(8, 9, 3), committed(18, 19, 4)]
    old = verdict_of(*commits, deleted(10, 20), read(30, 40, as_of=5, version=2))
    lucky = verdict_of(*commits, deleted(10, 20), read(30, 40, as_of=5, version=3))
    assert [(one.violations, one.outdated) for one in (old, lucky)] == [(1, 1), (1, 0)]
    later = untagged(19, 25, tag=1)
    twice = verdict_of(*commits, deleted(10, 20), later, read(26, 40, as_of=5, version=3))
    once = verdict_of(*commits, deleted(10, 20), later, read(25, 40, as_of=5, version=3))
    assert (twice.outdated, once.outdated) == (1, 0)


def test_a_commit_counts_from_its_end_and_the_newest_version_counts_whatever_the_order() -> None:
    change, what = deleted(10, 20), read(30, 40, as_of=5, version=2)
    assert verdict_of(committed(8, 11, 3), change, what).outdated == 0
    assert verdict_of(committed(8, 10, 3), change, what).outdated == 1
    assert verdict_of(committed(1, 3, 3), committed(1, 6, 2), change, what).outdated == 1


def test_where_stale_values_are_served_on_purpose_marking_is_no_end() -> None:
    history = [Operation(Kind.MARK_STALE, 10, 20, 1), read(30, 40, as_of=5)]
    assert judge(history, tags_of).violations == 1
    assert judge(history, tags_of, changes=Plan(stale=1).changes).violations == 0
    assert judge([*history, deleted(10, 20)], tags_of, changes=Plan(stale=1).changes).violations == 1


def test_an_added_value_is_current_until_its_call_returns_and_ends_no_other() -> None:
    added = Operation(Kind.ADD, 10, 20, 1, origin=3)
    assert verdict_of(added, read(30, 40, as_of=5)).violations == 0
    assert verdict_of(added, deleted(15, 25), read(30, 40, as_of=0, origin=3)).violations == 0
    assert verdict_of(added, deleted(21, 25), read(30, 40, as_of=0, origin=3)).violations == 1


# -- how long values are served ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stored",
    [
        [Operation(Kind.LOAD, 5, 100, 1, version=1, origin=7)],
        [Operation(Kind.LOAD, 5, 50, 1, version=1, origin=7), read(1, 100, as_of=5, origin=7, tier=Tier.LOADED)],
        [Operation(Kind.SET, 90, 100, 1, origin=7)],
        [Operation(Kind.ADD, 90, 100, 1, origin=7)],
    ],
    ids=["stored in the background", "stored before its caller had it", "set", "added"],
)
@pytest.mark.parametrize("tier", [Tier.L1, Tier.SERVER])
def test_a_value_that_is_served_long_after_its_end_is_a_violation(stored: list[Operation], tier: Tier) -> None:
    as_of = 5 if len(stored) == 2 or stored[0].kind is Kind.LOAD else 0
    ends = 100 + 1000 + OVER_AGE_NS
    for start, over in ((ends, False), (ends + 1, True)):
        what = read(start, start + 9, as_of=as_of, origin=7, tier=tier)
        verdict = judge([*stored, what], tags_of, lives_ns=1000)
        assert (verdict.violations, verdict.tiers[tier].over_ns) == (over, start - 1100)
        assert [found.over_ns for found in verdict.examples] == [start - 1100] * over
        assert judge([*stored, what], tags_of).violations == 0  # where values live for ever


def test_a_none_is_as_old_as_the_newest_load_that_may_have_given_it() -> None:
    nones = [Operation(Kind.LOAD, start, start + 4, 1, origin=start) for start in (5, 50)]
    ends = 54 + 1000 + OVER_AGE_NS
    for start, over in ((ends, False), (ends + 1, True)):
        what = read(start, start + 9, 0, version=0, tier=Tier.L1)
        assert judge([*nones, what], tags_of, lives_ns=1000).violations == over


def test_a_value_past_its_time_is_a_violation_though_as_a_stale_one_it_would_be_allowed() -> None:
    late = 5 + 1000 + OVER_AGE_NS + 1
    history = [Operation(Kind.LOAD, 4, 5, 1, version=1, origin=7), deleted(late - 20, late - 10)]
    verdict = judge([*history, read(late, late + 1, as_of=4, origin=7, tier=Tier.L1)], tags_of, lives_ns=1000)
    assert (verdict.violations, verdict.tiers[Tier.L1].stale) == (1, 1)


def test_nothing_is_said_of_the_age_of_what_nobody_is_known_to_have_stored() -> None:
    late = 10 * OVER_AGE_NS
    assert judge([read(late, late, as_of=5, origin=7)], tags_of, lives_ns=1).violations == 0


# -- loads side by side -----------------------------------------------------------------------------------------------


def load(asked: int, start: int, end: int, row: int = 1, process: int = 0) -> Operation:
    return Operation(Kind.LOAD, start, end, row, process, version=1, as_of=asked, origin=start + 1)


def test_two_loads_of_a_row_at_a_time_are_told() -> None:
    assert verdict_of(load(1, 5, 20), load(8, 10, 15)).overlaps == 1
    assert verdict_of(load(1, 5, 20), load(8, 10, 15), load(9, 11, 30)).overlaps == 3
    assert verdict_of(load(9, 11, 30), load(8, 10, 15)).beside == [(load(8, 10, 15), load(9, 11, 30))]
    assert verdict_of(load(1, 5, 20), load(8, 20, 25)).overlaps == 0
    assert verdict_of(load(1, 5, 20), load(8, 10, 15, row=2)).overlaps == 0


@pytest.mark.parametrize(
    ("reason", "counts"),
    [
        (deleted(6, 7), True),
        (untagged(6, 7, tag=GROUP), True),
        (Operation(Kind.CLEAR, 6, 7), True),
        (Operation(Kind.ADD, 6, 7, 1), True),
        (Operation(Kind.HOLD, 6, 7, 1), True),
        (Operation(Kind.FAILED, 6, 7, 1), True),
        (deleted(2, 3), True),
        (deleted(0, 2), True),
        (deleted(10, 11), True),
        (deleted(0, 1), False),
        (deleted(11, 12), False),
        (deleted(6, 7, row=2), False),
        (untagged(6, 7, tag=2), False),
        (Operation(Kind.COMMIT, 6, 7, 1), False),
    ],
    ids=[
        *("a delete", "a tag", "everything", "an add", "a hold", "a failure", "from when it was asked for"),
        *("as it was asked for", "as the second began"),
        *("before it was asked for", "after the second began", "of another row", "of another tag", "a commit"),
    ],
)
def test_what_ends_the_first_of_two_loads_is_a_reason_for_the_second(reason: Operation, counts: bool) -> None:
    assert verdict_of(load(2, 5, 20), load(8, 10, 15), reason).overlaps == (not counts)
    assert verdict_of(load(8, 10, 15), load(2, 11, 20), reason).overlaps == (not counts and reason.start != 11)


def test_figures_count_what_happened() -> None:
    history = [
        Operation(Kind.MISS, 0, 1, 1),
        Operation(Kind.LOAD, 2, 4, 1, version=1),
        read(1, 5, as_of=2, tier=Tier.LOADED),
        read(3, 5, as_of=2, tier=Tier.JOINED),
        *[read(6, 7, as_of=2)] * 6,
        read(6, 8, as_of=2, tier=Tier.L1),
        committed(8, 9, 2),
        deleted(10, 20),
        Operation(Kind.LOAD, 20, 30, 1, version=2),
        Operation(Kind.SET, 40, 50, 1, origin=3),
        untagged(60, 70, tag=1),
    ]
    verdict = verdict_of(*history)
    assert (verdict.reads, verdict.operations, verdict.invalidations) == (10, 13, 2)
    assert (verdict.hit_rate, verdict.loads_per_invalidation) == (0.7, 1.0)
    assert (verdict.began, verdict.ended) == (0, 70)
    assert {tier: figures.reads for tier, figures in verdict.tiers.items()} == {
        Tier.LOADED: 1,
        Tier.JOINED: 1,
        Tier.SERVER: 6,
        Tier.L1: 1,
    }
    assert verdict.conclusive


def test_an_empty_history_holds_and_proves_nothing() -> None:
    verdict = verdict_of()
    assert (verdict.held, verdict.conclusive, verdict.hit_rate, verdict.loads_per_invalidation) == (True, False, 0, 0)
    assert (verdict.began, verdict.ended) == (0, 0)


def test_only_the_first_violations_are_kept_as_examples() -> None:
    reads = [read(100 - number, 200, as_of=5) for number in range(50)]
    verdict = judge([deleted(10, 20), *reads], tags_of, examples=3)
    assert verdict.violations == 50
    assert [found.read.start for found in verdict.examples] == [51, 52, 53]
    many = [read(30 + number % 7, 2000, as_of=5) for number in range(5000)]
    assert {found.read.start for found in judge([deleted(10, 20), *many], tags_of).examples} == {30}


def slow_verdict(history: Iterable[Operation]) -> int:
    """The definition, word by word: how many reads a change should have stopped."""
    operations = list(history)
    changes = [one for one in operations if one.kind in (Kind.DELETE, Kind.TAG, Kind.CLEAR)]

    def concerns(change: Operation, row: int) -> bool:
        return change.kind is Kind.CLEAR or change.subject in (tags_of(row) if change.kind is Kind.TAG else (row,))

    return sum(
        any(one.end < what.start and what.as_of < one.start and concerns(one, what.subject) for one in changes)
        for what in operations
        if what.kind is Kind.READ
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_judge_agrees_with_the_definition_on_random_histories(seed: int) -> None:
    dice = random.Random(seed)
    history: list[Operation] = []
    for _ in range(300):
        start = dice.randrange(400)
        end = start + dice.randrange(40)
        row = dice.randrange(3)
        kind = dice.choices([Kind.READ, Kind.DELETE, Kind.TAG, Kind.CLEAR], [20, 3, 3, 1])[0]
        subject = dice.choice([row, GROUP]) if kind is Kind.TAG else row
        as_of = max(0, start - dice.randrange(100))
        history.append(Operation(kind, start, end, subject, version=1, as_of=as_of + (as_of == 0)))
    assert verdict_of(*history).violations == slow_verdict(history) > 0
