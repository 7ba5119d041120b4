"""So many callers at once that a server which is gone could be the smaller trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pika_redis import CacheUnavailableError, RedisService
from pika_redis.policy.room import MOST_FLIGHTS
from pika_redis.testing import EmbeddedServer, until_healthy

from ..wire.timing import turned
from .conftest import StartOwn
from .tap import near_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MANY = 12_000  # more than may be in flight
FAULTS = {
    "killed": (EmbeddedServer.kill, EmbeddedServer.restart),
    "stopped": (EmbeddedServer.pause, EmbeddedServer.resume),
}


@pytest.fixture
def clock() -> None:
    """Time runs."""


@pytest.fixture
def own(start_own: StartOwn) -> EmbeddedServer:
    return start_own({})


@pytest.fixture
async def service(own: EmbeddedServer) -> AsyncIterator[RedisService]:
    async with RedisService(own.url, lazy_connect=False) as service:
        yield service


async def call_all(service: RedisService, number: int) -> tuple[list[object], int]:
    """What everybody got, and the largest number of tasks beside the callers' own."""
    usual = len(asyncio.all_tasks())

    async def load() -> str:
        return "loaded"

    def one(at: int) -> asyncio.Task[object]:
        key = f"k{at}"
        calls = (service.get(key), service.get_or_load(key, load, hard_timeout=120), service.set(key, at))
        for unused in (*calls[: at % 3], *calls[at % 3 + 1 :]):
            unused.close()
        return asyncio.create_task(calls[at % 3])

    callers = [one(at) for at in range(number)]
    running = set(callers)
    for caller in callers:
        caller.add_done_callback(running.discard)
    everybody, beside = asyncio.gather(*callers, return_exceptions=True), 0
    while not everybody.done():
        beside = max(beside, len(asyncio.all_tasks()) - len(running) - usual)
        await asyncio.sleep(0.5)
    return await everybody, beside


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("raises", "number"), [(False, MANY), (True, MANY), (False, 100_000)])
async def test_all_have_an_answer_and_nothing_is_left(
    service: RedisService, own: EmbeddedServer, fault: str, raises: bool, number: int
) -> None:
    before = len(asyncio.all_tasks())
    FAULTS[fault][0](own)
    asked = service.with_options(on_unavailable="raise") if raises else service
    given, beside = await call_all(asked, number)
    assert beside <= MOST_FLIGHTS + 5  # a load has a task of its own; who connects, who listens
    failed = [one for one in given if isinstance(one, BaseException)]
    assert all(isinstance(one, CacheUnavailableError) for one in failed)
    assert raises or not failed
    node = near_of(service).single
    assert getattr(node.connection, "in_flight", 0) <= 10_000
    FAULTS[fault][1](own)
    await until_healthy(service)
    await turned(lambda: not near_of(service).standing.cut)
    await service.set("after", "all")
    assert await service.get("after") == "all"
    await turned(lambda: len(asyncio.all_tasks()) <= before)
