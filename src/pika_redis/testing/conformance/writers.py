"""What writers have: a guard around a commit, and a lock."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import asyncio

from pika_redis import ArgumentError, FullCacheService, LockLostError, LockNotAcquiredError

from ..assertions import refuses
from .hooks import Hooks

__all__ = ["Writers"]


class Writers(Hooks):
    """Guards and locks."""

    async def test_within_a_guard_nothing_that_it_names_is_served_or_stored(self, service: FullCacheService) -> None:
        await service.set("k", ["old"])
        await service.set("tagged", ["old"], tags=["t"])
        async with service.guard(keys=["k"], tags=["t"]):
            assert await service.get("k") is None
            assert await service.get("tagged") is None
            assert await service.get_or_load("k", lambda: ["between"]) == ["between"]
            assert await service.get_or_load("tagged", lambda: ["between"], tags=["t"]) == ["between"]
            assert await service.get("k") is None
            assert await service.get("tagged") is None
        assert await service.get("k") is None
        assert await service.get_or_load("k", lambda: ["new"]) == ["new"]
        assert await service.get_or_load("tagged", lambda: ["new"], tags=["t"]) == ["new"]
        assert await service.get("k") == ["new"]
        assert await service.get("tagged") == ["new"]

    async def test_a_guard_ends_with_an_exception_too(self, service: FullCacheService) -> None:
        await service.set("k", ["old"])
        try:
            async with service.guard(keys=["k"]):
                raise LookupError("the commit failed, or so it seems")
        except LookupError:
            pass
        assert await service.get("k") is None
        assert await service.get_or_load("k", lambda: ["new"]) == ["new"]
        assert await service.get("k") == ["new"]

    async def test_a_load_that_began_before_a_guard_is_not_stored_in_it_or_after_it(
        self, service: FullCacheService
    ) -> None:
        reached, go = asyncio.Event(), asyncio.Event()

        async def load() -> list[str]:
            reached.set()
            await go.wait()
            return ["old"]

        early = asyncio.create_task(service.get_or_load("k", load, tags=["t"]))
        await reached.wait()
        async with service.guard(keys=["k"], tags=["t"]):
            pass
        go.set()
        assert await early == ["old"]
        assert await service.get("k") is None

    async def test_several_writers_hold_the_same_things(self, service: FullCacheService) -> None:
        async with service.guard(keys=["k"], tags=["t"]):
            async with service.guard(keys=["k"], tags=["t"]):
                pass
            assert await service.get_or_load("k", lambda: ["between"], tags=["t"]) == ["between"]
            assert await service.get("k") is None
        assert await service.get_or_load("k", lambda: ["new"], tags=["t"]) == ["new"]
        assert await service.get("k") == ["new"]

    async def test_a_delete_leaves_a_guard_standing(self, service: FullCacheService) -> None:
        async with service.guard(keys=["k"], tags=["t"]):
            await service.delete("k")
            await service.delete_pattern("*")
            await service.invalidate_tags(["t"])
            assert await service.get_or_load("k", lambda: ["between"], tags=["t"]) == ["between"]
            assert await service.get("k") is None

    async def test_a_value_that_is_set_within_a_guard_goes_with_it(self, service: FullCacheService) -> None:
        async with service.guard(keys=["k"]):
            await service.set("k", ["mine"])
            assert await service.get("k") == ["mine"]
        assert await service.get("k") is None

    async def test_a_lock_is_had_by_one_at_a_time(self, service: FullCacheService) -> None:
        inside = most = 0

        async def work() -> None:
            nonlocal inside, most
            async with service.lock("l", 30):
                inside += 1
                most = max(most, inside)
                for _ in range(3):
                    await asyncio.sleep(0)
                inside -= 1

        async with asyncio.timeout(20):
            await asyncio.gather(*[work() for _ in range(10)])
        assert most == 1

    async def test_a_lock_that_another_has_is_not_had(self, service: FullCacheService) -> None:
        async with service.lock("l", 30):
            with refuses(LockNotAcquiredError, "'", "l'"):
                await service.lock("l", 30, wait=0).__aenter__()
            async with service.lock("another", 30, wait=0):
                pass
        async with service.lock("l", 30, wait=0) as held:
            assert not held.lost
            held.ensure()

    async def test_a_lock_is_no_entry(self, service: FullCacheService) -> None:
        async with service.lock("l", 30):
            assert await service.get("l") is None
            await service.set("l", [1])
            assert await service.delete_pattern("*") == 1
            with refuses(LockNotAcquiredError):
                async with service.lock("l", 30, wait=0):
                    pass

    async def test_a_lock_ends_with_its_ttl_and_its_owner_is_told(self, service: FullCacheService) -> None:
        with refuses(LockLostError, "l'"):
            async with service.lock("l", 30) as held:
                await self.advance(31)
                async with service.lock("l", 30, wait=0):
                    pass
                assert not held.lost

    async def test_a_lock_that_was_lost_does_not_hide_the_error_of_its_body(self, service: FullCacheService) -> None:
        with refuses(LockNotAcquiredError):
            async with service.lock("l", 30):
                await self.advance(31)
                raise LockNotAcquiredError("the body's own")

    async def test_bad_input_for_writers(self, service: FullCacheService) -> None:
        with refuses(ArgumentError, "wait"):
            service.lock("l", 30, wait=-1)
        with refuses(ArgumentError, "ttl"):
            service.lock("l", 0)
        with refuses(ArgumentError, "hold"):
            service.guard(["k"], hold=0)
