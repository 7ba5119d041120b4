"""How long past its time a value was served.

A value's life begins when it is stored, of which nobody tells the moment. It lies between the end of its loader and the
end of the read that led the load, since that read waits until the value is stored; for a `set` or `add` it lies within
the call. Counted from the later of the two, a value is never called too old wrongly, but for one that a refresh in the
background stored: there only the loader's end is known, and `OVER_AGE_NS` allows for the moment until it was stored. A
cached None doesn't say where it came from: the newest load that may have given it counts.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from .history import Kind, Operation, Tier
from .rising import Rising

__all__ = ["OVER_AGE_NS", "Lives"]

OVER_AGE_NS: Final = 1_000_000_000
"""The time past its end for which a value may be served: what a busy machine makes of a moment."""


class Lives:
    """When each value's life began at the latest, in a history that is told operation by operation."""

    def __init__(self, lives_ns: int | None) -> None:
        self._lives_ns = lives_ns
        self._stored: dict[int, int] = {}
        self._nones: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._rising: dict[int, Rising] = {}

    def note(self, one: Operation) -> None:
        """An operation of the history, in any order."""
        stores = one.kind in (Kind.LOAD, Kind.SET, Kind.ADD) or (one.kind is Kind.READ and one.tier is Tier.LOADED)
        if self._lives_ns is not None and stores and one.origin:
            self._stored[one.origin] = max(one.end, self._stored.get(one.origin, 0))
        if one.kind is Kind.LOAD and not one.version:
            self._nones[one.subject].append((one.start, one.end))

    def over_ns(self, read: Operation) -> int:
        """How long before the read its value's life had ended; 0 when it had not, or nobody knows."""
        stored = self._stored.get(read.origin) if read.version else self._newest_none(read)
        if stored is None or self._lives_ns is None:
            return 0
        return max(0, read.start - stored - self._lives_ns)

    def _newest_none(self, read: Operation) -> int | None:
        """When the newest load that may have given this None ended."""
        if read.subject not in self._rising:
            self._rising[read.subject] = Rising(self._nones[read.subject])
        return self._rising[read.subject].until(read.end)
