from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from benchmarks.rounds import Spread, ratios, rounds


def _measuring(log: list[str], name: str, figures: list[float]) -> Callable[[], Awaitable[float]]:
    left = iter(figures)

    async def measure() -> float:
        log.append(name)
        return next(left)

    return measure


async def test_everybody_runs_in_every_round_and_every_second_round_goes_backwards() -> None:
    log: list[str] = []
    contest = {"a": _measuring(log, "a", [1, 2, 3]), "b": _measuring(log, "b", [4, 5, 6])}
    assert await rounds(contest, 3) == {"a": [1, 2, 3], "b": [4, 5, 6]}
    assert log == ["a", "b", "b", "a", "a", "b"]


def test_a_ratio_is_taken_within_each_round() -> None:
    # Between the rounds everything became ten times slower; the medians of the figures alone would say 1.
    assert ratios({"a": [200, 20, 200], "b": [100, 10, 20]}, "a", "b") == Spread(2, 2, 10)


def test_rounds_that_somebody_missed_are_no_ratio() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios({"a": [1, 2], "b": [1]}, "a", "b")


def test_a_spread_is_minimum_median_and_maximum() -> None:
    assert Spread.of([9, 1, 4, 3]) == Spread(1, 3.5, 9)
    with pytest.raises(ValueError, match="at least one"):
        Spread.of([])
