"""What one process does in a run: tasks that read, write and invalidate by the throw of a dice, and log each step.

Every stamp is taken as close to the call as can be, the start before and the end after; see `history` on why that
keeps doubt on the side of the cache. A writer commits first and invalidates then, as the documentation tells users.
Rows whose version is divisible by 8 are None: absence is cached like a value.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import count
from time import monotonic_ns
from typing import Final, TypeGuard

from pika_redis import MISSING, CacheError, FullCacheService

from ...model.counters import Counters
from .access import CacheAside, Naming, ThroughCache
from .database import Database
from .history import Kind, Operation, Stamped, Tier, first_origin
from .log import Log
from .plan import Plan
from .stepped import Stepped
from .tiers import current_reading, make_probe

__all__ = ["Workload", "is_none"]

_NONE_EVERY = 8
_SKEW = 3.0
_SEVERAL = 3

Step = Callable[[int], Awaitable[None]]

_READS: Final = {"load": 40.0, "call": 30.0, "look": 15.0}
_BY_KEY: Final = {"delete": 6.0, "delete_several": 1.0, "mark_stale": 1.0, "delete_only": 1.0}
_BY_TAG: Final = {"untag": 6.0, "untag_several": 1.0, "untag_only": 1.0}
_ALWAYS: Final = {"set": 1.5, "clear": 0.05}
_MIXES: Final = {
    "tags": _READS | _ALWAYS | _BY_TAG,
    "keys": _READS | _ALWAYS | _BY_KEY,
    "both": _READS | _ALWAYS | _BY_TAG | _BY_KEY,
}
"""Weights of the operations, by what a run invalidates."""


def is_none(version: int) -> bool:
    """Whether a row at this version is None."""
    return version % _NONE_EVERY == 0


class Workload:
    """The work of one process. `process` counts from 0 and must differ from those of all others."""

    def __init__(self, plan: Plan, process: int, service: FullCacheService, database: Database, log: Log) -> None:
        self._plan = plan
        self._process = process
        self._service = service
        self._database = database
        self._log = log
        self._names = Naming(plan)
        self._probe = make_probe(joins=not plan.control)
        self._origins = count(first_origin(process))
        self._pause = random.Random(f"{plan.seed}:{process}:pauses")  # noqa: S311 (a repeatable mix, no secret)
        access = CacheAside if plan.control else ThroughCache
        self._access = access(service, self._names, self._loaded)
        weights = _MIXES[plan.invalidate]
        self._steps: list[Step] = [getattr(self, f"_{name}") for name in weights]
        self._weights = list(weights.values())

    async def run(self, deadline_ns: int) -> None:
        """Work until the deadline, or until each task has done its operations."""
        await asyncio.gather(*[self._task(number, deadline_ns) for number in range(self._plan.tasks)])

    async def _task(self, number: int, deadline_ns: int) -> None:
        plan = self._plan
        dice = random.Random(f"{plan.seed}:{self._process}:{number}")  # noqa: S311 (a repeatable mix, no secret)
        left = plan.operations
        while left != 0 and monotonic_ns() < deadline_ns:
            row = int(plan.keys * dice.random() ** _SKEW)
            (step,) = dice.choices(self._steps, self._weights)
            started = monotonic_ns()
            try:
                await step(row)
            except CacheError:
                self._log.write(Operation(Kind.FAILED, started, monotonic_ns(), row))
            await asyncio.sleep(dice.random() * plan.think_ms / 1000)
            left = None if left is None else left - 1

    # -- reading ----------------------------------------------------------------------------------------------

    async def _load(self, row: int) -> None:
        await self._read(row, self._access.load)

    async def _call(self, row: int) -> None:
        await self._read(row, self._access.call)

    async def _look(self, row: int) -> None:
        await self._read(row, self._access.look)

    async def _read(self, row: int, way: Callable[[int], Awaitable[object]]) -> None:
        reading = self._probe.reading(row)
        token = current_reading.set(reading)
        try:
            copied = self._copies_read()
            answer = Stepped(way(row))
            start = monotonic_ns()
            value = await answer
            end = monotonic_ns()
            # Answered without a wait, and by a copy: nobody else can have been served in between.
            tier = Tier.L1 if answer.at_once and self._copies_read() > copied else reading.tier(_origin_of(value))
            self._log.write(_as_read(row, value, start, end)._replace(tier=tier))
        finally:
            current_reading.reset(token)
            reading.close()

    def _copies_read(self) -> int:
        """How many reads were answered by the memory of this process; 0 for a service that doesn't tell."""
        counts = getattr(self._service, "counts", None)
        return counts.l1_hits if isinstance(counts, Counters) else 0

    async def _loaded(self, row: int) -> Stamped | None:
        """The loader: reads the row at some moment of the time that it takes."""
        as_of = monotonic_ns()
        origin = next(self._origins)
        reading = current_reading.get()
        if reading is not None:
            reading.loads(origin)
        await self._work()
        version = self._database.version(row)
        await self._work()
        absent = is_none(version)
        logged = 0 if absent else version
        self._log.write(Operation(Kind.LOAD, as_of, monotonic_ns(), row, version=logged, origin=origin))
        return None if absent else (row, version, as_of, origin)

    async def _work(self) -> None:
        await asyncio.sleep(self._pause.random() * self._plan.load_ms / 1000)

    # -- changing ---------------------------------------------------------------------------------------------

    def _commit(self, row: int) -> int:
        start = monotonic_ns()
        version = self._database.commit(row)
        self._log.write(Operation(Kind.COMMIT, start, monotonic_ns(), row, version=version))
        return version

    async def _set(self, row: int) -> None:
        """Commit and say what the row is now; a None could not say which `set` it came from and is untagged."""
        version = self._commit(row)
        if is_none(version):
            await self._end_tags([row])
            return
        origin = next(self._origins)
        names = self._names
        value = (row, version, 0, origin)
        setting = self._service.set(names.key(row), value, names.ttl, tags=names.tags(row))
        await self._ended(Kind.SET, [row], setting, origin)

    async def _delete(self, row: int) -> None:
        self._commit(row)
        await self._delete_only(row)

    async def _delete_only(self, row: int) -> None:
        await self._ended(Kind.DELETE, [row], self._service.delete(self._names.key(row)))

    async def _delete_several(self, row: int) -> None:
        rows = self._neighbours(row)
        for one in rows:
            self._commit(one)
        await self._ended(Kind.DELETE, rows, self._service.delete_many([self._names.key(one) for one in rows]))

    async def _mark_stale(self, row: int) -> None:
        self._commit(row)
        await self._ended(Kind.MARK_STALE, [row], self._service.mark_stale(self._names.key(row)))

    async def _untag(self, row: int) -> None:
        self._commit(row)
        await self._untag_only(row)

    async def _untag_only(self, row: int) -> None:
        await self._end_tags([row])

    async def _untag_several(self, row: int) -> None:
        self._commit(row)
        _, group = self._plan.tags_of(row)
        await self._end_tags([row, group])

    async def _end_tags(self, tags: list[int]) -> None:
        names = [self._plan.tag_name(tag) for tag in tags]
        await self._ended(Kind.TAG, tags, self._service.invalidate_tags(names))

    async def _clear(self, row: int) -> None:
        self._commit(row)
        await self._ended(Kind.CLEAR, [0], self._service.clear())

    async def _ended(self, kind: Kind, subjects: list[int], change: Awaitable[object], origin: int = 0) -> None:
        """Await a change and log it, if it returned, for everything that it names."""
        start = monotonic_ns()
        await change
        end = monotonic_ns()
        for subject in subjects:
            self._log.write(Operation(kind, start, end, subject, origin=origin))

    def _neighbours(self, row: int) -> list[int]:
        return [(row + step) % self._plan.keys for step in range(min(_SEVERAL, self._plan.keys))]


def _origin_of(value: object) -> int | None:
    return value[3] if _is_stamped(value) else None


def _is_stamped(value: object) -> TypeGuard[Stamped]:
    """Whether it is what a loader gave; a service of somebody else's may have made a list of it."""
    return isinstance(value, tuple | list) and len(value) == 4 and all(type(part) is int for part in value)


def _as_read(row: int, value: object, start: int, end: int) -> Operation:
    """What a read gave, as an operation without its tier."""
    if value is MISSING:
        return Operation(Kind.MISS, start, end, row)
    if value is None:
        return Operation(Kind.READ, start, end, row)
    if _is_stamped(value) and value[0] == row:
        _, version, as_of, origin = value
        return Operation(Kind.READ, start, end, row, version=version, as_of=as_of, origin=origin)
    return Operation(Kind.MIXED, start, end, row)
