"""What a loader may say beside its value: another ttl, more tags, that nothing is to be stored."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import asyncio
import functools
import math

from pika_redis import DO_NOT_STORE, FullCacheService, Loaded, bypass_cache

from ..assertions import refuses, until
from .hooks import Hooks

__all__ = ["LoadedValues"]

_TURNS = 50


class Source:
    """A loader that counts its calls, gives what it holds, and stops at its gate when that is shut."""

    def __init__(self, result: object) -> None:
        self.result = result
        self.calls = 0
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> object:
        """Load."""
        self.calls += 1
        result = self.result
        self.reached.set()
        await self.gate.wait()
        return result


class LoadedValues(Hooks):
    """`Loaded` and `DO_NOT_STORE`."""

    async def _comes_to_hold(self, service: FullCacheService, value: object, key: str = "k") -> None:
        async def holds() -> bool:
            return bool(await service.get(key) == value)

        await until(holds)

    async def _known(self, service: FullCacheService, *tags: str) -> None:
        """These tags are in use, and have been for a while."""
        await service.set("another", "v", tags=tags)
        await self.advance(5)

    async def test_a_loader_may_say_how_long_its_value_lives(self, service: FullCacheService) -> None:
        source = Source(Loaded(["v"], ttl="200s"))
        for _ in range(2):
            assert await service.get_or_load("k", source, 1000, ttl_jitter=0) == ["v"]
        assert source.calls == 1
        assert 190 < (await service.remaining_ttl("k") or 0) <= 200
        assert await service.get_or_load("longer", Source(Loaded(None, 5000)), 1000, none_ttl=10) is None
        assert (await service.remaining_ttl("longer") or 0) > 4000
        await service.get_or_load("for ever", Source(Loaded("v", math.inf)), 1000)
        assert await service.remaining_ttl("for ever") == math.inf
        await service.get_or_load("as asked", Source(Loaded("v")), 1000, ttl_jitter=0)
        assert 990 < (await service.remaining_ttl("as asked") or 0) <= 1000

    async def test_a_value_loaded_with_a_ttl_of_0_is_given_and_not_stored(self, service: FullCacheService) -> None:
        source = Source(Loaded(["v"], ttl=0))
        for calls in (1, 2):
            assert await service.get_or_load("k", source, stale_while_revalidate=50, stale_if_error=50) == ["v"]
            assert source.calls == calls
        assert await service.exists("k") is False

    async def test_do_not_store_gives_none_and_stores_nothing(self, service: FullCacheService) -> None:
        source = Source(DO_NOT_STORE)
        for _ in range(2):
            assert await service.get_or_load("k", source, none_ttl=1000) is None
        assert source.calls == 2
        assert await service.exists("k") is False
        await service.set("k", ["old"], 100)
        await service.mark_stale("k")
        assert await service.get_or_load("k", source) is None
        source.result = ["new"]
        assert await service.get_or_load("k", source) == ["new"]
        assert await service.get("k") == ["new"]

    async def test_store_if_sees_the_value_that_was_loaded(self, service: FullCacheService) -> None:
        seen: list[object] = []

        def store(value: object) -> bool:
            seen.append(value)
            return value != ["draft"]

        assert await service.get_or_load("draft", Source(Loaded(["draft"], 100)), store_if=store) == ["draft"]
        assert await service.get_or_load("final", Source(Loaded(["final"], 100)), store_if=store) == ["final"]
        assert seen == [["draft"], ["final"]]
        assert [await service.exists(key) for key in ("draft", "final")] == [False, True]

    async def test_a_wrong_ttl_in_what_was_loaded_is_an_error_that_names_it(self, service: FullCacheService) -> None:
        for ttl in ("soon", True, math.nan):
            with refuses(Exception, "Loaded.ttl"):
                await service.get_or_load("k", Source(Loaded("v", ttl)))
        assert await service.exists("k") is False
        assert await service.get_or_load("k", Source("v")) == "v"

    async def test_callers_who_share_a_load_share_what_it_says(self, service: FullCacheService) -> None:
        source = Source(Loaded(["v"], ttl=200))
        source.gate.clear()
        callers = [asyncio.ensure_future(service.get_or_load("k", source, 1000)) for _ in range(10)]
        await source.reached.wait()
        source.gate.set()
        assert await asyncio.gather(*callers) == [["v"]] * 10
        assert source.calls == 1
        assert (await service.remaining_ttl("k") or 0) <= 200

    async def test_without_the_cache_callers_get_the_value_as_well(self, service: FullCacheService) -> None:
        for result, value in ((Loaded(["v"], 10, ["t"]), ["v"]), (DO_NOT_STORE, None)):
            source = Source(result)
            assert await service.get_or_load("k", source, enabled=False) == value
            with bypass_cache():
                assert await service.get_or_load("k", source) == value
        assert await service.exists("k") is False

    # -- tags that only the loader knows ------------------------------------------------------------------------------

    async def test_tags_that_a_loader_names_end_the_entry_too(self, service: FullCacheService) -> None:
        await self._known(service, "late", "early")
        source = Source(Loaded(["v"], tags=["late"]))
        get = functools.partial(service.get_or_load, "k", source, tags=["early"])
        for count, tag in enumerate(("late", "early", "late"), 1):
            for _ in range(2):
                assert await get() == ["v"]
            assert source.calls == count
            await service.invalidate_tags([tag])
            assert await service.get("k") is None

    async def test_a_value_is_cached_although_its_loader_named_a_tag_that_nothing_carried_yet(
        self, service: FullCacheService
    ) -> None:
        source = Source(Loaded(["v"], tags=["never used"]))
        assert await service.get_or_load("k", source) == ["v"]
        await self._comes_to_hold(service, ["v"])
        assert source.calls == 2  # how old the tag is could not be told: loaded once more, behind the answer
        assert await service.get_or_load("k", source) == ["v"]
        await service.invalidate_tags(["never used"])
        assert await service.get("k") is None
        assert source.calls == 2

    async def test_what_was_loaded_while_a_tag_of_its_own_was_invalidated_is_not_stored(
        self, service: FullCacheService
    ) -> None:
        for others_use_the_tag_at_once in (False, True):
            await self._known(service, "late")
            await self._race_with_a_late_tag(service, f"k{others_use_the_tag_at_once}", others_use_the_tag_at_once)

    async def _race_with_a_late_tag(
        self, service: FullCacheService, key: str, others_use_the_tag_at_once: bool
    ) -> None:
        source = Source(Loaded(["old"], tags=["late"]))
        source.gate.clear()
        reader = asyncio.ensure_future(service.get_or_load(key, source))
        await source.reached.wait()
        source.result = Loaded(["new"], tags=["late"])
        await service.invalidate_tags(["late"])
        if others_use_the_tag_at_once:
            await service.set("another", "v", tags=["late"])
        late = asyncio.ensure_future(service.get_or_load(key, source))
        await asyncio.sleep(0)
        source.gate.set()
        assert await reader == ["old"]
        assert await late == ["new"]
        await self._comes_to_hold(service, ["new"], key)

    async def test_a_loader_that_names_another_tag_each_time_is_not_called_again_and_again(
        self, service: FullCacheService
    ) -> None:
        calls = 0

        async def load() -> object:
            nonlocal calls
            calls += 1
            return Loaded([calls], tags=[f"version {calls}"])

        assert await service.get_or_load("k", load) == [1]
        for _ in range(_TURNS):
            await service.exists("k")
            await asyncio.sleep(0)
        assert calls == 2
