"""How long values live: ttl, expiry, remaining_ttl, get_with_ttl, touch."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import datetime as dt
import math

from pika_redis import CacheItem, FullCacheService

from ..assertions import until
from .hooks import Hooks

__all__ = ["Lifetimes"]

YEAR = 365 * 86400.0


class Lifetimes(Hooks):
    """A value lives exactly as long as it was given."""

    async def test_a_value_ends_with_its_ttl_and_not_before(self, service: FullCacheService) -> None:
        await service.set("v", ["v"], ttl=1000)
        await service.set("n", None, ttl=1000)
        await service.set("i", 7, ttl=1000)
        await service.set("t", "tagged", ttl=1000, tags=["t"])
        await service.set("longer", "v", ttl=2000)
        await self.advance(900)
        assert await service.get_many(["v", "n", "i", "t"], default="gone") == [["v"], None, 7, "tagged"]
        await self.advance(101)
        assert await service.get_many(["v", "n", "i", "t", "longer"], default="gone") == [*["gone"] * 4, "v"]
        for key in ("v", "n", "i", "t"):
            assert await service.get(key, default="gone") == "gone"
            assert await service.exists(key) is False
            assert await service.remaining_ttl(key) is None
            assert await service.get_with_ttl(key) == (None, None)
            assert await service.delete(key) is False
        assert await service.delete_pattern("*") == 1

    async def test_without_a_ttl_the_default_counts(self, service: FullCacheService) -> None:
        await service.set("k", "v")
        assert 3500 < (await service.remaining_ttl("k") or 0) <= 3600
        short = service.with_options(ttl=500)
        await short.set("k", "v")
        assert 400 < (await service.remaining_ttl("k") or 0) <= 500
        await short.set_many({"many": "v"})
        await short.add("added", "v")
        await self.advance(501)
        assert await service.get_many(["k", "many", "added"]) == [None, None, None]

    async def test_a_ttl_is_seconds_a_timedelta_or_text(self, service: FullCacheService) -> None:
        for ttl, seconds in ((600, 600), (600.5, 600.5), (dt.timedelta(hours=1), 3600), ("10m", 600), ("1h30m", 5400)):
            await service.set("k", "v", ttl=ttl)
            assert seconds - 100 < (await service.remaining_ttl("k") or 0) <= seconds

    async def test_infinity_means_no_expiry(self, service: FullCacheService) -> None:
        await service.set("v", "v", ttl=math.inf, tags=["t"])
        await service.set("i", 7, ttl=math.inf)
        await service.set_many([CacheItem("m", "v", ttl=math.inf)], ttl=10)
        await service.add("a", [1], ttl=math.inf)
        await service.get_or_load("l", lambda: "v", math.inf)
        await self.advance(20 * YEAR)
        for key in ("v", "i", "m", "a", "l"):
            assert await service.remaining_ttl(key) == math.inf
        assert await service.get_with_ttl("v") == ("v", math.inf)
        await service.invalidate_tags(["t"])
        assert await service.get("v") is None

    async def test_the_remaining_ttl_shrinks(self, service: FullCacheService) -> None:
        await service.set("k", "v", ttl=1000)
        await self.advance(600)
        assert 300 < (await service.remaining_ttl("k") or 0) <= 400
        value, left = await service.get_with_ttl("k")
        assert value == "v"
        assert 300 < (left or 0) <= 400

    async def test_setting_again_starts_the_life_anew(self, service: FullCacheService) -> None:
        await service.set("k", "v", ttl=1000)
        await self.advance(900)
        await service.set("k", "v", ttl=1000)
        await self.advance(900)
        assert await service.get("k") == "v"
        await service.set("k", "v", ttl=math.inf)
        await service.set("k", "v", ttl=1000)
        assert (await service.remaining_ttl("k") or 0) <= 1000

    async def test_touch_gives_another_life_from_now_on(self, service: FullCacheService) -> None:
        for value in (["v"], None, 7, "tagged"):
            tags = ["t"] if value == "tagged" else []
            await service.set("k", value, ttl=1000, tags=tags)
            await self.advance(900)
            assert await service.touch("k", 2000) is True
            await self.advance(1900)
            assert await service.get("k", default="gone") == value
            assert await service.touch("k", "5m") is True
            assert (await service.remaining_ttl("k") or 0) <= 300
            assert await service.touch("k", math.inf) is True
            assert await service.remaining_ttl("k") == math.inf
            assert await service.touch("k", 100) is True
            await self.advance(101)
            assert await service.get("k", default="gone") == "gone"

    async def test_touch_of_what_is_absent_or_dead_is_false(self, service: FullCacheService) -> None:
        assert await service.touch("absent", 60) is False
        await service.set_many({"expired": 1, "tagged": 2, "stale": "s", "cleared": "c"}, ttl=1000, tags=["t"])
        await service.mark_stale("stale")
        assert await service.touch("stale", 60) is False
        await service.invalidate_tags(["t"])
        assert await service.touch("tagged", 60) is False
        await service.set("cleared", "c")
        await service.clear(sweep=False)
        assert await service.touch("cleared", 60) is False
        await service.set("expired", "e", ttl=10)
        await self.advance(11)
        assert await service.touch("expired", 60) is False

    async def test_touch_keeps_the_tags(self, service: FullCacheService) -> None:
        await service.set("k", "v", ttl=1000, tags=["t", "u"])
        assert await service.touch("k", math.inf)
        assert await service.get("k") == "v"
        await service.invalidate_tags(["u"])
        assert await service.get("k") is None

    async def test_touch_moves_the_moment_of_the_next_refresh(self, service: FullCacheService) -> None:
        loads: list[int] = []

        async def load() -> int:
            loads.append(1)
            return len(loads)

        await service.get_or_load("k", load, 1000, ttl_jitter=0)
        await self.advance(900)
        assert await service.touch("k", 1000)
        await self.advance(100)
        assert await service.get_or_load("k", load, 1000, refresh_ahead=500) == 1
        assert len(loads) == 1
        await self.advance(500)
        assert await service.get_or_load("k", load, 1000, refresh_ahead=500) == 1

        async def refreshed() -> bool:
            return bool(await service.get("k") == 2)

        await until(refreshed)
