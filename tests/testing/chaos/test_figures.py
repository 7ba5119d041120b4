"""Counts and times of calls, with faults and without."""

from __future__ import annotations

import pytest

from pika_redis.testing.chaos import Window, figures_of
from pika_redis.testing.chaos.figures import percentile_ms
from pika_redis.testing.checker import Kind, Operation

WINDOWS = [Window("cut", 100, 200), Window("killed", 300, 400)]


def call(start: int, end: int, kind: Kind = Kind.READ, version: int = 0) -> Operation:
    return Operation(kind, start, end, version=version)


@pytest.mark.parametrize(
    ("start", "end", "met"),
    [
        (0, 99, False),
        (0, 100, True),
        (150, 160, True),
        (200, 210, True),
        (201, 299, False),
        (90, 500, True),
        (401, 402, False),
    ],
)
def test_a_call_met_a_fault_if_it_ran_while_one_was_there(start: int, end: int, met: bool) -> None:
    figures = figures_of([call(start, end)], WINDOWS)
    assert (list(figures.during), list(figures.calm)) == (([end - start], []) if met else ([], [end - start]))


def test_failures_count_against_availability_but_those_of_adds() -> None:
    history = [call(0, 1)] * 8 + [call(0, 1, Kind.FAILED), call(0, 1, Kind.FAILED, version=1)]
    figures = figures_of(history, [])
    assert (figures.calls, figures.failed, figures.refused) == (10, 1, 1)
    assert figures.availability == pytest.approx(0.9)
    assert figures_of([], []).availability == 1


def test_parts_of_calls_and_what_was_made_good_later_are_no_calls() -> None:
    parts = [call(0, 9, kind) for kind in (Kind.LOAD, Kind.COMMIT, Kind.HOLD)]
    figures = figures_of([*parts, call(0, 9, Kind.DELETE, version=1), call(0, 9, Kind.DELETE)], [])
    assert (figures.calls, list(figures.calm)) == (1, [9])


def test_the_share_of_sorted_times() -> None:
    times = [number * 1_000_000 for number in range(1, 101)]
    assert [percentile_ms(times, share) for share in (0.5, 0.99, 1)] == [50, 99, 100]
    assert (percentile_ms([7_000_000], 0.99), percentile_ms([], 0.99)) == (7, 0)
