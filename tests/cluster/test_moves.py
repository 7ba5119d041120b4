"""Slots that move and replicas that take over, under load: no call fails, nothing old is read."""

from __future__ import annotations

import asyncio
import random

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedCluster

from .load import under_load

pytestmark = [pytest.mark.slow, pytest.mark.ci]


async def test_slots_move_with_their_keys(cluster: EmbeddedCluster, service: RedisService, prefix: str) -> None:
    async with under_load(service) as load:
        await asyncio.sleep(0.3)
        for number in range(40):
            slot = cluster.slot_of(f"{prefix}k{number % 60}")
            source = cluster.primary_of(slot)
            target = random.choice([node for node in cluster.primaries if node is not source])
            await asyncio.to_thread(cluster.move_slot, slot, target)
    assert load.failures == []
    assert load.old == []
    assert load.calls > 50


async def test_nonces_move(cluster: EmbeddedCluster, service: RedisService, prefix: str) -> None:
    """The epoch and a tag change nodes; what was stored under them stays and is still ended by them."""
    await service.set("a", 1, tags=["t"])
    for key in (f"{prefix}#e", f"{prefix}#t:t"):
        slot = cluster.slot_of(key)
        target = next(node for node in cluster.primaries if node is not cluster.primary_of(slot))
        await asyncio.to_thread(cluster.move_slot, slot, target)
    assert await service.get("a") == 1
    await service.invalidate_tags(["t"])
    assert await service.get("a") is None


async def test_a_slot_that_is_on_its_way(cluster: EmbeddedCluster, service: RedisService, prefix: str) -> None:
    await service.set("{s}here", "here")
    await service.set("{s}there", "there")
    slot = cluster.slot_of(f"{prefix}{{s}}here")
    target = next(node for node in cluster.primaries if node is not cluster.primary_of(slot))
    move = cluster.moving(slot, target)
    move.set_importing()
    move.set_migrating()
    move.migrate_keys(f"{prefix}{{s}}there")
    async with RedisService(cluster.url, key_prefix=prefix) as other:
        for one in (service, other):
            assert await one.get_many(["{s}here", "{s}there"]) == ["here", "there"]
            assert await one.get("{s}there") == "there"
            await one.set("{s}there", "there")
        await other.set("{s}there", "newer")
        assert await service.get("{s}there") == "newer"  # no copy was made of what came by ASK
        assert await other.delete_many(["{s}here", "{s}there"]) == 2
    assert await service.get_many(["{s}here", "{s}there"]) == [None, None]
    assert await service.increment("{s}count") == 1
    assert await service.increment("{s}count") == 2
    move.migrate_keys()
    move.set_node()
    assert await service.increment("{s}count") == 3


async def test_the_other_process_hears_of_changes_after_a_move(
    cluster: EmbeddedCluster, service: RedisService, prefix: str
) -> None:
    """A server pushes nothing to who read a key that went away: copies must not outlive a move by long."""
    async with RedisService(cluster.url, key_prefix=prefix) as other:
        await service.set("x", 1)
        assert [await other.get("x") for _ in range(3)] == [1, 1, 1]
        slot = cluster.slot_of(f"{prefix}x")
        target = next(node for node in cluster.primaries if node is not cluster.primary_of(slot))
        await asyncio.to_thread(cluster.move_slot, slot, target)
        await service.set("x", 2)
        async with asyncio.timeout(4):
            while await other.get("x") != 2:  # noqa: ASYNC110 (another service hears of it when it does)
                await asyncio.sleep(0.02)


async def test_a_replica_takes_over_by_command(cluster: EmbeddedCluster, service: RedisService) -> None:
    async with under_load(service) as load:
        for primary in list(cluster.primaries):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(cluster.failover, primary)
    assert load.failures == []
    assert load.old == []
    assert load.calls > 50
