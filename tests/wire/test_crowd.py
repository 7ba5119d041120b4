"""Many who wait for one thing."""

from __future__ import annotations

import asyncio

import pytest

from pika_redis.wire.crowd import Crowd

from .timing import VirtualLoop, in_virtual_time, settled


@in_virtual_time
async def test_all_are_woken_at_once_and_their_timers_end() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    crowd = Crowd(loop)
    began = loop.time()
    waiting = [asyncio.create_task(crowd.wait(10 + number)) for number in range(100)]
    await settled()
    crowd.wake()
    crowd.wake()
    await asyncio.gather(*waiting)
    assert loop.time() == began
    assert (loop.timers, crowd._waiting) == (0, {})


@in_virtual_time
async def test_each_waits_for_a_time_of_its_own() -> None:
    loop = asyncio.get_running_loop()
    crowd = Crowd(loop)
    began = loop.time()
    ends: list[float] = []

    async def wait(seconds: float) -> None:
        await crowd.wait(seconds)
        ends.append(loop.time() - began)

    await asyncio.gather(*[wait(seconds) for seconds in (3, 1, 2)])
    assert ends == [1, 2, 3]


@in_virtual_time
async def test_a_wake_before_the_wait_wakes_nobody() -> None:
    loop = asyncio.get_running_loop()
    crowd = Crowd(loop)
    crowd.wake()
    began = loop.time()
    await crowd.wait(5)
    assert loop.time() - began == 5


@in_virtual_time
async def test_who_is_cancelled_leaves_nothing_behind() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    crowd = Crowd(loop)
    gone, staying = asyncio.create_task(crowd.wait(100)), asyncio.create_task(crowd.wait(100))
    await settled()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert len(crowd._waiting) == 1
    crowd.wake()
    await staying
    assert (loop.timers, crowd._waiting) == (0, {})


@in_virtual_time
async def test_no_patience_is_no_wait() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await Crowd(loop).wait(0)
    assert loop.time() == began
