"""Changes while a load is under way: what was loaded before a change is not served after it."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pika_redis import FullCacheService

from ..assertions import until
from .hooks import Hooks

__all__ = ["ChangesDuringLoads"]

Change = Callable[[FullCacheService], Awaitable[object]]


class Database:
    """A source whose first load stops until it may go on, after it has read."""

    def __init__(self) -> None:
        self.row = "old"
        self.reached = asyncio.Event()
        self.go = asyncio.Event()

    async def load(self) -> str:
        """Read the row, then wait."""
        found = self.row
        self.reached.set()
        await self.go.wait()
        return found


class ChangesDuringLoads(Hooks):
    """Tags and epoch are captured before a load; who changes a key lets go of its loads."""

    async def _race(self, service: FullCacheService, change: Change) -> FullCacheService:
        """A load of `k` that began before the change and ends after it."""
        database = Database()
        reader = asyncio.create_task(service.get_or_load("k", database.load, tags=["t", "u"]))
        await database.reached.wait()
        database.row = "new"
        await change(service)
        late = asyncio.create_task(service.get_or_load("k", database.load, tags=["t", "u"]))
        await asyncio.sleep(0)
        database.go.set()
        assert await reader == "old"
        assert await late != "old"
        return service

    async def _loaded_anew(self, service: FullCacheService) -> None:
        async def fresh() -> str:
            return "new"

        assert await service.get("k") != "old"
        assert await service.get_or_load("k", fresh, tags=["t", "u"]) == "new"

    async def test_delete(self, service: FullCacheService) -> None:
        await self._loaded_anew(await self._race(service, lambda cache: cache.delete("k")))

    async def test_delete_many(self, service: FullCacheService) -> None:
        await self._loaded_anew(await self._race(service, lambda cache: cache.delete_many(["j", "k"])))

    async def test_delete_pattern(self, service: FullCacheService) -> None:
        await self._loaded_anew(await self._race(service, lambda cache: cache.delete_pattern("[k]*")))

    async def test_invalidate_tags(self, service: FullCacheService) -> None:
        await self._loaded_anew(await self._race(service, lambda cache: cache.invalidate_tags(["u"])))

    async def test_clear(self, service: FullCacheService) -> None:
        await self._loaded_anew(await self._race(service, lambda cache: cache.clear()))

    async def test_clear_without_a_sweep(self, service: FullCacheService) -> None:
        await self._loaded_anew(await self._race(service, lambda cache: cache.clear(sweep=False)))

    async def test_mark_stale(self, service: FullCacheService) -> None:
        await self._loaded_anew(await self._race(service, lambda cache: cache.mark_stale("k")))

    async def test_set(self, service: FullCacheService) -> None:
        await self._race(service, lambda cache: cache.set("k", "set"))
        assert await service.get("k") == "set"

    async def test_set_many(self, service: FullCacheService) -> None:
        await self._race(service, lambda cache: cache.set_many({"k": None}))
        assert await service.get("k", default="-") is None

    async def test_add(self, service: FullCacheService) -> None:
        await self._race(service, lambda cache: cache.add("k", ["added"]))
        assert await service.get("k") == ["added"]

    async def test_increment(self, service: FullCacheService) -> None:
        await self._race(service, lambda cache: cache.increment("k", 5))
        assert await service.get("k") == 5

    async def test_delete_while_the_old_value_is_refreshed(self, service: FullCacheService) -> None:
        database = Database()
        await service.set("k", "served", ttl=1000)
        await self.advance(900)
        assert await service.get_or_load("k", database.load, 1000, refresh_ahead=500) == "served"
        await database.reached.wait()
        await service.delete("k")
        database.go.set()
        ended = asyncio.Event()

        async def fresh() -> str:
            ended.set()
            return "new"

        assert await service.get_or_load("k", fresh) == "new"
        assert ended.is_set()
        assert await service.get("k") == "new"

    async def test_a_touch_keeps_the_value_and_the_load_that_is_to_replace_it(self, service: FullCacheService) -> None:
        database = Database()
        await service.set("k", "served", ttl=1000)
        await self.advance(900)
        assert await service.get_or_load("k", database.load, 1000, refresh_ahead=500) == "served"
        await database.reached.wait()
        assert await service.touch("k", 1000) is True
        database.go.set()

        async def stored() -> bool:
            return bool(await service.get("k") == "old")

        await until(stored)

    async def test_changes_elsewhere_do_not_disturb_a_load(self, service: FullCacheService) -> None:
        other = service.with_options(key_prefix="conformance:other:")
        database = Database()
        reader = asyncio.create_task(service.get_or_load("k", database.load, tags=["t"]))
        await database.reached.wait()
        await service.delete("j")
        await service.invalidate_tags(["u"])
        await service.delete_pattern("j*")
        await service.set("j", 1, tags=["t"])
        await other.delete("k")
        await other.invalidate_tags(["t"])
        await other.clear()
        database.go.set()
        assert await reader == "old"

        async def stored() -> bool:
            return bool(await service.get("k") == "old")

        await until(stored)
