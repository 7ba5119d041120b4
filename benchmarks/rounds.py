"""Side by side: every contestant runs in every round, and what counts is the ratio within a round.

The machines that run this are shared and noisy; a ratio of two neighbours in time says more than two times do.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping

__all__ = ["Contest", "ratios", "rounds", "show"]

Contest = Mapping[str, Callable[[], Awaitable[float]]]
"""Name to a coroutine function that measures once and gives operations per second."""


async def rounds(contest: Contest, count: int) -> dict[str, list[float]]:
    """Operations per second of every contestant in each of `count` rounds, after one that is not counted."""
    results: dict[str, list[float]] = {name: [] for name in contest}
    for number in range(count + 1):
        for name, measure in contest.items():
            speed = await measure()
            if number:
                results[name].append(speed)
    return results


def ratios(results: Mapping[str, list[float]], one: str, other: str) -> tuple[float, float, float]:
    """Minimum, median and maximum over the rounds of the speed of `one` divided by that of `other`."""
    each = [a / b for a, b in zip(results[one], results[other], strict=True)]
    return min(each), statistics.median(each), max(each)


def show(title: str, rows: list[tuple[str, tuple[float, float, float], str, bool]]) -> None:
    """Print a table of ratios (minimum, median, maximum), each with its bar and whether the median keeps it."""
    width = max(len(row[0]) for row in rows)
    print(title)
    print(f"  {'':{width}}  {'median':>8}  {'min..max':>15}  {'bar':>10}")
    for name, (low, middle, high), bar, kept in rows:
        span = f"{low:.2f}..{high:.2f}"
        print(f"  {name:{width}}  {middle:8.2f}  {span:>15}  {bar:>10}  {'kept' if kept else 'MISSED'}")
