"""Leases are renewed while the loader runs, and a lost one means that nothing is stored."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from pika_redis import CacheClosedError, CacheUnavailableError
from pika_redis.policy.renewal import Renewal

from .doors import Doors
from .stage import KEY, Source, Stage, becomes, settle

SHORT = 0.003


class Lease:
    """Answers in turn when it is renewed; the last answer holds on. Tells when it was asked so often."""

    def __init__(self, *answers: bool | Exception, enough: int = 1) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.lost = 0
        self.enough = enough
        self.done = asyncio.Event()

    async def renew(self) -> bool:
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if self.asked >= self.enough:
            self.done.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def lose(self) -> None:
        self.lost += 1

    def kept(self, seconds: float = SHORT) -> Renewal:
        return Renewal(seconds, self.renew, self.lose)


async def test_a_lease_is_renewed_again_and_again() -> None:
    lease = Lease(True, enough=3)
    with lease.kept():
        await lease.done.wait()
    assert lease.lost == 0


async def test_a_lost_lease_is_told_once_and_not_renewed_any_more() -> None:
    lease = Lease(True, False, enough=2)
    renewal = lease.kept()
    with renewal:
        await lease.done.wait()
        assert renewal._task is not None
        await renewal._task
    assert (lease.asked, lease.lost) == (2, 1)


@pytest.mark.parametrize("error", [CacheUnavailableError("gone"), CacheClosedError("closed")])
async def test_a_server_that_does_not_answer_is_asked_again(error: Exception) -> None:
    lease = Lease(error, error, True, enough=4)
    with lease.kept():
        await lease.done.wait()
    assert lease.lost == 0


async def test_a_load_that_is_over_before_the_first_renewal_makes_no_task() -> None:
    lease = Lease(True)
    renewal = lease.kept(1000.0)
    with renewal:
        await settle()
    assert renewal._timer is not None
    assert renewal._timer.cancelled()
    assert (renewal._task, lease.asked) == (None, 0)


async def test_the_first_renewal_comes_after_a_third_of_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    timers: list[float] = []

    def call_later(delay: float, *what: Any, **how: Any) -> asyncio.TimerHandle:
        timers.append(delay)
        return call(delay, *what, **how)

    call = loop.call_later
    monkeypatch.setattr(loop, "call_later", call_later)
    with Lease(True).kept(6.0):
        pass
    assert timers == [2.0]


async def test_at_the_end_of_the_load_nothing_goes_on(stage: Stage) -> None:
    asked = asyncio.Event()

    async def hang() -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    renewal = Renewal(SHORT, hang, lambda: None)
    with renewal:
        await asked.wait()
    assert renewal._task is not None
    await asyncio.wait({renewal._task})
    assert renewal._task.cancelled()


def leased(stage: Stage, *answers: bool) -> Doors:
    """A store whose leases have to be renewed, as those of a server."""
    doors = Doors(stage.store.inner)
    lease = Lease(*answers)

    async def begin(*args: Any) -> object:
        hold = await doors.inner.begin(*args)
        return hold and dataclasses.replace(hold, renewable=True)

    async def renew(*_: object) -> bool:
        return await lease.renew()

    doors.answers.update(begin=begin, renew=renew)
    stage.store.inner = doors
    return doors


async def test_a_load_whose_lease_is_lost_is_let_go_of(stage: Stage) -> None:
    leased(stage, True, False)
    source = Source("late", shut=True)
    leader = asyncio.create_task(stage.get(source, lease=SHORT))
    await source.entered.wait()
    flights = stage.reads.flights.get()
    flight = flights.get(KEY)
    assert flight is not None
    await becomes(lambda: flights.get(KEY) is None)
    assert flight.detached
    assert await stage.get(Source("current")) == "current"
    source.gate.set()
    assert await leader == "late"
    assert stage.held() == "current"


async def test_a_load_that_waits_for_a_place_keeps_its_lease(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    room = stage.reads.flights.get().room
    monkeypatch.setattr(room, "free", 0)
    doors = leased(stage, True)
    renewed = asyncio.Event()

    async def renew(*_: object) -> bool:
        renewed.set()
        return True

    doors.answers["renew"] = renew
    source = Source()
    leader = asyncio.create_task(stage.get(source, lease=SHORT))
    await renewed.wait()
    assert source.calls == 0
    room.leave()
    assert await leader == "value"
