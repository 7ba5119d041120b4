"""`NullService`: the verbs of a cache that is switched off."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from pika_redis import (
    CacheClosedError,
    CacheService,
    CacheUnavailableError,
    FullCacheService,
    MemoryCacheService,
    NullService,
    RedisService,
)
from pika_redis.testing import refuses


async def test_reads_miss_and_writes_do_nothing() -> None:
    async with NullService() as service:
        await service.set("k", "v", ttl=math.inf, tags=["t"])
        await service.set_many({"k": "v"})
        assert await service.add("k", "v") is False
        assert await service.get("k") is None
        assert await service.get("k", default="none") == "none"
        assert await service.get_many(["k", "l"], default=0) == [0, 0]
        assert await service.get_with_ttl("k") == (None, None)
        assert await service.remaining_ttl("k") is None
        assert await service.exists("k") is False
        assert await service.touch("k", 60) is False
        assert await service.mark_stale("k") is False
        assert await service.delete("k") is False
        assert await service.delete_many(["k", "l"]) == 0
        assert await service.delete_pattern("*") == 0
        assert await service.count_pattern("*") == 0
        await service.invalidate_tags(["t"])
        await service.clear()
        await service.connect()


async def test_counters_raise_because_a_lost_count_is_wrong() -> None:
    async with NullService() as service:
        for call in (service.increment("n"), service.decrement("n"), service.increment("n", create=False)):
            with refuses(CacheUnavailableError, "switched off"):
                await call


async def test_every_load_runs_and_once_for_all_who_wait() -> None:
    calls = 0
    reached, go = asyncio.Event(), asyncio.Event()

    async def load() -> list[int]:
        nonlocal calls
        calls += 1
        reached.set()
        await go.wait()
        return [calls]

    async with NullService() as service:
        waiting = [asyncio.create_task(service.get_or_load("k", load)) for _ in range(10)]
        await reached.wait()
        go.set()
        results = await asyncio.gather(*waiting)
        assert results == [[1]] * 10
        results[0].append(2)
        assert results[1] == [1]
        assert await service.get_or_load("k", load) == [2]


@pytest.mark.parametrize(
    "service",
    [NullService(), MemoryCacheService(enabled=False), RedisService("redis://127.0.0.1:1", enabled=False)],
    ids=lambda service: type(service).__name__,
)
async def test_what_is_dropped_does_not_count_as_stored(service: FullCacheService) -> None:
    async with service:
        await service.set("k", "v")
        await service.set_many({"k": "v", "l": "w"})
        await service.add("k", "v")
        await service.get_or_load("k", lambda: "loaded")
        assert (await service.get_stats()).sets == 0


async def test_it_says_what_it_is() -> None:
    async with NullService() as service:
        assert isinstance(service, CacheService)
        report = await service.health_check()
        assert (report.backend, report.status, report.connected) == ("null", "healthy", True)
        await service.get("k")
        stats = await service.get_stats()
        assert (stats.hits, stats.misses, stats.hit_rate, stats.key_count, stats.exact) == (0, 1, 0.0, 0, True)
        with refuses(CacheUnavailableError, "NullService"):
            await service.execute("PING")


async def test_wrong_arguments_are_refused_as_by_every_service() -> None:
    text: Any = "text"
    async with NullService() as service:
        with refuses(ValueError, "key"):
            await service.get("")
        with refuses(ValueError, "ttl"):
            await service.set("k", 1, ttl=0)
        with refuses(TypeError, "tags"):
            await service.set("k", 1, tags=text)
        with refuses(TypeError, "type="):
            await service.get("k", dict)


def test_it_has_the_synchronous_face() -> None:
    cache = NullService().sync
    cache.set("k", 1)
    assert cache.get("k") is None
    assert cache.get_or_load("k", lambda: "loaded") == "loaded"


async def test_after_aclose_every_verb_says_so() -> None:
    service = NullService()
    await service.aclose()
    await service.aclose()
    for call in (service.get("k"), service.set("k", 1), service.get_or_load("k", lambda: 1), service.connect()):
        with refuses(CacheClosedError):
            await call
    with pytest.raises(CacheClosedError):
        _ = service.sync
