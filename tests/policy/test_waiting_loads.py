"""Loads that fill all places and wait for other loads: those need no place, or all would wait for each other."""

from __future__ import annotations

import asyncio
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
