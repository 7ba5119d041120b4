"""The largest number up to a moment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

__all__ = ["Rising"]


class Rising:
    """Pairs of a moment and a number, of which a look gives the largest number up to a moment; None without one."""

    __slots__ = ("_moments", "_numbers")

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(pairs)
        self._moments = [moment for moment, _ in ordered]
        self._numbers = list(accumulate((number for _, number in ordered), max))

    def until(self, moment: int) -> int | None:
        """The largest number of the pairs up to this moment."""
        at = bisect_right(self._moments, moment)
        return self._numbers[at - 1] if at else None
