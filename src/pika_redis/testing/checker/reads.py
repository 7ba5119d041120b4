"""The reading half of a process's work, by the throw of a dice, with the loaders behind it.

Every stamp is taken as close to the call as can be, the start before and the end after; see `history` on why that
keeps doubt on the side of the cache. Rows whose version is divisible by 8 are None: absence is cached like a value.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from time import monotonic_ns
from typing import Final, TypeGuard

from pika_redis import MISSING, FullCacheService

from .access import Naming, cache_aside, through_cache
from .database import Database
from .history import Kind, Operation, Stamped, Tier, first_origin
from .log import Log
from .outages import Outages
from .plan import Plan
from .stepped import Stepped
from .tiers import FlightProbe, Reading, current_readings

__all__ = ["LoadFailed", "Reads", "Step", "is_none", "neighbours"]

_NONE_EVERY = 8
_SEVERAL = 3

Step = Callable[[int], Awaitable[None]]

_WEIGHTS: Final = {
    "load": 24.0,
    "call": 24.0,
    "look": 12.0,
    "late_tags": 4.0,
    "one": 6.0,
    "look_strict": 2.0,
    "load_strict": 4.0,
    "look_several": 3.0,
    "load_several": 3.0,
    "call_several": 3.0,
}


class LoadFailed(Exception):
    """A load that failed because the plan says so."""


def is_none(version: int) -> bool:
    """Whether a row at this version is None."""
    return version % _NONE_EVERY == 0


def neighbours(plan: Plan, row: int) -> list[int]:
    """Rows that are read or ended together with this one."""
    return [(row + step) % plan.keys for step in range(min(_SEVERAL, plan.keys))]


class Reads:
    """What the tasks of one process read."""

    def __init__(self, plan: Plan, process: int, service: FullCacheService, database: Database, log: Log) -> None:
        self._plan = plan
        self._database = database
        self._log = log
        self.origins = count(first_origin(process))
        """The ids of what is loaded or set here."""
        self._probe = FlightProbe(joins=not plan.control)
        self._outages = Outages(service, log)
        self._pause = random.Random(f"{plan.seed}:{process}:pauses")  # noqa: S311 (a repeatable mix, no secret)
        names = Naming(plan)
        ways = cache_aside(service, names, self) if plan.control else through_cache(service, names, self, plan)
        self.steps: dict[Step, float] = {}
        """What a task may do, with its weight."""
        for name, way in ways.single.items():
            self.steps[partial(self._read, way, strict=name in ways.strict)] = _WEIGHTS[name]
        for name, several in ways.several.items():
            self.steps[partial(self._read_several, several)] = _WEIGHTS[name]

    # -- loading ----------------------------------------------------------------------------------------------

    async def one(self, row: int) -> Stamped | None:
        """The loader of a row: reads it at some moment of the time that it takes."""
        (value,) = await self.several([row])
        return value

    async def several(self, rows: Sequence[int]) -> list[Stamped | None]:
        """The loader of several rows. Raises LoadFailed as often as planned."""
        began = monotonic_ns()
        origins = [next(self.origins) for _ in rows]
        asked = [self._probe.begins(row, origin) for row, origin in zip(rows, origins, strict=True)]
        try:
            await self._work()
            if self._pause.random() < self._plan.fail_rate:
                raise LoadFailed("as planned")
            versions = [self._database.version(row) for row in rows]
            await self._work()
        finally:
            for row, origin in zip(rows, origins, strict=True):
                self._probe.ends(row, origin)
        ended = monotonic_ns()
        values: list[Stamped | None] = []
        for row, origin, version, since in zip(rows, origins, versions, asked, strict=True):
            absent = is_none(version)
            logged = 0 if absent else version
            self._log.write(Operation(Kind.LOAD, began, ended, row, version=logged, as_of=since, origin=origin))
            values.append(None if absent else (row, version, began, origin))
        return values

    async def _work(self) -> None:
        await asyncio.sleep(self._pause.random() * self._plan.load_ms / 1000)

    # -- reading ----------------------------------------------------------------------------------------------

    async def _read(self, way: Callable[[int], Awaitable[object]], row: int, *, strict: bool) -> None:
        with self._reading([row]) as (reading,):
            answer = Stepped(way(row), self._outages.copies_read)
            seen = self._outages.seen
            start = monotonic_ns()
            value = await answer
            end = monotonic_ns()
            tier = reading.tier(_origin_of(value))
            if answer.at_once and answer.grown:
                tier = Tier.L1
            elif strict and tier is not Tier.LOADED:
                tier = Tier.STRICT
            elif tier is Tier.SERVER and self._outages.since(seen):
                tier = Tier.DEGRADED
            self._log.write(as_read(row, value, start, end)._replace(tier=tier))

    async def _read_several(self, way: Callable[[Sequence[int]], Awaitable[Sequence[object]]], row: int) -> None:
        """Which of several were copies, nobody tells: if one was, all that the server may have given count as such."""
        rows = neighbours(self._plan, row)
        with self._reading(rows) as readings:
            answer = Stepped(way(rows), self._outages.copies_read)
            seen = self._outages.seen
            start = monotonic_ns()
            values = await answer
            end = monotonic_ns()
            for reading, value in zip(readings, values, strict=True):
                tier = reading.tier(_origin_of(value))
                if tier is Tier.SERVER:
                    tier = Tier.DEGRADED if self._outages.since(seen) else Tier.L1 if answer.grown else tier
                self._log.write(as_read(reading.row, value, start, end)._replace(tier=tier))

    @contextmanager
    def _reading(self, rows: Sequence[int]) -> Iterator[tuple[Reading, ...]]:
        readings = tuple([self._probe.reading(row) for row in rows])
        token = current_readings.set(readings)
        try:
            yield readings
        finally:
            current_readings.reset(token)
            for reading in readings:
                reading.close()


def _origin_of(value: object) -> int | None:
    return value[3] if _is_stamped(value) else None


def _is_stamped(value: object) -> TypeGuard[Stamped]:
    """Whether it is what a loader gave; a service of somebody else's may have made a list of it."""
    return isinstance(value, tuple | list) and len(value) == 4 and all(type(part) is int for part in value)


def as_read(row: int, value: object, start: int, end: int) -> Operation:
    """What a read gave, as an operation without its tier."""
    if value is MISSING:
        return Operation(Kind.MISS, start, end, row)
    if value is None:
        return Operation(Kind.READ, start, end, row)
    if _is_stamped(value) and value[0] == row:
        _, version, as_of, origin = value
        return Operation(Kind.READ, start, end, row, version=version, as_of=as_of, origin=origin)
    return Operation(Kind.MIXED, start, end, row)
