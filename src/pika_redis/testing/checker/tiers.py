"""Who answered a read: the seam between the checker and what the library tells of itself.

A worker asks its probe for a `Reading` right before each read, tells it when the read's own loader begins, and asks it
for the tier when the value is there. Nothing else in the checker knows where a tier comes from: `make_probe` is the
one place to change when the library tells it.

What the memory of the process answers is told by the library's count (see `Workload`); the rest is found out from
outside. A value comes from the read's own load (its loader ran in this context), from another caller's load that was
under way when the read began (the value carries the load's id), or from the server. A load is counted as under way
until its caller has its value, which is a moment longer than it can be joined: a server read in that moment is taken
for a joined one.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

from .history import Tier

__all__ = ["AloneProbe", "FlightProbe", "Reading", "TierProbe", "current_reading", "make_probe"]


class Reading(Protocol):
    """One read, from before its call until after it."""

    def loads(self, origin: int) -> None:
        """The loader of this read begins to run, as load `origin`."""
        ...

    def tier(self, origin: int | None) -> Tier:
        """Who gave the value, which came from load or set `origin`; None = unknown, since the value is None."""
        ...

    def close(self) -> None:
        """The read has ended, with or without a value."""
        ...


class TierProbe(Protocol):
    """Watches the reads of one process."""

    def reading(self, row: int) -> Reading:
        """A read of this row begins."""
        ...


current_reading: ContextVar[Reading | None] = ContextVar("pika_redis_checker_reading", default=None)
"""The read that the running code belongs to; a load runs in a copy of its caller's context and so finds its own."""


class FlightProbe:
    """Tells joined and own loads from everything else, which the server must have given."""

    def __init__(self) -> None:
        self.under_way: dict[int, set[int]] = {}
        """The loads of each row whose callers still wait."""

    def reading(self, row: int) -> Reading:
        """A read of this row begins."""
        return _FlightReading(self, row)


class _FlightReading:
    def __init__(self, probe: FlightProbe, row: int) -> None:
        self._probe = probe
        self._row = row
        self._earlier = frozenset(probe.under_way.get(row, ()))
        self._led: set[int] = set()

    def loads(self, origin: int) -> None:
        self._led.add(origin)
        self._probe.under_way.setdefault(self._row, set()).add(origin)

    def tier(self, origin: int | None) -> Tier:
        if origin in self._led or (origin is None and self._led):
            return Tier.LOADED
        if origin in self._earlier or (origin is None and self._earlier):
            return Tier.JOINED
        return Tier.SERVER

    def close(self) -> None:
        self._probe.under_way.get(self._row, set()).difference_update(self._led)


class AloneProbe:
    """For readers who never join the loads of others."""

    def reading(self, row: int) -> Reading:
        """A read begins."""
        return _FlightReading(FlightProbe(), row)


def make_probe(*, joins: bool) -> TierProbe:
    """The probe of a worker; `joins` tells whether its reads share loads."""
    return FlightProbe() if joins else AloneProbe()
