"""What this process has ended is read by it no more, whatever the nodes that it lay on are doing."""

from __future__ import annotations

import asyncio

import pytest

from pika_redis import ArgumentError, RedisService
from pika_redis.storage.cluster.keyspace import ClusterKeyspace
from pika_redis.testing import EmbeddedCluster
from pika_redis.wire.members import Member

from .conftest import soon
from .near import elsewhere, key_on, near_cluster

pytestmark = [pytest.mark.slow, pytest.mark.ci]


async def test_a_batch_does_not_ask_a_node_that_refused_a_delete(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    node = elsewhere(cluster, cluster.primary_of(f"{prefix}#e"))
    key = key_on(cluster, prefix, node)
    await service.set(key, "old")
    cluster.execute(node, "CONFIG", "SET", "min-replicas-to-write", "5")
    try:
        assert await service.delete(key) is False
        assert await service.get(key) is None
        assert await service.get_many([key]) == [None]
        assert await service.get_or_load_many([key], lambda keys: dict.fromkeys(keys, "new")) == ["new"]
    finally:
        cluster.execute(node, "CONFIG", "SET", "min-replicas-to-write", "0")
    await soon(lambda: not near_cluster(service).is_cut)
    assert await service.get(key) is None


async def test_a_key_that_is_carried_over_during_a_walk_is_deleted(
    service: RedisService, cluster: EmbeddedCluster, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = cluster.primaries[0]
    target, key = elsewhere(cluster, source), key_on(cluster, prefix, source)
    await service.set(key, "old")
    move = cluster.moving(cluster.slot_of(prefix + key), target)
    move.set_importing()
    move.set_migrating()
    sweep, carried = ClusterKeyspace._sweep_one, asyncio.Event()

    async def one(space: ClusterKeyspace, member: Member, pattern: str, *, delete: bool) -> int:
        """The source is walked once the key is at the target, which was walked before."""
        if member.place[1] == source.port:
            await carried.wait()
        count = await sweep(space, member, pattern, delete=delete)
        if member.place[1] == target.port and not carried.is_set():
            await asyncio.to_thread(move.migrate_keys)
            carried.set()
        return count

    monkeypatch.setattr(ClusterKeyspace, "_sweep_one", one)
    try:
        assert await service.delete_pattern("*") == 1
        assert await service.get(key) is None
    finally:
        move.set_node()


async def test_a_tag_that_was_ended_on_a_living_node_ends_what_is_left_of_a_dead_one(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    dead = elsewhere(cluster, cluster.primary_of(f"{prefix}#e"))
    key = key_on(cluster, prefix, dead)
    tags = (f"t{number}" for number in range(100))
    tag = next(tag for tag in tags if cluster.primary_of(f"{prefix}#t:{tag}") is not dead)
    await service.set(key, "old", tags=[tag])
    near = near_cluster(service)
    assert [await service.get(key), await service.get(key)] == ["old", "old"]
    assert prefix + key in near.copies
    dead.kill()
    owner = near.cluster.owner(prefix + key)
    assert owner is not None
    await soon(lambda: not owner.node.connection.usable)
    await service.invalidate_tags([tag])

    async def broken() -> str:
        raise LookupError("the source is gone too")

    with pytest.raises(LookupError):
        await service.get_or_load(key, broken, tags=[tag], stale_if_error=60)


async def test_a_successor_that_refuses_to_be_told_is_not_read_from(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    dead = elsewhere(cluster, cluster.primary_of(f"{prefix}#e"))
    (replica,) = cluster.replicas_of(dead)
    key = key_on(cluster, prefix, dead)
    await service.set(key, "old")
    await asyncio.to_thread(cluster.settle)
    cluster.execute(replica, "CONFIG", "SET", "min-replicas-to-write", "1")
    near = near_cluster(service)
    dead.kill()
    assert await service.delete(key) is False
    await soon(lambda: (owner := near.cluster.owner(prefix + key)) is not None and owner.place[1] == replica.port)
    for _ in range(5):
        assert await service.get(key) is None
        await asyncio.sleep(0)
    assert near.standing_of(prefix + key).cut
    cluster.execute(replica, "CONFIG", "SET", "min-replicas-to-write", "0")
    await soon(lambda: not near.is_cut)
    assert await service.get(key) is None


async def test_a_service_that_starts_without_its_cluster_finds_it_though_it_only_reads(
    cluster: EmbeddedCluster, prefix: str
) -> None:
    for node in cluster.nodes:
        node.kill()
    async with RedisService(cluster.url, key_prefix=prefix) as late:
        assert await late.get("k") is None
        for node in cluster.nodes:
            node.restart()
        await soon(lambda: not near_cluster(late).is_cut)


async def test_commands_without_keys_are_refused_and_a_dead_node_is_not_asked_for_them(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    with pytest.raises(ArgumentError, match="key="):
        await service.execute("EVAL", "return 1", 0)
    await service.connect()
    first = near_cluster(service).cluster.members.primaries[0]
    dead = next(node for node in cluster.primaries if node.port == first.place[1])
    key = prefix + key_on(cluster, prefix, elsewhere(cluster, dead))
    dead.kill()
    assert await service.execute("SET", key, 1) == b"OK"
