"""Serving values past their time: while they are loaded again, when that fails, when it takes too long."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Awaitable, Callable
from typing import Any

from pika_redis import FullCacheService

from ..assertions import until
from .hooks import Hooks

__all__ = ["Staleness"]

Ending = Callable[[FullCacheService], Awaitable[object]]
_TURNS = 50
ENDINGS: tuple[Ending, ...] = (
    lambda service: service.delete("k"),
    lambda service: service.invalidate_tags(["t"]),
    lambda service: service.clear(sweep=False),
    lambda service: service.clear(),
)


class Source:
    """A loader that counts its calls, stops at its gate when that is shut, and then gives its value or raises it."""

    def __init__(self, value: object, *, shut: bool = False) -> None:
        self.value = value
        self.calls = 0
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        if not shut:
            self.gate.set()

    async def __call__(self) -> object:
        """Load."""
        self.calls += 1
        self.reached.set()
        await self.gate.wait()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


async def _raises(call: Awaitable[object], error: Exception) -> None:
    assert (await asyncio.gather(call, return_exceptions=True))[0] is error


class Staleness(Hooks):
    """A value past its time is served within its windows, and what was invalidated never."""

    async def _held(self, service: FullCacheService, **options: Any) -> Callable[..., Awaitable[Any]]:
        """`get_or_load` of a key with these options, that holds ``["old"]`` for 100 seconds."""
        get = functools.partial(service.get_or_load, "k", ttl=100, tags=["t"], ttl_jitter=0, **options)
        assert await get(Source(["old"])) == ["old"]
        return get

    async def _becomes(self, service: FullCacheService, value: object) -> None:
        async def holds() -> bool:
            return bool(await service.get("k") == value)

        await until(holds)

    # -- stale_while_revalidate -----------------------------------------------------------------------------------

    async def test_a_value_past_its_time_is_served_while_one_load_goes_on_in_the_background(
        self, service: FullCacheService
    ) -> None:
        get = await self._held(service, stale_while_revalidate=50)
        await self.advance(120)
        source = Source(["new"], shut=True)
        assert await asyncio.gather(*[get(source) for _ in range(20)]) == [["old"]] * 20
        await source.reached.wait()
        assert await get(source) == ["old"]
        source.gate.set()
        await self._becomes(service, ["new"])
        assert await get(source) == ["new"]
        assert source.calls == 1
        stats = await service.get_stats()
        assert (stats.stale, stats.refreshes, stats.loads) == (21, 1, 2)

    async def test_a_value_past_its_time_is_a_miss_for_plain_verbs(self, service: FullCacheService) -> None:
        await self._held(service, stale_while_revalidate=50, stale_if_error=50)
        await self.advance(120)
        assert await service.get("k", default="miss") == "miss"
        assert await service.get_many(["k"], default="miss") == ["miss"]
        assert await service.exists("k") is False
        assert await service.remaining_ttl("k") is None
        assert await service.touch("k", 60) is False
        assert await service.add("k", "added") is True
        assert await service.get("k") == "added"

    async def test_beyond_the_window_callers_wait_for_the_load(self, service: FullCacheService) -> None:
        get = await self._held(service, stale_while_revalidate=50)
        await self.advance(151)
        assert await get(Source(["new"])) == ["new"]

    async def test_a_none_past_its_time_is_served_as_well(self, service: FullCacheService) -> None:
        for window in ("stale_while_revalidate", "stale_if_error"):
            options: Any = {window: 50, "ttl_jitter": 0}
            assert await service.get_or_load(window, Source(None), 100, **options) is None
            await self.advance(120)
            assert await service.get_or_load(window, Source(LookupError()), 100, **options) is None

    # -- stale_if_error ---------------------------------------------------------------------------------------------

    async def test_a_value_past_its_time_is_served_when_its_load_fails(self, service: FullCacheService) -> None:
        get = await self._held(service, stale_if_error=50)
        await self.advance(120)
        source = Source(LookupError("down"), shut=True)
        callers = [asyncio.ensure_future(get(source)) for _ in range(19)]
        await source.reached.wait()
        callers.append(asyncio.ensure_future(get(source)))
        for _ in range(_TURNS):
            await service.exists("k")
        source.gate.set()
        assert await asyncio.gather(*callers) == [["old"]] * 20
        assert source.calls == 1
        assert (await service.get_stats()).stale == 20

    async def test_a_value_past_its_time_gives_way_to_a_load_that_works(self, service: FullCacheService) -> None:
        get = await self._held(service, stale_if_error=50)
        await self.advance(120)
        assert await get(Source(["new"])) == ["new"]
        assert await service.get("k") == ["new"]
        assert (await service.get_stats()).stale == 0

    async def test_beyond_the_window_a_failure_is_told(self, service: FullCacheService) -> None:
        get = await self._held(service, stale_if_error=50)
        await self.advance(151)
        failure = LookupError("down")
        await _raises(get(Source(failure)), failure)

    async def test_the_windows_follow_one_another(self, service: FullCacheService) -> None:
        get = await self._held(service, stale_while_revalidate=50, stale_if_error=100, error_backoff=10)
        source = Source(LookupError("down"))
        await self.advance(120)
        assert await get(source) == ["old"]
        await source.reached.wait()
        await self.advance(60)
        assert await get(source) == ["old"]
        assert source.calls == 2
        await self.advance(30)
        await _raises(get(source), source.value)  # type: ignore[arg-type]

    # -- what was ended is served under no option -------------------------------------------------------------------

    async def test_what_was_invalidated_is_not_served_while_it_is_loaded(self, service: FullCacheService) -> None:
        for end in ENDINGS:
            get = await self._held(service, stale_while_revalidate=50)
            await self.advance(120)
            await end(service)
            assert await get(Source(["new"])) == ["new"]
            await service.delete("k")

    async def test_what_was_invalidated_is_not_served_when_its_load_fails(self, service: FullCacheService) -> None:
        for end in ENDINGS:
            get = await self._held(service, stale_if_error=50)
            await self.advance(120)
            await end(service)
            failure = LookupError("down")
            await _raises(get(Source(failure)), failure)
            await _raises(get(Source(failure)), failure)

    async def test_what_was_invalidated_during_a_load_that_fails_is_served_to_none_who_come_later(
        self, service: FullCacheService
    ) -> None:
        get = await self._held(service, stale_if_error=50)
        await self.advance(120)
        source = Source(LookupError("down"), shut=True)
        before = asyncio.ensure_future(get(source))
        await source.reached.wait()
        await service.invalidate_tags(["t"])
        failure = LookupError("still down")
        after = asyncio.ensure_future(get(Source(failure)))
        await asyncio.sleep(0)
        source.gate.set()
        assert await before == ["old"]
        await _raises(after, failure)

    # -- mark_stale ---------------------------------------------------------------------------------------------------

    async def test_what_was_marked_stale_is_served_while_it_is_loaded(self, service: FullCacheService) -> None:
        for ttl in (100, math.inf):
            await service.set("k", ["old"], ttl)
            assert await service.mark_stale("k") is True
            source = Source(["new"], shut=True)
            get = functools.partial(service.get_or_load, "k", source, ttl, stale_while_revalidate=50)
            assert await get() == ["old"]
            await source.reached.wait()
            source.gate.set()
            await self._becomes(service, ["new"])
            assert await get() == ["new"]
            assert source.calls == 1

    async def test_what_was_marked_stale_is_served_when_its_load_fails(self, service: FullCacheService) -> None:
        get = await self._held(service, stale_if_error=50)
        assert await service.mark_stale("k") is True
        failure = LookupError("down")
        assert await get(Source(failure)) == ["old"]
        await self.advance(140)
        assert await get(Source(failure)) == ["old"]
        await self.advance(11)
        await _raises(get(Source(failure)), failure)

    async def test_what_was_marked_stale_can_still_be_invalidated(self, service: FullCacheService) -> None:
        failure = LookupError("down")
        for end in ENDINGS:
            get = await self._held(service, stale_if_error=50, stale_while_revalidate=50)
            await service.mark_stale("k")
            await end(service)
            await _raises(get(Source(failure)), failure)
            await service.delete("k")

    async def test_without_a_window_what_was_marked_stale_is_not_served(self, service: FullCacheService) -> None:
        get = await self._held(service)
        await service.mark_stale("k")
        failure = LookupError("down")
        await _raises(get(Source(failure)), failure)
        assert await get(Source(["new"])) == ["new"]

    # -- soft_timeout -------------------------------------------------------------------------------------------------

    async def test_after_the_soft_timeout_the_value_at_hand_is_served_and_the_load_goes_on(
        self, service: FullCacheService
    ) -> None:
        get = await self._held(service, stale_if_error=50, soft_timeout=0.01)
        await self.advance(120)
        source = Source(["new"], shut=True)
        assert await asyncio.gather(*[get(source) for _ in range(2)]) == [["old"]] * 2
        assert await get(source) == ["old"]
        source.gate.set()
        await self._becomes(service, ["new"])
        assert source.calls == 1
        assert (await service.get_stats()).stale == 3

    async def test_without_a_value_at_hand_the_soft_timeout_is_none(self, service: FullCacheService) -> None:
        source = Source(["new"], shut=True)
        call = asyncio.ensure_future(service.get_or_load("k", source, stale_if_error=50, soft_timeout="1ms"))
        await source.reached.wait()
        assert (await asyncio.wait({call}, timeout=0.02))[0] == set()
        source.gate.set()
        assert await call == ["new"]

    # -- error_backoff ------------------------------------------------------------------------------------------------

    async def test_a_refresh_that_failed_is_not_tried_again_at_once(self, service: FullCacheService) -> None:
        for window in ("stale_while_revalidate", "stale_if_error"):
            options: Any = {window: 800}
            get = await self._held(service, error_backoff=100, **options)
            await self.advance(120)
            source = Source(LookupError("down"))
            assert await get(source) == ["old"]
            await source.reached.wait()
            for _ in range(10):
                assert await get(source) == ["old"]
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            assert source.calls == 1
            await self.advance(101)
            source.value, source.gate = ["new"], asyncio.Event()
            source.reached.clear()
            call = asyncio.ensure_future(get(source))
            await source.reached.wait()
            source.gate.set()
            assert await call in (["old"], ["new"])
            await self._becomes(service, ["new"])
            assert source.calls == 2
            await service.delete("k")

    async def test_where_nothing_can_be_served_a_failed_load_is_tried_again_at_once(
        self, service: FullCacheService
    ) -> None:
        async def expire(_: FullCacheService) -> None:
            await self.advance(151)

        for end in (*ENDINGS, expire):
            get = await self._held(service, error_backoff=100, stale_while_revalidate=50)
            await end(service)
            failure = LookupError("down")
            for _ in range(3):
                await _raises(get(Source(failure)), failure)
            assert await get(Source(["new"])) == ["new"]
            assert await service.get("k") == ["new"]
            await service.delete("k")
