"""Clusters of these tests alone: slots move there, nodes stop and die. Each test finds them whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedCluster, FakeClock
from pika_redis.testing.chaos.stage import revive
from pika_redis.testing.server import ServerKind

KINDS = [
    pytest.param("valkey", marks=pytest.mark.valkey),
    pytest.param("redis", marks=[pytest.mark.redis, pytest.mark.slow]),
]


@pytest.fixture(scope="package", params=KINDS)
def lasting(request: pytest.FixtureRequest) -> Iterator[EmbeddedCluster]:
    """Without full coverage, so that a dead node takes no other slots along."""
    kind: ServerKind = request.param
    request.getfixturevalue(f"{kind}_server")  # skips where there is none
    with EmbeddedCluster.start(kind, full_coverage=False) as running:
        yield running


@pytest.fixture
def cluster(lasting: EmbeddedCluster) -> Iterator[EmbeddedCluster]:
    yield lasting
    revive(lasting.nodes)
    lasting.settle()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def service(cluster: EmbeddedCluster, prefix: str, clock: FakeClock) -> AsyncIterator[RedisService]:
    async with RedisService(cluster.url, key_prefix=prefix, clock=clock) as one:
        yield one


@pytest.fixture
async def other(cluster: EmbeddedCluster, prefix: str) -> AsyncIterator[RedisService]:
    """Another process."""
    async with RedisService(cluster.url, key_prefix=prefix) as one:
        yield one


async def soon(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Look again until it is so; what other processes bring about takes its time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for is outside of this process)
            await asyncio.sleep(0.01)
