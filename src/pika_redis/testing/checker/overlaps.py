"""Loads of the same row that ran side by side although nothing called for it: one load in the whole fleet is the rule.

A second load has a reason if, from the moment at which the first of the two was asked for until the second began,
something ended what they load (or may have, if it failed), or a guard was held: then readers load side by side.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import accumulate

from .history import CHANGES, Kind, Operation

__all__ = ["overlaps"]

_REASONS = CHANGES | {Kind.ADD, Kind.HOLD, Kind.FAILED}


def overlaps(
    history: Iterable[Operation], tags_of: Callable[[int], Iterable[int]]
) -> list[tuple[Operation, Operation]]:
    """The pairs of loads, each with the one that it ran beside."""
    loads: defaultdict[int, list[Operation]] = defaultdict(list)
    reasons: defaultdict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for one in history:
        if one.kind is Kind.LOAD:
            loads[one.subject].append(one)
        elif one.kind in _REASONS:
            reasons[_target_of(one)].append((one.start, one.end))
    intervals = {target: _Intervals(found) for target, found in reasons.items()}
    found: list[tuple[Operation, Operation]] = []
    for row, those in loads.items():
        targets = [("row", row), *[("tag", tag) for tag in tags_of(row)], ("all", 0)]
        concern = [intervals[target] for target in targets if target in intervals]
        running: list[Operation] = []
        for load in sorted(those, key=lambda one: one.start):
            running = [one for one in running if one.end > load.start]
            found += [
                (earlier, load)
                for earlier in running
                if not any(one.touch(min(earlier.as_of, load.as_of), load.start) for one in concern)
            ]
            running.append(load)
    return found


class _Intervals:
    """Intervals, of which a look tells whether one touches a stretch of time."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, intervals: list[tuple[int, int]]) -> None:
        ordered = sorted(intervals)
        self._starts = [start for start, _ in ordered]
        self._ends = list(accumulate((end for _, end in ordered), max))

    def touch(self, since: int, until: int) -> bool:
        at = bisect_right(self._starts, until)
        return at > 0 and self._ends[at - 1] >= since


def _target_of(reason: Operation) -> tuple[str, int]:
    if reason.kind is Kind.CLEAR:
        return "all", 0
    return ("tag" if reason.kind is Kind.TAG else "row"), reason.subject
