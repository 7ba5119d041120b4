"""increment and decrement."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import asyncio
import enum
import math

from pika_redis import CacheItem, FullCacheService, KeyNotFoundError, NotAnIntegerError

from ..assertions import refuses
from .comparing import unlike
from .hooks import Hooks

__all__ = ["CounterVerbs"]

NO_INTEGERS: tuple[object, ...] = ("text", "7", "", b"7", 1.0, True, None, [1], {"n": 1}, (7,), {7})


class Step(enum.IntEnum):
    """Amounts that have names."""

    TWO = 2


class CounterVerbs(Hooks):
    """Counters are plain integers of 64 bits, changed atomically."""

    async def test_a_counter_begins_at_zero(self, service: FullCacheService) -> None:
        assert await service.increment("up") == 1
        assert await service.increment("up", 5) == 6
        assert await service.decrement("up", 2) == 4
        assert await service.increment("up", -4) == 0
        assert await service.increment("up", 0) == 0
        assert await service.decrement("down") == -1
        assert await service.get_many(["up", "down"]) == [0, -1]
        assert await service.exists("up")
        assert await service.delete("up") is True
        assert await service.increment("up") == 1

    async def test_counting_is_atomic(self, service: FullCacheService) -> None:
        sums = await asyncio.gather(*[service.increment("n") for _ in range(200)])
        assert unlike(sorted(sums), range(1, 201)) == []

    async def test_the_ttl_is_set_only_by_the_call_that_creates(self, service: FullCacheService) -> None:
        await service.increment("n", ttl=1000)
        assert 900 < (await service.remaining_ttl("n") or 0) <= 1000
        await self.advance(500)
        assert await service.increment("n", ttl=5000) == 2
        assert 400 < (await service.remaining_ttl("n") or 0) <= 500
        assert await service.decrement("n") == 1
        assert (await service.remaining_ttl("n") or 0) <= 500
        await self.advance(501)
        assert await service.get("n") is None
        assert await service.increment("n") == 1

    async def test_without_a_ttl_a_counter_does_not_expire(self, service: FullCacheService) -> None:
        short = service.with_options(ttl=10)
        await short.increment("n")
        assert await service.remaining_ttl("n") == math.inf
        assert await service.increment("n", ttl=10) == 2
        assert await service.remaining_ttl("n") == math.inf

    async def test_a_counter_that_must_exist_is_not_created(self, service: FullCacheService) -> None:
        with refuses(KeyNotFoundError, "n"):
            await service.increment("n", create=False)
        with refuses(KeyError):
            await service.decrement("n", create=False, ttl=10)
        assert await service.exists("n") is False
        await service.set("n", 4)
        assert await service.increment("n", create=False) == 5

    async def test_an_integer_that_was_set_is_counted_on(self, service: FullCacheService) -> None:
        await service.set("set", 41, ttl=1000)
        await service.set_many([CacheItem("many", -5)])
        await service.add("added", 0)
        assert await service.increment("set") == 42
        assert 900 < (await service.remaining_ttl("set") or 0) <= 1000
        assert await service.increment("many", 5) == 0
        assert await service.decrement("added") == -1

    async def test_an_integer_that_was_loaded_is_counted_on(self, service: FullCacheService) -> None:
        assert await service.get_or_load("n", lambda: 10, 1000) == 10
        assert await service.increment("n") == 11
        assert (await service.remaining_ttl("n") or 0) <= 1000
        assert await service.get("n") == 11

    async def test_what_is_dead_counts_as_absent(self, service: FullCacheService) -> None:
        await service.set_many({"a": "text", "b": 100, "c": [1]}, tags=["t"])
        await service.invalidate_tags(["t"])
        for key in "abc":
            with refuses(KeyNotFoundError):
                await service.increment(key, create=False)
            assert await service.increment(key, 3, ttl=1000) == 3
            assert (await service.remaining_ttl(key) or 0) <= 1000
        await service.set("d", "cleared")
        await service.clear(sweep=False)
        assert await service.increment("d", 3) == 3
        assert await service.remaining_ttl("d") == math.inf
        await service.set("e", [1])
        await service.mark_stale("e")
        assert await service.increment("e") == 1
        await service.get_or_load("f", lambda: 8)
        await service.mark_stale("f")
        assert await service.increment("f") == 1
        await service.set("g", "expired", ttl=10)
        await self.advance(11)
        assert await service.increment("g") == 1

    async def test_a_live_value_that_is_no_integer_is_kept(self, service: FullCacheService) -> None:
        for value in NO_INTEGERS:
            await service.set("k", value)
            with refuses(NotAnIntegerError, "k"):
                await service.increment("k")
            with refuses(ValueError):
                await service.decrement("k", create=False)
            assert await service.get("k", default="lost") == value

    async def test_a_live_tagged_integer_is_kept(self, service: FullCacheService) -> None:
        await service.set("k", 7, tags=["t"])
        with refuses(NotAnIntegerError):
            await service.increment("k")
        await service.get_or_load("l", lambda: 7, tags=["t"])
        with refuses(NotAnIntegerError):
            await service.increment("l")
        assert await service.get_many(["k", "l"]) == [7, 7]

    async def test_sums_beyond_two_to_the_53_are_exact(self, service: FullCacheService) -> None:
        await service.set("n", 2**53)
        assert await service.increment("n") == 2**53 + 1
        assert await service.increment("n", 2**61) == 2**61 + 2**53 + 1
        assert await service.get("n") == 2**61 + 2**53 + 1
        assert await service.increment("m", 2**63 - 1) == 2**63 - 1
        assert await service.decrement("m", 2**63 - 1) == 0
        assert await service.decrement("m", 2**63 - 1) == -(2**63) + 1

    async def test_a_sum_beyond_64_bits_is_refused_and_nothing_changes(self, service: FullCacheService) -> None:
        await service.set("n", 2**63 - 1, ttl=1000)
        with refuses(ValueError, "64 bits"):
            await service.increment("n")
        assert await service.get("n") == 2**63 - 1
        await service.set("n", -(2**63))
        with refuses(ValueError, "64 bits"):
            await service.decrement("n")
        assert await service.get("n") == -(2**63)
        await service.set("big", 2**70)
        with refuses(ValueError, "64 bits"):
            await service.increment("big")
        assert await service.get("big") == 2**70

    async def test_an_amount_may_be_of_a_subclass_of_int(self, service: FullCacheService) -> None:
        assert await service.increment("n", Step.TWO) == 2
        assert await service.decrement("n", Step.TWO) == 0
        assert type(await service.get("n")) is int

    async def test_an_amount_is_an_integer_of_64_bits(self, service: FullCacheService) -> None:
        for amount in (1.0, "1", True, None):
            with refuses(TypeError, "amount"):
                await service.increment("n", amount)  # type: ignore[arg-type]
            with refuses(TypeError, "amount"):
                await service.decrement("n", amount)  # type: ignore[arg-type]
        for amount in (2**63, -(2**63), -(2**64)):
            for verb in (service.increment, service.decrement):
                with refuses(ValueError, f"amount must be from {1 - 2**63} to {2**63 - 1}, not {amount}"):
                    await verb("n", amount)
        for ttl in (0, -1, math.nan):
            with refuses(ValueError, "ttl"):
                await service.increment("n", ttl=ttl)
        assert await service.exists("n") is False
