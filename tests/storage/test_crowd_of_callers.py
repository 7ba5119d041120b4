"""So many callers at once that a server which is gone could be the smaller trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pika_redis import CacheUnavailableError, RedisService
from pika_redis.testing import EmbeddedServer, until_healthy

from ..wire.timing import turned
from .conftest import StartOwn
from .tap import near_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CALLERS = 12_000  # more than may be in flight
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


async def call_all(service: RedisService) -> tuple[list[object], int]:
    """What everybody got, and the largest number of tasks beside the callers' own."""
    usual = len(asyncio.all_tasks())

    async def load() -> str:
        return "loaded"

    def one(number: int) -> asyncio.Task[object]:
        key = f"k{number}"
        calls = (service.get(key), service.get_or_load(key, load), service.set(key, number))
        for unused in (*calls[: number % 3], *calls[number % 3 + 1 :]):
            unused.close()
        return asyncio.create_task(calls[number % 3])

    callers = [one(number) for number in range(CALLERS)]
    beside = 0
    while any(not caller.done() for caller in callers):
        running = sum(not caller.done() for caller in callers)
        beside = max(beside, len(asyncio.all_tasks()) - running - usual)
        await asyncio.wait(callers, timeout=0.2)
    return list(await asyncio.gather(*callers, return_exceptions=True)), beside


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("raises", [False, True])
async def test_all_have_an_answer_and_nothing_is_left(
    service: RedisService, own: EmbeddedServer, fault: str, raises: bool
) -> None:
    before = len(asyncio.all_tasks())
    FAULTS[fault][0](own)
    asked = service.with_options(on_unavailable="raise") if raises else service
    given, beside = await call_all(asked)
    assert beside <= CALLERS // 3 + 5  # a load has a task of its own, which outlives callers; who connects, who listens
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
