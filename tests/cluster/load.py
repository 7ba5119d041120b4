"""Callers that use a service all the time while something happens to its cluster, and what they saw."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from pika_redis import RedisService

__all__ = ["Load", "under_load"]

_KEYS = 60
_PAUSE = 0.002


@dataclass
class Load:
    """What callers saw."""

    failures: list[str] = field(default_factory=list)
    old: list[str] = field(default_factory=list)
    """Reads that began after a newer version's invalidation had returned."""
    calls: int = 0
    slowest: float = 0.0
    loads: int = 0
    current: dict[str, int] = field(default_factory=dict)
    """The source: the version of each key."""
    settled: dict[str, int] = field(default_factory=dict)
    """The newest version whose invalidation has returned."""

    async def reads(self, service: RedisService, key: str) -> None:
        """One read, timed and judged."""
        least, began = self.settled.get(key, 0), time.monotonic()

        async def load() -> int:
            self.loads += 1
            return self.current.setdefault(key, 0)

        try:
            seen = await service.get_or_load(key, load, ttl=60, tags=[f"t{key}"])
        except Exception as error:  # noqa: BLE001 (whatever a caller would see)
            self.failures.append(f"read of {key}: {error!r}")
        else:
            if seen < least:
                self.old.append(f"{key}: {seen} < {least}")
        self._took(began)

    async def changes(self, service: RedisService, key: str, *, by_tag: bool) -> None:
        """One change of the source, and its invalidation."""
        version = self.current[key] = self.current.get(key, 0) + 1
        began = time.monotonic()
        try:
            await (service.invalidate_tags([f"t{key}"]) if by_tag else service.delete(key))
        except Exception as error:  # noqa: BLE001 (whatever a caller would see)
            self.failures.append(f"change of {key}: {error!r}")
        else:
            self.settled[key] = max(version, self.settled.get(key, 0))
        self._took(began)

    def _took(self, began: float) -> None:
        self.calls += 1
        self.slowest = max(self.slowest, time.monotonic() - began)


@contextlib.asynccontextmanager
async def under_load(service: RedisService) -> AsyncIterator[Load]:
    """Readers and a writer work until the block ends."""
    load = Load()
    keys = [f"k{number}" for number in range(_KEYS)]
    ended = asyncio.Event()

    async def reader(start: int) -> None:
        while not ended.is_set():
            for key in keys[start::4]:
                await load.reads(service, key)
                await asyncio.sleep(_PAUSE)

    async def writer() -> None:
        turn = 0
        while not ended.is_set():
            for key in keys:
                turn += 1
                await load.changes(service, key, by_tag=turn % 2 == 0)
                await asyncio.sleep(_PAUSE)
                if ended.is_set():
                    return

    async with asyncio.TaskGroup() as group:
        for start in range(4):
            group.create_task(reader(start))
        group.create_task(writer())
        try:
            yield load
        finally:
            ended.set()
