"""The service as a whole: statistics, health, options, closing, and the keys of the decorator."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable
from typing import Any

from pika_redis import (
    CacheClosedError,
    CacheService,
    FullCacheService,
    HealthStatus,
)

from ..assertions import all_refuse, refuses
from .hooks import Hooks

__all__ = ["TheServiceItself"]


def every_verb(service: FullCacheService) -> list[Awaitable[object]]:
    """A call of each verb, empty batches included."""
    return [
        service.get("k"),
        service.get("k", 1, type=int),
        service.get_many(["k"]),
        service.get_many([]),
        service.set("k", 1),
        service.set_many({"k": 1}),
        service.set_many({}),
        service.add("k", 1),
        service.delete("k"),
        service.delete_many(["k"]),
        service.delete_many([]),
        service.exists("k"),
        service.delete_pattern("*"),
        service.increment("k"),
        service.decrement("k"),
        service.invalidate_tags(["t"]),
        service.invalidate_tags([]),
        service.get_stats(),
        service.get_stats(exact=True),
        service.health_check(),
        service.get_with_ttl("k"),
        service.remaining_ttl("k"),
        service.touch("k", 60),
        service.mark_stale("k"),
        service.clear(),
        service.clear(sweep=False),
        service.get_or_load("k", lambda: 1),
        service.execute("PING"),
        service.execute_many([("PING",)]),
        service.connect(),
    ]


class TheServiceItself(Hooks):
    """What a service says of itself and how it ends."""

    async def test_it_has_the_verbs_of_the_small_protocol(self, service: FullCacheService) -> None:
        assert isinstance(service, CacheService)

    async def test_statistics_count_what_happened(self, service: FullCacheService) -> None:
        stats = await service.get_stats()
        assert (stats.hits, stats.misses, stats.hit_rate, stats.sets, stats.deletes) == (0, 0, 0.0, 0, 0)
        await service.set_many({"a": 1, "b": None, "c": [3]}, tags=["t"])
        await service.get("a")
        await service.get_many(["a", "b", "x"])
        await service.get("x")
        await service.get_with_ttl("c")
        await service.get_or_load("l", lambda: 1)
        await service.get_or_load("l", lambda: 1)
        await service.delete_many(["a", "x"])
        stats = await service.get_stats(exact=True)
        assert (stats.hits, stats.misses) == (5, 3)
        assert stats.hit_rate == 5 / 8
        assert (stats.sets, stats.loads, stats.deletes, stats.errors) == (4, 1, 1, 0)
        assert stats.key_count == 3
        assert stats.memory_usage > 0
        assert stats.exact is True

    async def test_statistics_and_health_are_frozen_records_of_plain_values(self, service: FullCacheService) -> None:
        for record in (await service.get_stats(), await service.health_check()):
            assert json.loads(json.dumps(record.to_dict())).keys() == record.to_dict().keys()
            assert record.to_dict().keys() == {one.name for one in dataclasses.fields(record)}
            changed: Any = record
            for name in record.to_dict():
                try:
                    setattr(changed, name, 0)
                except dataclasses.FrozenInstanceError:
                    continue
                raise AssertionError(f"{name} could be changed")

    async def test_a_store_that_answers_is_healthy(self, service: FullCacheService) -> None:
        report = await service.health_check()
        assert report.status is HealthStatus.HEALTHY
        assert str(report.status) == "healthy"
        assert report.connected is True
        assert report.latency_ms is not None
        assert report.latency_ms >= 0
        assert report.detail == "ok"

    async def test_other_options_are_another_face_of_the_same_service(self, service: FullCacheService) -> None:
        face = service.with_options(ttl=60)
        assert type(face) is type(service)
        await face.set("k", "v")
        assert await service.get("k") == "v"
        assert (await face.get_stats()).hits == 1
        there = service.with_options(key_prefix="conformance:there:")
        assert await there.get("k") is None
        await there.set("k", "there")
        assert await service.get("k") == "v"
        assert await face.with_options(key_prefix="conformance:there:").get("k") == "there"
        await there.clear()
        assert await service.get("k") == "v"

    async def test_connecting_twice_is_connecting_once(self, service: FullCacheService) -> None:
        await service.connect()
        await service.connect()
        assert await service.get("k") is None

    async def test_after_aclose_every_verb_says_so(self, service: FullCacheService) -> None:
        face = service.with_options(ttl=60)
        there = service.with_options(key_prefix="conformance:there:")
        await service.set("k", "v")
        await service.aclose()
        await service.aclose()
        for closed in (service, face, there):
            await all_refuse(CacheClosedError, "closed", *every_verb(closed))
            with refuses(RuntimeError, "closed"):
                closed.with_options(ttl=5)
            with refuses(RuntimeError, "closed"):
                async with closed:
                    pass

    async def test_closing_a_face_closes_the_service(self, service: FullCacheService) -> None:
        await service.with_options(ttl=60).aclose()
        with refuses(CacheClosedError, "closed"):
            await service.get("k")

    async def test_closing_ends_the_loads_under_way(self, service: FullCacheService) -> None:
        started, ended = asyncio.Event(), asyncio.Event()

        async def load() -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        waiter = asyncio.create_task(service.get_or_load("k", load))
        await started.wait()
        await service.aclose()
        assert ended.is_set()
        with refuses(CacheClosedError, "closed"):
            await waiter
