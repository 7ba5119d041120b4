"""The contract of section "verbs" of the README, on memory, Redis 7.0 and Valkey 9 alike."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pika_redis import (
    CacheClosedError,
    CacheItem,
    CacheUnavailableError,
    KeyNotFoundError,
    MemoryCacheService,
    NotAnIntegerError,
    NullService,
    RedisService,
    SerializationError,
    cache,
    escape_glob,
)
from pika_redis.testing import FakeClock, free_port

Service = MemoryCacheService | RedisService


@pytest.fixture(params=["memory", "valkey", "redis"])
async def service(request: pytest.FixtureRequest, prefix: str) -> AsyncIterator[Service]:
    if request.param == "memory":
        made: Service = MemoryCacheService(key_prefix=prefix)
    else:
        made = RedisService(request.getfixturevalue(f"{request.param}_server").url, key_prefix=prefix)
    async with made:
        yield made


async def test_a_value_comes_back_until_it_is_deleted(service: Service) -> None:
    value = {"rows": [(1, "a"), (2, "b")], "set": {1, 2}}
    await service.set("key", value, tags=["tag"])
    assert await service.get("key") == value
    assert await service.exists("key")
    assert await service.delete("key") is True
    assert await service.delete("key") is False
    assert await service.get("key", default="gone") == "gone"


async def test_none_is_a_value(service: Service) -> None:
    await service.set("key", None)
    assert await service.get("key", default="absent") is None
    assert await service.exists("key")


async def test_batches_align_and_may_be_empty(service: Service) -> None:
    await service.set_many([CacheItem("a", 1), {"key": "b", "value": [2], "ttl": 60}])
    await service.set_many({"c": None})
    await service.set_many([])
    assert await service.get_many(["a", "x", "b", "c"], default="-") == [1, "-", [2], None]
    assert await service.get_many([]) == []
    assert await service.delete_many(["a", "b", "x"]) == 2
    assert await service.delete_many([]) == 0


async def test_invalidated_tags_and_clear_end_entries_at_once(service: Service) -> None:
    await service.set_many({f"k{n}": n * 1.5 for n in range(3)}, tags=["all"])
    await service.set("other", "x", tags=["other", "all2"])
    await service.invalidate_tags(["all"])
    assert await service.get_many(["k0", "k1", "k2", "other"]) == [None, None, None, "x"]
    await service.clear(sweep=False)
    assert not await service.exists("other")


async def test_counters_count(service: Service) -> None:
    assert await service.increment("n", 5) == 5
    assert await service.decrement("n", 2) == 3
    assert await service.get("n") == 3
    assert await service.remaining_ttl("n") == math.inf
    await service.set("m", 2**60)
    assert await service.increment("m") == 2**60 + 1
    with pytest.raises(KeyNotFoundError):
        await service.increment("absent", create=False)
    with pytest.raises(ValueError, match="64 bits"):
        await service.increment("m", 2**62 * 2 - 1)
    for value in ("text", True, 1.5, [1]):
        await service.set("v", value)
        with pytest.raises(NotAnIntegerError):
            await service.increment("v")
    await service.set("tagged", 1, tags=["t"])
    with pytest.raises(NotAnIntegerError):
        await service.increment("tagged")
    await service.invalidate_tags(["t"])
    assert await service.increment("tagged") == 1


async def test_patterns_are_the_servers(service: Service) -> None:
    names = ["s:a", "s:b", "s:c", "s:*", "t:a"]
    await service.set_many(dict.fromkeys(names, 1.0))
    assert await service.count_pattern("s:[a-b]") == 2
    assert await service.count_pattern("s:[^a]") == 3
    assert await service.delete_pattern(escape_glob("s:*")) == 1
    assert await service.delete_pattern("s:?") == 3
    assert await service.get("t:a") == 1.0


async def test_add_touch_and_mark_stale(service: Service) -> None:
    assert await service.add("k", [1], ttl=60)
    assert not await service.add("k", [2])
    assert await service.touch("k", 600)
    left = await service.remaining_ttl("k")
    assert left is not None
    assert 60 < left <= 600
    assert await service.mark_stale("k")
    assert await service.get("k") is None
    assert await service.add("k", [3])
    assert (await service.get_with_ttl("k"))[0] == [3]


async def test_a_thousand_callers_of_a_cold_key_share_one_load(service: Service) -> None:
    loads = 0

    async def load() -> list[int]:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0)
        return [loads]

    results = await asyncio.gather(*[service.get_or_load("cold", load, tags=["t"]) for _ in range(1000)])
    assert loads == 1
    assert results == [[1]] * 1000
    results[0].append(99)
    assert await service.get_or_load("cold", load) == [1]


@pytest.mark.parametrize("how", ["delete", "tag", "clear", "pattern", "set"])
async def test_what_was_loading_before_a_change_is_not_served_after_it(service: Service, how: str) -> None:
    reached, go = asyncio.Event(), asyncio.Event()
    database = "old"

    async def load() -> str:
        found = database
        reached.set()
        await go.wait()
        return found

    reader = asyncio.create_task(service.get_or_load("k", load, tags=["t"]))
    await reached.wait()
    database = "new"
    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "delete": lambda: service.delete("k"),
        "tag": lambda: service.invalidate_tags(["t"]),
        "clear": lambda: service.clear(sweep=False),
        "pattern": lambda: service.delete_pattern("k*"),
        "set": lambda: service.set("k", "new"),
    }
    await changes[how]()
    go.set()
    assert await reader == "old"
    assert await service.get_or_load("k", load, tags=["t"]) == "new"


async def test_bad_input_is_refused_and_nothing_is_lost(service: Service) -> None:
    await service.set("k", "kept")
    with pytest.raises(SerializationError, match=r"\$"):
        await service.set("k", {"a": [object()]})
    for ttl in (0, -1, math.nan):
        with pytest.raises(ValueError, match="ttl"):
            await service.set("k", 1, ttl=ttl)
    for key in ("", "#e"):
        with pytest.raises(ValueError, match="key"):
            await service.get(key)
    with pytest.raises(TypeError):
        await service.get(b"k")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="tags"):
        await service.set("k", 1, tags="t")
    with pytest.raises(TypeError, match="type="):
        await service.get("k", dict)
    assert await service.get("k") == "kept"


async def test_foreign_bytes_are_a_miss_and_a_count(valkey_server: object, prefix: str) -> None:
    async with RedisService(getattr(valkey_server, "url", ""), key_prefix=prefix) as service:
        for raw in (b"", b"V", b"V" * 60, b"\x80\x04K\x01.", b"not ours"):
            await service.execute("SET", f"{prefix}k", raw)
            assert await service.get("k", default="miss") == "miss"
        assert (await service.get_stats()).undecodable >= 4
        await service.execute("DEL", f"{prefix}k")
        await service.execute("LPUSH", f"{prefix}k", "x")
        assert await service.get("k", default="miss") == "miss"


async def test_entries_expire_by_the_clock() -> None:
    clock = FakeClock()
    async with MemoryCacheService(clock=clock) as service:
        await service.set("k", "v", ttl="10s")
        clock.advance(9.9)
        assert await service.get("k") == "v"
        clock.advance(0.2)
        assert await service.get("k") is None


async def test_after_aclose_every_verb_says_closed(service: Service) -> None:
    await service.aclose()
    await service.aclose()
    with pytest.raises(CacheClosedError):
        await service.get("k")
    with pytest.raises(CacheClosedError):
        await service.set("k", 1)


async def test_the_null_service_holds_nothing() -> None:
    async with NullService() as service:
        await service.set("k", 1)
        assert await service.get("k") is None
        with pytest.raises(CacheUnavailableError):
            await service.increment("k")


async def test_an_unreachable_server_fails_connect_and_not_loads() -> None:
    service = RedisService(f"redis://:sesame@127.0.0.1:{free_port()}", retry_attempts=0)
    with pytest.raises(CacheUnavailableError) as refused:
        await service.connect()
    assert "sesame" not in str(refused.value)
    assert await service.get_or_load("k", lambda: "loaded") == "loaded"
    await service.aclose()


async def test_the_ancestors_keys(service: Service) -> None:
    @cache(prefix="users", key_generator=lambda user_id: f"user:{user_id}", service=service)
    async def user(user_id: int) -> int:
        return user_id

    class Sessions:
        @cache(prefix="sessions", service=service)
        async def find(self, user_id: int, state: str) -> int:
            return user_id

    assert user.key_for(123) == "users:user:123"
    assert await user(123) == 123
    assert await service.get("users:user:123") == 123
    assert await Sessions().find(42, "active") == 42
    assert await service.delete_pattern("sessions:*:42:*") == 1


async def test_cancelling_the_first_caller_leaves_the_load_to_the_others(service: Service) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def load() -> str:
        reached.set()
        await go.wait()
        return "loaded"

    first = asyncio.create_task(service.get_or_load("k", load))
    await reached.wait()
    second = asyncio.create_task(service.get_or_load("k", load))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert await second == "loaded"
    assert await service.get("k") == "loaded"
