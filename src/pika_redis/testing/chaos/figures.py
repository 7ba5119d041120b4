"""What a history says of calls as such: how many were answered, and how fast, while faults were there and without."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..checker.history import CHANGES, Kind, Operation
from .fault import Window

__all__ = ["Figures", "figures_of"]

_PARTS = frozenset({Kind.LOAD, Kind.COMMIT, Kind.HOLD})
_NS_A_MS = 1e6


@dataclass(slots=True)
class Figures:
    """Counts and times of the calls of a run."""

    calls: int = 0
    failed: int = 0
    """Those that raised although the cache promises an answer."""
    refused: int = 0
    """Those of `add` that raised: it doesn't guess without the server."""
    during: array[int] = field(default_factory=lambda: array("q"))
    """How long calls took that met a fault, in nanoseconds, sorted."""
    calm: array[int] = field(default_factory=lambda: array("q"))
    """How long the others took."""
    slowest: str = ""
    """What the slowest call of all was, and the fault that it met."""

    @property
    def availability(self) -> float:
        """The share of calls that were answered; 1.0 without calls."""
        return 1 - self.failed / self.calls if self.calls else 1.0

    @property
    def slowest_ms(self) -> float:
        """The slowest call of all."""
        return max(percentile_ms(self.during, 1), percentile_ms(self.calm, 1))


def figures_of(history: Iterable[Operation], windows: Sequence[Window]) -> Figures:
    """The figures of a history; `windows` don't overlap and are in order."""
    found = Figures()
    starts = [window.start for window in windows]
    during: list[int] = []
    calm: list[int] = []
    longest = -1
    for one in history:
        if one.kind in _PARTS or (one.kind in CHANGES and one.version):
            continue
        found.calls += 1
        if one.kind is Kind.FAILED:
            if one.version:
                found.refused += 1
            else:
                found.failed += 1
        at = bisect_right(starts, one.end) - 1
        met = at >= 0 and windows[at].end >= one.start
        lasted = one.end - one.start
        (during if met else calm).append(lasted)
        if lasted > longest:
            longest = lasted
            found.slowest = f"{one.kind.name.lower()}, {repr(windows[at].name) if met else 'no fault'}"
    found.during, found.calm = array("q", sorted(during)), array("q", sorted(calm))
    return found


def percentile_ms(times: Sequence[int], share: float) -> float:
    """The time within which that share of sorted times lies, in milliseconds; 0.0 without any."""
    return times[max(0, math.ceil(share * len(times)) - 1)] / _NS_A_MS if times else 0.0
