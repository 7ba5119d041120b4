"""Places for loads: how many run at a time, who waits and for how long, and who needs none."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from contextvars import Context

import pytest

from pika_redis import OverloadedError
from pika_redis.policy.room import MOST_LOADS, Guest, Room, batch

from ..wire.timing import in_virtual_time, settled
from .stage import Source, Stage, settle


@in_virtual_time
async def test_no_more_than_so_many_run_at_a_time_and_all_get_their_turn() -> None:
    room = Room(3)
    running = most = done = 0

    async def load() -> None:
        nonlocal running, most, done
        async with place(room, math.inf, "k"):
            running += 1
            most = max(most, running)
            await asyncio.sleep(1)
            running -= 1
            done += 1

    began = asyncio.get_running_loop().time()
    await asyncio.gather(*[load() for _ in range(10)])
    assert (most, done) == (3, 10)
    assert asyncio.get_running_loop().time() - began == 4


def place(room: Room, seconds: float, key: str) -> contextlib.AbstractAsyncContextManager[None]:
    return room.place(seconds, key, [Guest()])


@contextlib.asynccontextmanager
async def occupied(room: Room) -> AsyncIterator[None]:
    """Meanwhile a load of somebody else has a place."""
    gate = asyncio.Event()

    async def load() -> None:
        async with place(room, math.inf, "other"):
            await gate.wait()

    loading = asyncio.create_task(load())
    await settled()
    try:
        yield
    finally:
        gate.set()
        await loading


async def take_place(room: Room, seconds: float, key: str) -> None:
    async with place(room, seconds, key):
        pass


@in_virtual_time
async def test_who_finds_no_place_in_time_is_told_and_takes_none() -> None:
    room = Room(1)
    async with occupied(room):
        with pytest.raises(OverloadedError, match="no room to load 'second' within 2 s"):
            await take_place(room, 2, "second")
    await take_place(room, 1, "third")
    assert room.free


@in_virtual_time
async def test_who_is_cancelled_while_it_waits_takes_no_place() -> None:
    room = Room(1)
    async with occupied(room):
        gone = asyncio.create_task(take_place(room, math.inf, "gone"))
        await settled()
        assert not gone.done()
        gone.cancel()
        await asyncio.wait({gone})
    await take_place(room, 1, "next")
    assert room.free


@in_virtual_time
async def test_a_place_given_to_one_who_is_cancelled_in_that_moment_goes_to_the_next() -> None:
    room = Room(1)
    assert await room.enter(1, "first", [Guest()])
    gone, next_one = (asyncio.create_task(take_place(room, math.inf, key)) for key in ("gone", "next"))
    await settled()
    room.leave()
    gone.cancel()
    await asyncio.wait({gone})
    await next_one
    assert gone.cancelled()
    assert room.free == 1


@in_virtual_time
async def test_places_are_given_in_the_order_of_asking() -> None:
    room = Room(2)
    order: list[int] = []

    async def load(number: int) -> None:
        async with place(room, math.inf, "k"):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*[load(number) for number in range(20)])
    assert order == list(range(20))
    assert room.free == 2


@in_virtual_time
async def test_a_load_that_fails_gives_its_place_back() -> None:
    room = Room(1)
    for _ in range(3):
        with pytest.raises(LookupError):
            async with place(room, 1, "k"):
                raise LookupError
    assert room.free


@in_virtual_time
async def test_a_load_within_a_load_needs_no_place() -> None:
    room = Room(1)
    async with place(room, 1, "outer"), place(room, 1, "inner"):
        pass
    assert room.free
    async with place(room, 1, "again"):  # and behind it one is needed again
        assert not room.free


@in_virtual_time
async def test_the_loads_of_a_batch_take_one_place_together() -> None:
    room = Room(1)
    with batch():
        loads = [Guest() for _ in range(3)]
    for load in loads:
        async with room.place_of(load, 1, "k"):
            assert room.free
    async with room.place(1, "a batch", loads):
        assert not room.free
        async with place(room, 1, "within"):
            pass
    assert room.free


@in_virtual_time
async def test_who_is_awaited_by_one_with_a_place_goes_in_at_once() -> None:
    room, first, second = Room(1), Guest(), Guest()
    async with place(room, 1, "has one"):
        later, now = (
            asyncio.create_task(room.enter(math.inf, "k", [one]), context=Context()) for one in (first, second)
        )
        await settled()
        assert not later.done()
        second.awaited()
        assert await now is False
        assert not later.done()
    assert await later is True
    room.leave()
    assert room.free == 1


@in_virtual_time
async def test_who_is_awaited_by_one_without_a_place_stays_in_line() -> None:
    room, guest = Room(1), Guest()
    async with occupied(room):
        waits = asyncio.create_task(room.enter(math.inf, "k", [guest]))
        await settled()
        guest.awaited()
        await settled()
        assert not waits.done()
    assert await waits is True


@in_virtual_time
async def test_who_is_awaited_before_it_asks_does_not_wait() -> None:
    room, guest = Room(1), Guest()
    async with place(room, 1, "has one"):
        guest.awaited()
        entering = asyncio.create_task(room.enter(1, "k", [guest]), context=Context())
        assert await entering is False
    assert room.free == 1


@in_virtual_time
async def test_loads_together_need_no_place_when_one_of_them_has_one() -> None:
    room, has_one, others = Room(1), Guest(), [Guest(), Guest()]
    async with room.place(1, "k", [has_one]):
        together = asyncio.create_task(room.enter(1, "together", [*others, has_one]), context=Context())
        assert await together is False
    assert room.free == 1


async def test_a_cold_cache_does_not_overrun_the_source(stage: Stage) -> None:
    source = Source(shut=True)
    calls = [asyncio.create_task(stage.get(source, f"t:{number}")) for number in range(3 * MOST_LOADS)]
    await settle()
    assert source.calls == MOST_LOADS
    source.gate.set()
    assert await asyncio.gather(*calls) == ["value"] * (3 * MOST_LOADS)
    assert source.calls == 3 * MOST_LOADS
