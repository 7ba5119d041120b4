"""get_or_load and its options."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable
from contextvars import ContextVar

from pika_redis import FullCacheService, LoadTimeoutError, SerializationError, bypass_cache

from ..assertions import refuses, until
from .hooks import Hooks

__all__ = ["Loading"]

who: ContextVar[str] = ContextVar("pika_redis_conformance_who", default="nobody")


class Source:
    """A loader that counts its calls and gives what it holds."""

    def __init__(self, value: object = "loaded") -> None:
        self.value = value
        self.calls = 0

    async def __call__(self) -> object:
        """Load."""
        self.calls += 1
        return self.value


class Loading(Hooks):
    """A value is loaded when there is none, and stored as its options say."""

    async def test_a_value_is_loaded_once_and_then_served(self, service: FullCacheService) -> None:
        for key, value in (("a", ["v"]), ("b", None), ("c", 7), ("d", "text"), ("e", 2**70), ("f", 0)):
            source = Source(value)
            for _ in range(3):
                assert await service.get_or_load(key, source, tags=["t"]) == value
            assert source.calls == 1
            assert await service.get(key, default="-") == value
            await service.invalidate_tags(["t"])
            assert await service.get_or_load(key, source) == value
            assert source.calls == 2

    async def test_what_was_set_is_not_loaded(self, service: FullCacheService) -> None:
        source = Source()
        await service.set_many({"v": ["set"], "n": None, "i": 7})
        assert await service.get_or_load("v", source) == ["set"]
        assert await service.get_or_load("n", source) is None
        assert await service.get_or_load("i", source) == 7
        assert source.calls == 0

    async def test_what_is_dead_is_loaded(self, service: FullCacheService) -> None:
        source = Source()
        await service.set("k", "old", ttl=10)
        await self.advance(11)
        assert await service.get_or_load("k", source, tags=["t"]) == "loaded"
        await service.invalidate_tags(["t"])
        assert await service.get_or_load("k", source) == "loaded"
        await service.clear(sweep=False)
        assert await service.get_or_load("k", source) == "loaded"
        await service.delete("k")
        assert await service.get_or_load("k", source) == "loaded"
        assert source.calls == 4

    async def test_a_plain_loader_runs_in_another_thread(self, service: FullCacheService) -> None:
        def later() -> Awaitable[object]:
            return source()

        source = Source("later")
        here = threading.get_ident()
        assert await service.get_or_load("k", threading.get_ident) != here
        assert await service.get_or_load("l", functools.partial(dict, a=1)) == {"a": 1}
        assert await service.get_or_load("m", later) == "later"

    async def test_a_failure_is_the_loaders_own_and_stores_nothing(self, service: FullCacheService) -> None:
        failure = LookupError("no such row")

        async def fail() -> None:
            raise failure

        for _ in range(2):
            ended = await asyncio.gather(service.get_or_load("k", fail), return_exceptions=True)
            assert ended[0] is failure
        assert await service.exists("k") is False
        assert await service.get_or_load("k", Source()) == "loaded"
        stats = await service.get_stats()
        assert (stats.loads, stats.load_failures) == (1, 2)

    async def test_a_none_may_have_a_life_of_its_own_or_none_at_all(self, service: FullCacheService) -> None:
        nothing = Source(None)
        assert await service.get_or_load("short", nothing, 1000, none_ttl=100) is None
        assert (await service.remaining_ttl("short") or 0) <= 100
        await self.advance(101)
        assert await service.exists("short") is False
        assert await service.get_or_load("never", nothing, none_ttl=0) is None
        assert await service.exists("never") is False
        assert await service.get_or_load("never", nothing, none_ttl=0) is None
        assert nothing.calls == 3
        assert await service.get_or_load("value", Source("v"), 1000, none_ttl=0) == "v"
        assert await service.exists("value")

    async def test_store_if_decides_what_is_stored(self, service: FullCacheService) -> None:
        source = Source([])
        assert await service.get_or_load("k", source, store_if=bool) == []
        assert await service.exists("k") is False
        source.value = [1]
        assert await service.get_or_load("k", source, store_if=bool) == [1]
        assert await service.get("k") == [1]

    async def test_jitter_shortens_a_life_by_its_share_at_most(self, service: FullCacheService) -> None:
        lives: set[float] = set()
        for number in range(20):
            await service.get_or_load(f"k{number}", Source(), 1000, ttl_jitter=0.5)
            lives.add(await service.remaining_ttl(f"k{number}") or 0)
        assert max(lives) <= 1000
        assert min(lives) > 400
        assert max(lives) - min(lives) > 10
        await service.get_or_load("exact", Source(), 1000, ttl_jitter=0)
        assert 990 < (await service.remaining_ttl("exact") or 0) <= 1000
        await service.get_or_load("default", Source(), 1000)
        assert 900 < (await service.remaining_ttl("default") or 0) <= 1000

    async def test_a_value_near_its_end_is_refreshed_once_in_the_background(self, service: FullCacheService) -> None:
        started, go = asyncio.Event(), asyncio.Event()
        calls = 0

        async def load() -> list[int]:
            nonlocal calls
            calls += 1
            if calls > 1:
                started.set()
                await go.wait()
            return [calls]

        get = functools.partial(service.get_or_load, "k", load, 1000, tags=["t"], refresh_ahead=200, ttl_jitter=0)
        assert await get() == [1]
        await self.advance(700)
        assert await get() == [1]
        assert calls == 1
        await self.advance(150)
        assert await asyncio.gather(*[get() for _ in range(20)]) == [[1]] * 20
        await started.wait()
        assert await get() == [1]
        assert calls == 2
        go.set()

        async def refreshed() -> bool:
            return bool(await service.get("k") == [2])

        await until(refreshed)
        assert 800 < (await service.remaining_ttl("k") or 0) <= 1000
        assert await get() == [2]
        assert calls == 2
        assert (await service.get_stats()).refreshes == 1

    async def test_a_failing_refresh_leaves_the_value(self, service: FullCacheService) -> None:
        failed = asyncio.Event()

        async def fail() -> str:
            failed.set()
            raise LookupError

        await service.get_or_load("k", Source("good"), 1000, ttl_jitter=0)
        await self.advance(900)
        assert await service.get_or_load("k", fail, 1000, refresh_ahead=500) == "good"
        await failed.wait()
        assert await service.get("k") == "good"

    async def test_a_loader_that_takes_too_long_is_given_up(self, service: FullCacheService) -> None:
        cancelled = asyncio.Event()

        async def hang() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        with refuses(LoadTimeoutError, "longer"):
            await service.get_or_load("k", hang, hard_timeout="20ms")
        await cancelled.wait()
        assert await service.exists("k") is False
        assert await service.get_or_load("k", Source(), hard_timeout=None) == "loaded"

    async def test_switched_off_it_loads_every_time(self, service: FullCacheService) -> None:
        source = Source()
        await service.set("k", "cached")
        assert await service.get_or_load("k", source, enabled=False) == "loaded"
        with bypass_cache():
            assert await service.get_or_load("k", source) == "loaded"
        assert source.calls == 2
        assert await service.get_or_load("k", source) == "cached"

    async def test_a_value_that_cannot_be_held_is_refused_with_its_place(self, service: FullCacheService) -> None:
        with refuses(SerializationError, "$.rows[1]"):
            await service.get_or_load("k", Source({"rows": [1, object()]}))
        assert await service.exists("k") is False

    async def test_a_loader_runs_in_a_copy_of_its_callers_context(self, service: FullCacheService) -> None:
        async def load() -> str:
            found = who.get()
            who.set("loader")
            return found

        token = who.set("caller")
        assert await service.get_or_load("k", load) == "caller"
        assert await service.get_or_load("clean", load, context="clean") == "nobody"
        assert who.get() == "caller"
        who.reset(token)

    async def test_options_of_the_service_hold_unless_a_call_has_its_own(self, service: FullCacheService) -> None:
        careful = service.with_options(ttl=500, none_ttl=0, ttl_jitter=0, store_if=lambda value: value != "draft")
        assert await careful.get_or_load("draft", Source("draft")) == "draft"
        assert await careful.get_or_load("none", Source(None)) is None
        assert await careful.get_or_load("kept", Source("final")) == "final"
        assert await careful.get_or_load("own", Source("draft"), 100, store_if=None) == "draft"
        assert [await service.exists(key) for key in ("draft", "none", "kept", "own")] == [False, False, True, True]
        assert 400 < (await service.remaining_ttl("kept") or 0) <= 500
        assert (await service.remaining_ttl("own") or 0) <= 100
