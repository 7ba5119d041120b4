"""What one process does in a run: tasks that read, write and invalidate by the throw of a dice, and log each step.

A writer commits first and invalidates then, as the documentation tells users, or commits within a guard. Reading is
in `reads`.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from time import monotonic_ns
from typing import Final

from pika_redis import CacheError, FullCacheService

from .access import Naming
from .database import Database
from .history import Kind, Operation
from .log import Log
from .outages import Outages
from .plan import Plan
from .reads import LoadFailed, Reads, Step, is_none, neighbours

__all__ = ["FAILED_MARK", "Workload"]

_SKEW = 3.0
_MOST_TOLD = 100
FAILED_MARK = "failed: "
"""How a line of standard error begins that tells of a call's error."""

_BY_KEY: Final = {"delete": 6.0, "delete_several": 1.0, "mark_stale": 1.0, "delete_only": 1.0, "guarded_key": 0.5}
_BY_TAG: Final = {"untag": 6.0, "untag_several": 1.0, "untag_only": 1.0, "guarded_tag": 0.5}
_ALWAYS: Final = {"set": 1.5, "clear": 0.05}
_MIXES: Final = {
    "tags": _ALWAYS | _BY_TAG,
    "keys": _ALWAYS | _BY_KEY | {"add": 0.5},
    "both": _ALWAYS | _BY_TAG | _BY_KEY | {"add": 0.5},
}
"""Weights of the changes, by what a run invalidates."""


class Workload:
    """The work of one process. `process` counts from 0 and must differ from those of all others."""

    def __init__(self, plan: Plan, process: int, service: FullCacheService, database: Database, log: Log) -> None:
        self._plan = plan
        self._process = process
        self._service = service
        self._database = database
        self._log = log
        self._names = Naming(plan)
        self._outages = Outages(service, log)
        self._told = 0
        reads = Reads(plan, process, service, database, log)
        self._origins = reads.origins
        changes: dict[Step, float] = {
            getattr(self, f"_{name}"): weight for name, weight in _MIXES[plan.invalidate].items()
        }
        self._steps = [*reads.steps, *changes]
        self._weights = [*reads.steps.values(), *changes.values()]

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
            self._outages.settle()
            started = monotonic_ns()
            try:
                await step(row)
            except (CacheError, LoadFailed) as error:
                self._log.write(Operation(Kind.FAILED, started, monotonic_ns(), row, version=int(step == self._add)))
                self._tell(step, error)
            await asyncio.sleep(dice.random() * plan.think_ms / 1000)
            left = None if left is None else left - 1

    def _tell(self, step: Step, error: Exception) -> None:
        """Say on standard error which error a call raised that should have been answered; the first ones."""
        if step != self._add and not isinstance(error, LoadFailed) and self._told < _MOST_TOLD:
            self._told += 1
            sys.stderr.write(f"{FAILED_MARK}{type(error).__name__}: {error}\n")

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

    async def _add(self, row: int) -> None:
        """Commit, and say what the row is now if nobody else has; else the entry that there is must go."""
        version = self._commit(row)
        origin = next(self._origins)
        value, names = (row, version, 0, origin), self._names
        start = monotonic_ns()
        if not is_none(version) and await self._service.add(names.key(row), value, names.ttl, tags=names.tags(row)):
            self._log.write(Operation(Kind.ADD, start, monotonic_ns(), row, origin=origin))
            return
        await self._delete_only(row)

    async def _delete(self, row: int) -> None:
        self._commit(row)
        await self._delete_only(row)

    async def _delete_only(self, row: int) -> None:
        await self._ended(Kind.DELETE, [row], self._service.delete(self._names.key(row)))

    async def _delete_several(self, row: int) -> None:
        rows = neighbours(self._plan, row)
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

    async def _guarded_key(self, row: int) -> None:
        await self._guarded(Kind.DELETE, row, self._service.guard(keys=[self._names.key(row)]))

    async def _guarded_tag(self, row: int) -> None:
        await self._guarded(Kind.TAG, row, self._service.guard(tags=[self._plan.tag_name(row)]))

    async def _guarded(self, kind: Kind, row: int, guard: AbstractAsyncContextManager[object]) -> None:
        """Commit within a guard, whose end is the invalidation."""
        entered = monotonic_ns()
        async with guard:
            self._commit(row)
            start = monotonic_ns()
        end = monotonic_ns()
        self._log.write(Operation(Kind.HOLD, entered, end, row))
        self._outages.log_change(Operation(kind, start, end, row))

    async def _clear(self, row: int) -> None:
        self._commit(row)
        await self._ended(Kind.CLEAR, [0], self._service.clear())

    async def _ended(self, kind: Kind, subjects: list[int], change: Awaitable[object], origin: int = 0) -> None:
        """Await a change and log it, if it returned, for everything that it names."""
        start = monotonic_ns()
        await change
        end = monotonic_ns()
        for subject in subjects:
            self._outages.log_change(Operation(kind, start, end, subject, origin=origin))
