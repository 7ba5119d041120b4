"""Who answered a read: the seam between the checker and what the library tells of itself.

A worker asks its probe for a `Reading` right before each read, tells it when a loader begins and ends, and asks it for
the tier when the value is there. Nothing else in the checker knows where a tier comes from.

What the memory of the process answers is told by the library's count (see `Reads`); the rest is found out from
outside. A value comes from the read's own load (its loader ran in this context), from another caller's load that was
under way when the read began (the value carries the load's id), or from the server. A load is counted as under way
until its caller has its value, which is a moment longer than it can be joined: a server read in that moment is taken
for a joined one. A load that belongs to no read that still goes on is a refresh in the background; it can be joined
until it is stored, so it counts as under way for a second after its loader ended.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextvars import Context, ContextVar
from time import monotonic_ns

from .history import Tier

__all__ = ["FlightProbe", "Reading", "current_readings"]

_STORED_WITHIN = 1.0  # seconds
_ASKED_WITHIN_NS = 1_000_000_000  # of a load in the background nobody tells when it was asked for


class Reading:
    """One read of one row, from before its call until after it."""

    def __init__(self, probe: FlightProbe, row: int, earlier: frozenset[int]) -> None:
        self._probe = probe
        self.row = row
        self.asked = monotonic_ns()
        self._earlier = earlier
        self._led: set[int] = set()
        self._held: list[int] = []
        self.open = True

    def holds(self, origin: int, *, led: bool) -> None:
        """A load that is under way as long as this read is, and may be its own."""
        self._held.append(origin)
        if led:
            self._led.add(origin)

    def tier(self, origin: int | None) -> Tier:
        """Who gave the value, which came from load or set `origin`; None = unknown, since the value is None."""
        if origin in self._led or (origin is None and self._led):
            return Tier.LOADED
        if origin in self._earlier or origin in self._held or (origin is None and self._earlier):
            return Tier.JOINED
        return Tier.SERVER

    def close(self) -> None:
        """The read has ended, with or without a value."""
        self.open = False
        self._probe.ended_with(self, self._held)


current_readings: ContextVar[tuple[Reading, ...]] = ContextVar("pika_redis_checker_readings", default=())
"""The reads that the running code belongs to; a load runs in a copy of its caller's context and so finds its own."""


class FlightProbe:
    """Watches the reads of one process; `joins` tells whether they share loads."""

    def __init__(self, *, joins: bool = True) -> None:
        self._joins = joins
        self._under_way: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self._open: defaultdict[int, set[Reading]] = defaultdict(set)

    def reading(self, row: int) -> Reading:
        """A read of this row begins."""
        reading = Reading(self, row, frozenset(self._under_way[row]) if self._joins else frozenset())
        self._open[row].add(reading)
        return reading

    def begins(self, row: int, origin: int) -> int:
        """A loader begins to run for this row, as load `origin`. When it may have been asked for at the earliest."""
        own = [one for one in current_readings.get() if one.row == row and one.open]
        self._under_way[row][origin] += 1
        for reading in own or self._open[row]:
            reading.holds(origin, led=bool(own))
            self._under_way[row][origin] += 1
        return min(reading.asked for reading in own) if own else monotonic_ns() - _ASKED_WITHIN_NS

    def ends(self, row: int, origin: int) -> None:
        """The loader has ended."""
        if self._under_way[row][origin] > 1:
            self._let_go(row, origin)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(_STORED_WITHIN, self._let_go, row, origin, context=Context())  # holds no flight

    def ended_with(self, reading: Reading, origins: list[int]) -> None:
        """A read has ended, and what it held may have, too."""
        self._open[reading.row].discard(reading)
        for origin in origins:
            self._let_go(reading.row, origin)

    def _let_go(self, row: int, origin: int) -> None:
        loads = self._under_way[row]
        loads[origin] -= 1
        if loads[origin] <= 0:
            del loads[origin]
