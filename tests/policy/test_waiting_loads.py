"""Loads that fill all places and wait for other loads: those need no place, or all would wait for each other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

import pytest

from pika_redis import MemoryCacheService
from pika_redis.policy.room import MOST_LOADS

Way: TypeAlias = Literal["caller", "clean"]
OPTIONS: dict[str, Any] = {"ttl": 60, "hard_timeout": 20}


@pytest.fixture
def service() -> MemoryCacheService:
    return MemoryCacheService()


class Crowd:
    """As many loads as there are places for, which are told to wait for another load."""

    def __init__(self, service: MemoryCacheService, context: Way) -> None:
        self._service = service
        self._context = context
        self._arrived = asyncio.Semaphore(0)
        self._go_on = asyncio.Event()
        self._tasks: list[asyncio.Task[object]] = []

    async def fill(self, wait: Callable[[int], Awaitable[object]]) -> None:
        async def load(number: int) -> object:
            self._arrived.release()
            await self._go_on.wait()
            return await wait(number)

        for number in range(MOST_LOADS):
            call = self._service.get_or_load(
                f"crowd:{number}", lambda number=number: load(number), context=self._context, **OPTIONS
            )
            self._tasks.append(asyncio.create_task(call))
        for _ in range(MOST_LOADS):
            await self._arrived.acquire()

    async def go_on(self) -> list[object]:
        """What they have loaded."""
        self._go_on.set()
        async with asyncio.timeout(10):
            return await asyncio.gather(*self._tasks)


@pytest.fixture(params=["caller", "clean"])
def crowd(request: pytest.FixtureRequest, service: MemoryCacheService) -> Crowd:
    return Crowd(service, request.param)


async def value() -> str:
    return "value"


async def test_all_wait_for_one_that_stands_in_line(service: MemoryCacheService, crowd: Crowd) -> None:
    calls = 0

    async def shared() -> str:
        nonlocal calls
        calls += 1
        return "shared"

    await crowd.fill(lambda number: service.get_or_load("shared", shared, **OPTIONS))
    in_line = asyncio.create_task(service.get_or_load("shared", shared, **OPTIONS))
    behind = asyncio.create_task(service.get_or_load("behind", value, **OPTIONS))
    for _ in range(20):
        await asyncio.sleep(0)
    assert calls == 0
    assert await crowd.go_on() == ["shared"] * MOST_LOADS
    assert await in_line == "shared"
    assert await behind == "value"
    assert calls == 1


async def test_all_wait_for_a_batch_that_stands_in_line(service: MemoryCacheService, crowd: Crowd) -> None:
    asked: list[list[str]] = []

    async def many(keys: list[str]) -> dict[str, str]:
        asked.append(keys)
        return dict.fromkeys(keys, "of the batch")

    await crowd.fill(lambda number: service.get_or_load("k1", value, **OPTIONS))
    in_line = asyncio.create_task(service.get_or_load_many(["k1", "k2"], many, **OPTIONS))
    for _ in range(20):
        await asyncio.sleep(0)
    assert asked == []
    assert await crowd.go_on() == ["of the batch"] * MOST_LOADS
    assert await in_line == ["of the batch"] * 2
    assert asked == [["k1", "k2"]]


async def test_each_loads_something_else_and_that_again(service: MemoryCacheService, crowd: Crowd) -> None:
    async def inner(number: int) -> object:
        return await service.get_or_load(f"innermost:{number}", value, context="clean", **OPTIONS)

    await crowd.fill(
        lambda number: service.get_or_load(f"inner:{number}", lambda: inner(number), context="clean", **OPTIONS)
    )
    assert await crowd.go_on() == ["value"] * MOST_LOADS


async def test_each_loads_a_batch(service: MemoryCacheService, crowd: Crowd) -> None:
    async def many(keys: list[str]) -> dict[str, object]:
        return {key: await service.get_or_load(f"one of {key}", value, context="clean", **OPTIONS) for key in keys}

    await crowd.fill(
        lambda number: service.get_or_load_many([f"{number}:{n}" for n in range(3)], many, context="clean", **OPTIONS)
    )
    assert await crowd.go_on() == [["value"] * 3] * MOST_LOADS


@pytest.mark.parametrize("context", ["caller", "clean"])
async def test_a_batch_larger_than_the_room_is_one_load(service: MemoryCacheService, context: Way) -> None:
    keys = [f"k{number}" for number in range(3 * MOST_LOADS)]
    asked: list[list[str]] = []

    async def many(missing: list[str]) -> dict[str, str]:
        asked.append(missing)
        return {key: key for key in missing}

    async with asyncio.timeout(10):
        assert await service.get_or_load_many(keys, many, context=context, **OPTIONS) == keys
    assert asked == [keys]


async def test_batches_take_places_too(service: MemoryCacheService) -> None:
    gate = asyncio.Event()
    running = most = 0

    async def many(keys: list[str]) -> dict[str, str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return dict.fromkeys(keys, "value")

    batches = [
        asyncio.create_task(service.get_or_load_many([f"{number}:1", f"{number}:2"], many, **OPTIONS))
        for number in range(2 * MOST_LOADS)
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    assert running == MOST_LOADS
    gate.set()
    assert await asyncio.gather(*batches) == [["value"] * 2] * (2 * MOST_LOADS)
    assert most == MOST_LOADS


class Maze:
    """Loads that wait for later ones, at random: alone, together, in batches, cancelled, in contexts of their own."""

    SIZE = 30

    def __init__(self, service: MemoryCacheService, seed: int) -> None:
        self._service = service
        self._random = random.Random(seed)

    async def visit(self, number: int) -> None:
        if number >= self.SIZE:
            return
        ways = (self._load, self._load_several, self._load_together, self._load_and_leave)
        await self._random.choice(ways)(number)

    async def _load(self, number: int) -> None:
        context: Way = self._random.choice(["caller", "clean"])
        await self._service.get_or_load(f"k{number}", lambda: self._go_on(number), context=context, **OPTIONS)

    async def _load_several(self, number: int) -> None:
        async def many(numbers: list[int]) -> dict[int, int]:
            return dict.fromkeys(numbers, await self._go_on(max(numbers)))

        numbers = range(number, min(self.SIZE, number + self._random.randint(1, 8)))
        await self._service.get_or_load_many(list(numbers), many, key=lambda one: f"k{one}", **OPTIONS)

    async def _load_together(self, number: int) -> None:
        await asyncio.gather(*[self.visit(later) for later in range(number, min(self.SIZE, number + 3))])

    async def _load_and_leave(self, number: int) -> None:
        leaving = asyncio.create_task(self._load(number))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait({leaving})

    async def _go_on(self, number: int) -> int:
        for _ in range(self._random.randint(0, 2)):
            await asyncio.sleep(0)
            await self.visit(number + self._random.randint(1, 6))
        return number


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_waits_for_something_later_comes_to_its_end(service: MemoryCacheService, seed: int) -> None:
    flights = service._reads.flights.get()
    places, doors = seed % 3 + 1, seed % 4 + 1
    flights.room.free, flights.door.free = places, doors
    maze = Maze(service, seed)
    async with asyncio.timeout(10):
        await asyncio.gather(*[maze.visit(number) for number in range(Maze.SIZE) for _ in range(2)])
        while (flights.room.free, flights.door.free) != (places, doors):  # noqa: ASYNC110 (loads that nobody waits for)
            await asyncio.sleep(0)
