"""Side by side: every contestant runs in every round, and what counts is the ratio within a round.

The machines that run this are shared and noisy: half a second of a neighbour's work can halve a figure. Two
measurements made one after the other suffer alike, so their ratio says more than either of them, and the median of the
ratios over some rounds more than one: many short rounds tell more than few long ones. Every second round goes
backwards, so that nobody always follows the same neighbour.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Contest", "Measured", "Pace", "Spread", "ratios", "rounds"]

Contest = Mapping[str, Callable[[], Awaitable[float]]]
"""Name to a coroutine function that measures once."""

Measured = Mapping[str, Sequence[float]]
"""Name to the figures of all rounds, in the order of the rounds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run may take: rounds, and the seconds that one measurement should last."""

    rounds: int
    seconds: float
    quick: bool = False

    @classmethod
    def usual(cls) -> Pace:
        """For figures that are published."""
        return cls(rounds=15, seconds=0.1)

    @property
    def few(self) -> int:
        """How many rounds are enough where no bar hangs on it."""
        return max(1, self.rounds // 3)

    @classmethod
    def hurried(cls) -> Pace:
        """For a smoke test: everything runs, no figure means anything."""
        return cls(rounds=1, seconds=0.005, quick=True)


@dataclass(frozen=True, slots=True)
class Spread:
    """What some rounds gave: their median, and how far they lie apart."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value. Raises ValueError without one."""
        ordered = sorted(values)
        if not ordered:
            raise ValueError("a spread needs at least one value")
        return cls(ordered[0], statistics.median(ordered), ordered[-1])


async def rounds(contest: Contest, count: int) -> dict[str, list[float]]:
    """What every contestant measures in each of `count` rounds."""
    results: dict[str, list[float]] = {name: [] for name in contest}
    order = list(contest.items())
    for number in range(count):
        for name, measure in reversed(order) if number % 2 else order:
            gc.collect()
            results[name].append(await measure())
    return results


def ratios(measured: Measured, one: str, other: str) -> Spread:
    """`one` divided by `other`, round by round. Raises ValueError for a different number of rounds."""
    return Spread.of(a / b for a, b in zip(measured[one], measured[other], strict=True))
