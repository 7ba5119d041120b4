"""Many who wait for one thing."""

from __future__ import annotations

import asyncio
import math

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
    assert (loop.timers, len(crowd)) == (0, 0)


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
    assert len(crowd) == 1
    crowd.wake()
    await staying
    assert (loop.timers, len(crowd)) == (0, 0)


@in_virtual_time
async def test_no_patience_is_no_wait() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await Crowd(loop).wait(0)
    assert loop.time() == began


@in_virtual_time
async def test_many_who_wait_equally_long_share_a_timer() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    crowd = Crowd(loop)
    waiting = [asyncio.create_task(crowd.wait(seconds)) for seconds in (1, 5) for _ in range(1_000)]
    await settled()
    assert (loop.timers, len(crowd)) == (2, 2_000)
    await asyncio.gather(*waiting[:1_000])
    assert (loop.timers, len(crowd)) == (1, 1_000)
    await asyncio.gather(*waiting)
    assert (loop.timers, len(crowd)) == (0, 0)


@in_virtual_time
async def test_nobody_is_kept_much_above_his_patience() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    crowd = Crowd(loop)
    for seconds in (0.0001, 0.5003, 1.99999):
        await crowd.wait(seconds)
        assert loop.time() - began == pytest.approx(seconds, abs=1e-6)  # alone: to the point
        began = loop.time()
    other = asyncio.create_task(crowd.wait(1_000))
    await settled()
    for seconds in (0.0001, 0.5003, 1.99999):
        began = loop.time()
        await crowd.wait(seconds)
        assert seconds <= loop.time() - began <= seconds + 1 / 64
    crowd.wake()
    await other


@in_virtual_time
async def test_endless_patience_needs_no_timer() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    crowd = Crowd(loop)
    waiting = asyncio.create_task(crowd.wait(math.inf))
    await settled()
    assert (loop.timers, len(crowd)) == (0, 1)
    crowd.wake()
    await waiting
    assert len(crowd) == 0


@in_virtual_time
async def test_who_comes_when_a_timer_has_just_rung_early_has_one_of_his_own() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    crowd = Crowd(loop)
    waiting = [asyncio.create_task(crowd.wait(seconds)) for seconds in (100, 1)]
    await settled()
    due = min(crowd._groups)
    _, timer = crowd._groups[due]
    assert timer is not None
    timer.cancel()
    loop.now = due - 0.0001
    late = asyncio.create_task(crowd.wait(0.00005))  # its turn comes before that of who is woken
    crowd._end(due)  # as a loop does that counts in milliseconds
    await asyncio.wait_for(late, 5)
    await waiting[1]
    assert loop.now <= due + 1 / 64
    crowd.wake()
    await waiting[0]
    assert (len(crowd), crowd._groups) == (0, {})
