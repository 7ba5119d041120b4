"""Keeping a lease alive: in time, until it is lost, and not at all for short loads."""

from __future__ import annotations

import asyncio

import pytest

from pika_redis import CacheUnavailableError
from pika_redis.policy.renewal import Renewal

from ..wire.timing import VirtualLoop, in_virtual_time, settled


class Lease:
    """Notes when it is renewed; `answers` says what comes of it, then it is ours."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.renewed: list[float] = []
        self.losses = 0
        self.began = asyncio.get_running_loop().time()

    async def renew(self) -> bool:
        self.renewed.append(round(asyncio.get_running_loop().time() - self.began, 6))
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer

    def lost(self) -> None:
        self.losses += 1


@in_virtual_time
async def test_a_lease_is_renewed_at_each_third_of_it() -> None:
    lease = Lease()
    with Renewal(6, lease.renew, lease.lost):
        await asyncio.sleep(9)
    assert lease.renewed == [2, 4, 6, 8]
    await asyncio.sleep(100)
    assert len(lease.renewed) == 4
    assert lease.losses == 0


@in_virtual_time
async def test_a_short_load_makes_no_task_and_leaves_no_timer() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    lease = Lease()
    tasks = len(asyncio.all_tasks())
    with Renewal(6, lease.renew, lease.lost):
        await asyncio.sleep(1.9)
        assert len(asyncio.all_tasks()) == tasks
    assert (lease.renewed, loop.timers) == ([], 0)


@in_virtual_time
async def test_a_lease_that_is_lost_is_said_once_and_renewed_no_more() -> None:
    lease = Lease(True, False)
    with Renewal(6, lease.renew, lease.lost):
        await asyncio.sleep(100)
    assert (lease.renewed, lease.losses) == ([2, 4], 1)


@in_virtual_time
async def test_a_server_that_can_not_be_reached_is_asked_again_at_the_next_third() -> None:
    lease = Lease(CacheUnavailableError("gone"), CacheUnavailableError("gone"))
    with Renewal(6, lease.renew, lease.lost):
        await asyncio.sleep(7)
    assert (lease.renewed, lease.losses) == ([2, 4, 6], 0)


@in_virtual_time
async def test_a_load_that_fails_ends_the_renewal_too() -> None:
    lease = Lease()

    async def load() -> None:
        with Renewal(6, lease.renew, lease.lost):
            await asyncio.sleep(5)
            raise LookupError

    with pytest.raises(LookupError):
        await load()
    await settled()
    assert len(asyncio.all_tasks()) == 1
    assert lease.renewed == [2, 4]


@in_virtual_time
async def test_a_renewal_under_way_is_given_up_with_the_load() -> None:
    lease = Lease()
    started = asyncio.Event()

    async def slow() -> bool:
        started.set()
        await asyncio.sleep(1000)
        return await lease.renew()

    with Renewal(6, slow, lease.lost):
        await started.wait()
    await settled()
    assert len(asyncio.all_tasks()) == 1
    assert lease.renewed == []
