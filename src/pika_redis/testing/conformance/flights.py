"""Many callers of one key: one load for all, whatever becomes of each of them."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import asyncio

from pika_redis import FullCacheService

from .comparing import unlike
from .hooks import Hooks

__all__ = ["Flights"]


class Gate:
    """A loader that waits until it may go on."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls = 0
        self.error = error
        self.reached = asyncio.Event()
        self.go = asyncio.Event()

    async def load(self) -> list[int]:
        """Wait, then give a list or fail."""
        self.calls += 1
        self.reached.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return [self.calls]


async def _turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Flights(Hooks):
    """In one process a key is loaded by one caller at a time."""

    async def test_a_thousand_callers_of_a_cold_key_share_one_load(self, service: FullCacheService) -> None:
        gate = Gate()
        callers = [asyncio.create_task(service.get_or_load("k", gate.load, tags=["t"])) for _ in range(1000)]
        await gate.reached.wait()
        gate.go.set()
        assert unlike(await asyncio.gather(*callers), [[1]] * 1000) == []
        assert gate.calls == 1
        assert await service.get("k") == [1]
        stats = await service.get_stats()
        assert (stats.loads, stats.joined, stats.misses) == (1, 999, 1000)

    async def test_what_ends_while_it_is_refreshed_is_replaced_by_what_was_loaded(
        self, service: FullCacheService
    ) -> None:
        gate = Gate()
        await service.set("k", "old", 100)
        await self.advance(90)
        old: object = await service.get_or_load("k", gate.load, 100, refresh_ahead=50, lease=200)
        assert old == "old"
        await gate.reached.wait()
        await self.advance(20)
        assert await service.get("k") is None
        waiting = asyncio.create_task(service.get_or_load("k", gate.load, 100))
        await _turns()
        gate.go.set()
        assert await waiting == [1]
        assert await service.get("k") == [1]
        assert gate.calls == 1

    async def test_callers_who_shared_a_load_share_no_mutable_value(self, service: FullCacheService) -> None:
        gate = Gate()
        callers = [asyncio.create_task(service.get_or_load("k", gate.load)) for _ in range(3)]
        await gate.reached.wait()
        gate.go.set()
        first, second, third = await asyncio.gather(*callers)
        first.append(2)
        second.append(3)
        assert third == [1]
        assert await service.get("k") == [1]

    async def test_a_failure_reaches_all_who_wait_at_once(self, service: FullCacheService) -> None:
        gate = Gate(LookupError("down"))
        callers = [asyncio.create_task(service.get_or_load("k", gate.load)) for _ in range(100)]
        await gate.reached.wait()
        await _turns()
        gate.go.set()
        ended = await asyncio.gather(*callers, return_exceptions=True)
        assert unlike(map(type, ended), [LookupError] * 100) == []
        assert gate.calls == 1
        assert await service.exists("k") is False

    async def test_cancelling_a_caller_leaves_the_load_to_the_others(self, service: FullCacheService) -> None:
        gate = Gate()
        first = asyncio.create_task(service.get_or_load("k", gate.load))
        await gate.reached.wait()
        others = [asyncio.create_task(service.get_or_load("k", gate.load)) for _ in range(2)]
        await _turns()
        first.cancel()
        others[0].cancel()
        ended = await asyncio.gather(first, others[0], return_exceptions=True)
        assert [type(one) for one in ended] == [asyncio.CancelledError] * 2
        gate.go.set()
        assert await others[1] == [1]
        assert gate.calls == 1
        assert await service.get("k") == [1]

    async def test_a_loader_that_asks_for_its_own_key_runs_through(self, service: FullCacheService) -> None:
        depth = 0

        async def load() -> int:
            nonlocal depth
            depth += 1
            return 1 if depth == 3 else 1 + await service.get_or_load("k", load)

        assert await service.get_or_load("k", load) == 3
        assert await service.get("k") == 3

    async def test_loads_of_different_keys_run_side_by_side(self, service: FullCacheService) -> None:
        gates = [Gate(), Gate()]
        callers = [asyncio.create_task(service.get_or_load(f"k{at}", gate.load)) for at, gate in enumerate(gates)]
        for gate in gates:
            await gate.reached.wait()
            gate.go.set()
        assert await asyncio.gather(*callers) == [[1], [1]]

    async def test_a_loader_may_use_the_cache(self, service: FullCacheService) -> None:
        async def outer() -> list[object]:
            await service.set("side", "effect", tags=["t"])
            return [await service.get_or_load("inner", lambda: "inner"), await service.increment("n")]

        assert await service.get_or_load("outer", outer, tags=["t"]) == ["inner", 1]
        assert await service.get_many(["outer", "inner", "side"]) == [["inner", 1], "inner", "effect"]
