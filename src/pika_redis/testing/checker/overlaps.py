"""Loads of the same row that ran side by side although nothing called for it: one load in the whole fleet is the rule.

A second load has a reason if, from the moment at which the first of the two was asked for until the second began,
something ended what they load (or may have, if it failed), or a guard was held: then readers load side by side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from .history import CHANGES, Kind, Operation, Target, target_of, targets_of
from .rising import Rising

__all__ = ["overlaps"]

_REASONS = CHANGES | {Kind.ADD, Kind.HOLD, Kind.FAILED}


def overlaps(
    history: Iterable[Operation], tags_of: Callable[[int], Iterable[int]]
) -> list[tuple[Operation, Operation]]:
    """The pairs of loads, each with the one that it ran beside."""
    loads: defaultdict[int, list[Operation]] = defaultdict(list)
    reasons: defaultdict[Target, list[tuple[int, int]]] = defaultdict(list)
    for one in history:
        if one.kind is Kind.LOAD:
            loads[one.subject].append(one)
        elif one.kind in _REASONS:
            reasons[target_of(one)].append((one.start, one.end))
    ends = {target: Rising(found) for target, found in reasons.items()}
    found: list[tuple[Operation, Operation]] = []
    for row, those in loads.items():
        concern = [ends[target] for target in targets_of(row, tags_of(row)) if target in ends]
        running: list[Operation] = []
        for load in sorted(those, key=lambda one: one.start):
            running = [one for one in running if one.end > load.start]
            found += [
                (earlier, load)
                for earlier in running
                if not any((one.until(load.start) or 0) >= min(earlier.as_of, load.as_of) for one in concern)
            ]
            running.append(load)
    return found
