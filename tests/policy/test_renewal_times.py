"""Keeping a lease alive: in time, until it is lost, and not at all for short loads."""

from __future__ import annotations

import asyncio
import dataclasses
from functools import partial

import pytest

from pika_redis import CacheUnavailableError
from pika_redis.model.entry import Terms
from pika_redis.policy.renewal import Renewal

from ..wire.timing import VirtualLoop, in_virtual_time, settled
from .doors import Doors
from .stage import KEY, Stage


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


# -- given back, or overslept ----------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_lease_that_is_given_back_is_released_at_once_and_renewed_no_more() -> None:
    lease = Lease()
    released: list[float] = []

    async def release() -> None:
        released.append(asyncio.get_running_loop().time() - lease.began)

    with Renewal(6, lease.renew, lease.lost) as renewal:
        await asyncio.sleep(3)
        renewal.give_back(release)
        renewal.give_back(release)
        await asyncio.sleep(100)
    assert (released, lease.renewed, lease.losses) == ([3], [2], 0)
    assert not renewal.overslept


@in_virtual_time
async def test_what_was_lost_or_is_over_is_not_given_back() -> None:
    lease = Lease(False)

    async def release() -> None:
        raise AssertionError

    with Renewal(6, lease.renew, lease.lost) as lost:
        await asyncio.sleep(3)
        lost.give_back(release)
    with Renewal(6, lease.renew, lease.lost) as over:
        pass
    over.give_back(release)
    await settled()
    assert lease.losses == 1


@pytest.mark.parametrize(("blocked", "overslept"), [(5.9, False), (6.1, True)])
@pytest.mark.parametrize("renewals", [0, 1, 5])
@in_virtual_time
async def test_a_lease_that_was_not_renewed_in_time_is_overslept(
    blocked: float, overslept: bool, renewals: int
) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    lease = Lease()
    with Renewal(6, lease.renew, lease.lost) as renewal:
        await asyncio.sleep(2 * renewals)
        await settled()
        loop.now += blocked
    assert renewal.overslept is overslept
    with Renewal(6, lease.renew, lease.lost) as renewal:
        loop.now += blocked
        await asyncio.sleep(1)  # it is renewed as soon as the loop runs again
        await settled()
    assert renewal.overslept is overslept


@in_virtual_time
async def test_while_the_server_can_not_be_reached_a_lease_is_overslept() -> None:
    lease = Lease(*[CacheUnavailableError("gone")] * 3)
    with Renewal(6, lease.renew, lease.lost) as renewal:
        await asyncio.sleep(7)
    assert renewal.overslept


@in_virtual_time
async def test_an_overslept_lease_doubles_the_next_one_of_its_key() -> None:
    stage = Stage()
    doors = Doors(stage.store.inner)
    stage.store.inner = doors
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    leases: list[float] = []

    async def begin(key: str, found: object, terms: Terms) -> object:
        leases.append(terms.lease)
        hold = await doors.inner.begin(key, found, terms)
        return dataclasses.replace(hold, renewable=True)

    async def load(seconds: float) -> str:
        loop.now += seconds  # the loop stands still
        return "value"

    async def renew(*_: object) -> bool:
        return True

    doors.answers.update(begin=begin, renew=renew)
    for seconds in (6, 11, 21, 41, 61, 59, 4):
        await stage.get(partial(load, seconds), lease=5.0)
        await stage.changes.delete([KEY])
    await stage.get(partial(load, 1), key="t:other", lease=5.0)
    assert leases == [5, 10, 20, 40, 60, 60, 5, 5]
