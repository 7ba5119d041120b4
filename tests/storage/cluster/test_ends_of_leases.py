"""Leases and claims whose end a node did not hear of, or has forgotten, keep nobody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedCluster

from ..fleet import Source
from .conftest import soon
from .near import elsewhere, near_cluster

pytestmark = [pytest.mark.slow, pytest.mark.ci]
LONG = 600


def named(fits: Callable[[str], bool]) -> str:
    """A name that fits; of many lengths, since names of one length lie equally far from their claims."""
    return next(name for number in range(1000) if fits(name := "n" * (number % 13) + str(number)))


async def test_a_claim_whose_node_did_not_hear_of_the_store_is_given_back_later(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    node = cluster.primary_of(f"{prefix}#e")  # where the epoch lies
    other = elsewhere(cluster, node)
    key = named(lambda name: [*map(cluster.primary_of, (prefix + name, f"{prefix}#c:{name}"))] == [node, other])
    tag = named(lambda name: cluster.primary_of(f"{prefix}#t:{name}") is node)
    await service.set(key, "old", tags=[tag])
    await service.invalidate_tags([tag])
    source = Source("new", shut=True)
    load = asyncio.create_task(service.get_or_load(key, source, tags=[tag], lease=LONG))
    await source.reached.wait()
    claim = f"{prefix}#c:{key}"
    assert cluster.execute(other, "EXISTS", claim) == 1
    near = near_cluster(service)
    other.pause()
    try:
        source.gate.set()
        assert await load == "new"
        await soon(lambda: near.journal.owes)
    finally:
        other.resume()
    await soon(lambda: not near.is_cut and not near.journal.owes)
    assert cluster.execute(other, "EXISTS", claim) == 0


async def test_a_lease_that_a_successor_still_holds_is_given_back_again(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    node = elsewhere(cluster, cluster.primary_of(f"{prefix}#e"))
    key = named(lambda name: cluster.primary_of(prefix + name) is node)
    source = Source("new", shut=True)
    load = asyncio.create_task(service.get_or_load(key, source, lease=LONG))
    await source.reached.wait()
    lease = cluster.execute(node, "GET", prefix + key)
    source.gate.set()
    assert await load == "new"
    cluster.execute(node, "SET", prefix + key, lease, "EX", LONG)  # as if its end had not reached the replica
    assert cluster.execute(node, "WAIT", 1, 5000) == 1
    replica = await asyncio.to_thread(cluster.failover, node, "FORCE")
    assert await service.get(key) is None
    await soon(lambda: cluster.execute(replica, "EXISTS", prefix + key) == 0)
