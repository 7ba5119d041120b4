"""A primary that dies or stops: no call fails, the others go on, and writes are back in time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from pika_redis import CacheUnavailableError, HealthStatus, RedisService
from pika_redis.testing import EmbeddedCluster, EmbeddedServer
from pika_redis.testing.chaos.stage import revive

from .conftest import NODE_TIMEOUT, started
from .load import under_load

pytestmark = [pytest.mark.slow, pytest.mark.ci]
BOUND = 3 * NODE_TIMEOUT + 1
FAULTS = {"killed": EmbeddedServer.kill, "stopped": EmbeddedServer.pause}


@pytest.fixture(scope="module")
def covering() -> Iterator[EmbeddedCluster]:
    with started("valkey", full_coverage=True) as running:
        yield running


def keys_by_node(cluster: EmbeddedCluster, prefix: str) -> dict[EmbeddedServer, list[str]]:
    found: dict[EmbeddedServer, list[str]] = {node: [] for node in cluster.primaries}
    for number in range(60):
        key = f"c{number}"
        found[cluster.primary_of(f"{prefix}{key}")].append(key)
    return found


async def served_by_server(service: RedisService, key: str) -> bool:
    """Whether a counter can be counted, which memory never does."""
    try:
        await service.increment(key)
    except CacheUnavailableError:
        return False
    return True


@dataclass
class Counted:
    """What somebody saw who counts all the time."""

    served: int = 0
    refused: int = 0
    longest: float = 0.0
    """Seconds from one that was served to the next."""


@contextlib.asynccontextmanager
async def counting(service: RedisService, key: str) -> AsyncIterator[Counted]:
    """Counts all the time within the block, and waits for nothing else."""
    seen = Counted()

    async def count() -> None:
        last = time.monotonic()
        while True:
            if await served_by_server(service, key):
                now = time.monotonic()
                seen.served += 1
                seen.longest, last = max(seen.longest, now - last), now
            else:
                seen.refused += 1
            await asyncio.sleep(0.02)

    task = asyncio.create_task(count())
    try:
        yield seen
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("whose", ["of the epoch", "another"])
async def test_a_primary_is_lost(
    cluster: EmbeddedCluster,
    service: RedisService,
    prefix: str,
    fault: str,
    whose: str,
) -> None:
    epoch_at = cluster.primary_of(f"{prefix}#e")
    victim = epoch_at if whose == "of the epoch" else next(one for one in cluster.primaries if one is not epoch_at)
    counters = keys_by_node(cluster, prefix)
    for keys in counters.values():
        for key in keys:
            await service.increment(key)
    values = {f"{key}:v": key for node, keys in counters.items() if node is not victim for key in keys}
    values = {key: one for key, one in values.items() if cluster.primary_of(f"{prefix}{key}") is not victim}
    await service.set_many(values)
    elsewhere = next(keys[0] for node, keys in counters.items() if node is not victim)
    lost = counters[victim][0]
    strangers = 0
    async with RedisService(cluster.url, key_prefix=prefix, l1=False) as bare, under_load(service) as load:
        assert await bare.get_many(list(values)) == list(values.values())
        FAULTS[fault](victim)
        fell = time.monotonic()
        async with counting(service, elsewhere) as others:
            while not await served_by_server(service, lost):
                assert time.monotonic() - fell < BOUND, "writes are not back"
                strangers += (await bare.get_many(list(values))).count(None)
                await asyncio.sleep(0.02)
    assert load.failures == []
    assert load.old == []
    assert others.served > 20
    assert others.refused == 0, "the other nodes are asked all the time"
    assert others.longest < 1.5
    assert strangers == 0, "reads of other slots come from the server"
    assert load.slowest < 2.5


async def test_health_names_the_node_that_is_down(cluster: EmbeddedCluster, service: RedisService) -> None:
    await service.set_many({f"k{number}": number for number in range(50)})
    victim = cluster.primaries[0]
    victim.kill()
    for number in range(50):
        await service.get(f"absent{number}")
    report = await service.health_check()
    assert report.status is HealthStatus.DEGRADED
    assert str(victim.port) in report.detail


async def test_with_full_coverage_calls_degrade(covering: EmbeddedCluster, prefix: str) -> None:
    async with RedisService(covering.url, key_prefix=prefix, lazy_connect=False) as service:
        try:
            async with under_load(service) as load:
                await asyncio.sleep(0.3)
                victim = covering.primaries[0]
                victim.kill()
                fell = time.monotonic()
                await asyncio.sleep(0.5)
                while not all([await served_by_server(service, f"n{number}") for number in range(30)]):
                    assert time.monotonic() - fell < BOUND, "writes are not back"
                    await asyncio.sleep(0.05)
            assert load.failures == []
            assert load.old == []
        finally:
            revive(covering.nodes)
            covering.settle()


async def test_an_invalidation_during_the_outage_is_made_up_for(
    cluster: EmbeddedCluster, service: RedisService, prefix: str
) -> None:
    keys = [f"k{number}" for number in range(60)]
    await service.set_many(dict.fromkeys(keys, "old"), tags=["t"])
    victim = cluster.primary_of(f"{prefix}#t:t")
    mine = [key for key in keys if cluster.primary_of(f"{prefix}{key}") is victim]
    victim.kill()
    await service.delete_many(mine)
    await service.invalidate_tags(["t"])
    async with asyncio.timeout(BOUND):
        while not await served_by_server(service, f"n{mine[0]}"):
            assert await service.get_many(keys) == [None] * len(keys)
            await asyncio.sleep(0.05)
    async with RedisService(cluster.url, key_prefix=prefix, l1=False) as other:
        async with asyncio.timeout(5):
            while await other.get_many(keys) != [None] * len(keys):  # noqa: ASYNC110 (the journal is replayed when it is)
                await asyncio.sleep(0.05)
