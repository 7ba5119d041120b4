"""`MemoryCacheService` beyond the contract: its room, its clock, its synchronous face."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from pika_redis import (
    CacheClosedError,
    CacheItem,
    CacheUnavailableError,
    ConfigurationError,
    MemoryCacheService,
    SerializationError,
    ValueTooLargeError,
)
from pika_redis.testing import FakeClock, refuses


@dataclass
class Point:
    x: int


class JsonSerializer:
    def dumps(self, value: object) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> object:
        return json.loads(data)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"max_bytes": 1000}, ValueError),
        ({"max_bytes": True}, TypeError),
        ({"max_bytes": "1MB"}, TypeError),
        ({"ttl": -1}, ValueError),
        ({"key_prefix": 5}, TypeError),
        ({"host": "localhost"}, ValueError),
        ({"max_cache_key_length": 1}, ValueError),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], error: type[Exception]) -> None:
    with refuses(error):
        MemoryCacheService(**settings)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("host", "MemoryCacheService has no server: 'host' is not for it; it takes "),
        ("l1_max_bytes", "'l1_max_bytes' is not for it; it takes "),
        ("url", "'url' is not for it; it takes "),
        ("key_prefx", "unknown setting 'key_prefx'; did you mean key_prefix?"),
        ("zzz", "unknown setting 'zzz'; known are clock, default_cache_ttl, enabled, key_prefix, max_bytes,"),
        ("refresh_ahead", "with_options(refresh_ahead="),
    ],
)
def test_a_setting_that_it_does_not_have_is_refused_in_its_own_words(setting: str, said: str) -> None:
    given: dict[str, Any]
    for given in ({setting: 5}, {setting: None}):
        with refuses(ConfigurationError, said):
            MemoryCacheService(**given)


async def test_the_default_ttl_has_its_long_name_here_too() -> None:
    async with MemoryCacheService(default_cache_ttl="1m") as service:
        await service.set("k", 1)
        assert 50 < (await service.remaining_ttl("k") or 0) <= 60


async def test_it_stays_within_its_room_and_counts_what_it_drops() -> None:
    async with MemoryCacheService(max_bytes=100_000) as service:
        for number in range(1000):
            await service.set(f"k{number}", "x" * 1000)
        stats = await service.get_stats()
        assert stats.memory_usage <= 100_000
        assert 50 < stats.key_count < 100
        assert stats.evictions == 1000 - stats.key_count
        await service.set("large", "x" * 200_000)
        assert await service.exists("large") is False


async def test_replacing_and_deleting_gives_room_back() -> None:
    async with MemoryCacheService() as service:
        for number in range(50):
            await service.set("k", "x" * (100 * number + 1))
            await service.set("k", ["x" * 10])
            await service.touch("k", 60)
            await service.mark_stale("k")
            await service.add("k", 1.5)
        await service.delete("k")
        stats = await service.get_stats()
        assert (stats.key_count, stats.memory_usage, stats.evictions) == (0, 0, 0)


async def test_what_a_server_would_not_take_is_not_taken_here() -> None:
    async with MemoryCacheService(max_value_bytes=1024) as service:
        for value in ("x" * 1000, "ä" * 500, b"x" * 1000, ["x" * 1000], 2**8000):
            await service.set("k", value)
        for value in ("x" * 1100, "ä" * 600, "☃" * 400, b"x" * 1100, ["x" * 1100], 2**9000):
            with refuses(ValueTooLargeError, "1024"):
                await service.set("k", value)
            assert await service.get_or_load("too large", partial(copy.copy, value)) == value
            assert await service.exists("too large") is False
        assert await service.get("k") == 2**8000


async def test_a_serializer_of_ones_own_decides_what_comes_back() -> None:
    async with MemoryCacheService(serializer=JsonSerializer()) as service:
        await service.set("k", (1, "two"))
        assert await service.get("k") == [1, "two"]
        assert await service.get_or_load("l", lambda: (1,)) == (1,)
        assert await service.get("l") == [1]
        assert await service.increment("n", 5) == 5
        await service.get_or_load("m", lambda: 7)
        assert await service.increment("m") == 8
        await service.set("none", None)
        assert await service.get("none", default="absent") is None
        with refuses(SerializationError, "serializer"):
            await service.set("k", b"bytes")


async def test_an_immutable_value_is_handed_out_as_it_is_and_a_mutable_one_is_not() -> None:
    async with MemoryCacheService() as service:
        frozen = (1, ("two", frozenset({3})))
        await service.set("frozen", frozen)
        assert await service.get("frozen") is frozen
        await service.set("list", [1])
        assert await service.get("list") is not await service.get("list")


async def test_with_share_a_loaded_value_is_one_object_for_all() -> None:
    async with MemoryCacheService() as service:
        loaded = await service.get_or_load("k", lambda: [1], share=True)
        assert await service.get("k") is loaded


async def test_there_is_no_server_that_could_run_a_command() -> None:
    async with MemoryCacheService() as service:
        with refuses(CacheUnavailableError, "MemoryCacheService"):
            await service.execute("PING")
        with refuses(CacheUnavailableError):
            await service.execute_many([("PING",)])
        assert await service.execute_many([]) == []


async def test_a_pattern_may_be_counted_before_it_deletes() -> None:
    clock = FakeClock()
    async with MemoryCacheService(clock=clock) as service:
        await service.set_many({"k:1": 1, "k:2": 2, "l:1": 3}, ttl=100)
        await service.set("k:expired", 4, ttl=10)
        clock.advance(11)
        assert await service.count_pattern("k:*") == 2
        assert await service.count_pattern("?:1") == 2
        assert await service.delete_pattern("k:*") == 2
        assert await service.count_pattern("*") == 1


async def test_a_disabled_service_holds_nothing() -> None:
    async with MemoryCacheService(enabled=False) as service:
        await service.set("k", 1)
        assert await service.get("k") is None
        assert await service.with_options(key_prefix="other:").exists("k") is False
        with refuses(CacheUnavailableError):
            await service.increment("k")


async def test_two_services_share_nothing() -> None:
    async with MemoryCacheService() as one, MemoryCacheService() as other:
        await one.set("k", 1)
        assert await other.get("k") is None


async def test_one_service_serves_several_loops() -> None:
    service = MemoryCacheService()
    await service.set("k", [1])
    assert await asyncio.to_thread(lambda: asyncio.run(service.get("k"))) == [1]


def test_the_synchronous_face_has_every_verb() -> None:
    clock = FakeClock()
    cache = MemoryCacheService(clock=clock).sync
    cache.set("k", {"a": 1}, ttl=100, tags=["t"])
    assert cache.get("k") == {"a": 1}
    assert cache.get("x", "none") == "none"
    assert cache.get_many(["k", "x"]) == [{"a": 1}, None]
    assert cache.get_with_ttl("k") == ({"a": 1}, 100)
    assert cache.exists("k")
    assert cache.touch("k", 200)
    assert cache.remaining_ttl("k") == 200
    cache.set_many({"a": 1, "b": [2]}, "1m")
    assert cache.add("a", 5) is False
    assert cache.increment("a") == 2
    assert cache.decrement("a", 2) == 0
    assert cache.mark_stale("b") is True
    assert cache.delete("b") is True
    assert cache.delete_many(["a", "x"]) == 1
    cache.invalidate_tags(["t"])
    assert cache.get("k") is None
    assert cache.get_or_load("k", lambda: [3], ttl=10, tags=["t"]) == [3]
    clock.advance(11)
    assert cache.exists("k") is False
    cache.set("p:1", 1)
    assert cache.delete_pattern("p:*") == 1
    cache.set("k", 1)
    cache.clear()
    assert cache.get_stats(exact=True).key_count == 0
    assert cache.health_check().connected


def test_the_synchronous_face_reads_types_and_stores_items_of_every_form() -> None:
    cache = MemoryCacheService().sync
    cache.set_many([CacheItem("a", {"x": 1}), {"key": "b", "value": {"x": 2}}])
    cache.set_many(CacheItem(f"c{number}", number) for number in range(2))
    assert cache.get("a", type=Point) == Point(1)
    assert cache.get_many(["a", "b", "x"], type=Point) == [Point(1), Point(2), None]
    assert cache.get_many(["c0", "c1", "x"], "-") == [0, 1, "-"]


def test_the_synchronous_face_may_have_other_options() -> None:
    cache = MemoryCacheService(ttl=1000).sync
    short = cache.with_options(ttl=10)
    short.set("k", 1)
    assert 0 < (cache.remaining_ttl("k") or 0) <= 10
    there = short.with_options(key_prefix="there:")
    assert there.get("k") is None
    there.set("k", 2)
    assert 0 < (there.remaining_ttl("k") or 0) <= 10
    assert cache.get("k") == 1
    with refuses(TypeError, "did you mean 'ttl'"):
        cache.with_options(tll=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_the_synchronous_face_opens_closes_and_has_no_server() -> None:
    cache = MemoryCacheService().sync
    cache.connect()
    with refuses(CacheUnavailableError, "no server"):
        cache.execute("PING")
    with refuses(CacheUnavailableError, "no server"):
        cache.execute_many([("PING",)])
    assert cache.execute_many([]) == []
    cache.aclose()
    cache.aclose()
    for call in (cache.connect, lambda: cache.get("k"), lambda: cache.with_options(ttl=5)):
        with refuses(CacheClosedError):
            call()


async def test_closing_the_synchronous_face_ends_loads_of_other_loops() -> None:
    service = MemoryCacheService()
    started = asyncio.Event()

    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    waiting = asyncio.create_task(service.get_or_load("k", hang))
    await started.wait()
    with refuses(TypeError, "await service.aclose()"):
        service.sync.aclose()
    await asyncio.to_thread(service.sync.aclose)
    with refuses(CacheClosedError):
        await waiting


def test_the_synchronous_face_says_what_is_wrong() -> None:
    cache = MemoryCacheService().sync
    text: Any = "t"
    with refuses(TypeError, "tags"):
        cache.get_or_load("k", lambda: 1, tags=text)
    with refuses(TypeError, "tags"):
        cache.get_or_load("k", lambda: 1, tags="")
    with refuses(TypeError, "loader"):
        cache.get_or_load("k", text)
    with refuses(ValueError, "key"):
        cache.get("")


def test_after_closing_the_synchronous_face_is_closed_too() -> None:
    service = MemoryCacheService()
    cache = service.sync
    cache.set("k", 1)
    asyncio.run(service.aclose())
    for call in (lambda: cache.get("k"), lambda: cache.set("k", 1), lambda: cache.get_or_load("k", lambda: 1)):
        with refuses(CacheClosedError):
            call()
    with refuses(CacheClosedError):
        _ = service.sync


def test_threads_may_write_at_once() -> None:
    cache = MemoryCacheService(max_bytes=200_000).sync

    def work(mine: int) -> None:
        for number in range(300):
            cache.set(f"k{(mine * number) % 50}", [mine, number], tags=[f"t{number % 5}"])
            cache.get(f"k{number % 50}")
            cache.increment("n")
            if number % 20 == 0:
                cache.invalidate_tags([f"t{mine}"])
                cache.delete_pattern("k1*")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.get("n") == 1200
