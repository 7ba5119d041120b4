"""Verbs over many keys and over the whole, where each primary has a part of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pika_redis import ArgumentError, CacheServerError, HealthStatus, RedisService
from pika_redis.storage.cluster.keyspace import ClusterKeyspace
from pika_redis.testing import EmbeddedCluster
from pika_redis.wire.slot_map import slot_of

from .conftest import soon
from .near import elsewhere, near_cluster

KEYS = [f"key:{number}" for number in range(2000)]


@pytest.fixture
async def service(cluster: EmbeddedCluster, prefix: str) -> AsyncIterator[RedisService]:
    """None that gives its nodes up: here none of them fails, on a busy machine either."""
    async with RedisService(cluster.url, key_prefix=prefix, stall_timeout=30) as one:
        yield one


@pytest.fixture
async def other(cluster: EmbeddedCluster, prefix: str) -> AsyncIterator[RedisService]:
    """Another process."""
    async with RedisService(cluster.url, key_prefix=prefix, stall_timeout=30) as one:
        yield one


async def test_batches_over_all_slots(service: RedisService, other: RedisService) -> None:
    await service.set_many(dict(zip(KEYS, KEYS, strict=True)), tags=["tag"])
    assert await other.get_many(KEYS) == KEYS
    assert await other.delete_many(KEYS[:500]) == 500
    assert await service.get_many(KEYS) == [None] * 500 + KEYS[500:]
    await other.invalidate_tags(["tag"])
    assert await other.get_many(KEYS) == [None] * len(KEYS)
    asked: list[str] = []

    async def load(missing: list[str]) -> dict[str, str]:
        asked.extend(missing)
        return {key: key for key in missing}

    assert await service.get_or_load_many(KEYS, load, lease=60) == KEYS  # a busy machine outlasts five seconds
    assert asked == KEYS
    assert await other.get_many(KEYS) == KEYS


async def test_without_copies_the_same(cluster: EmbeddedCluster, prefix: str) -> None:
    async with RedisService(cluster.url, key_prefix=prefix, l1=False) as service:
        await service.set_many(dict(zip(KEYS, KEYS, strict=True)), tags=["tag"])
        assert await service.get_many(KEYS) == KEYS
        assert await service.get(KEYS[0]) == KEYS[0]
        assert await service.get_or_load(KEYS[0], lambda: "loaded", tags=["tag"]) == KEYS[0]
        await service.invalidate_tags(["tag"])
        assert await service.get_many(KEYS[:9]) == [None] * 9
        assert await service.get_or_load(KEYS[0], lambda: "loaded", tags=["tag"]) == "loaded"
        assert await service.get(KEYS[0]) == "loaded"


async def test_the_whole_is_that_of_every_primary(service: RedisService, cluster: EmbeddedCluster) -> None:
    await service.set_many(dict(zip(KEYS, KEYS, strict=True)))
    stats = await service.get_stats(exact=True)
    assert stats.key_count == len(KEYS)
    assert stats.memory_usage > 50 * len(KEYS)
    stats = await service.get_stats()
    assert stats.key_count == sum(cluster.execute(node, "DBSIZE") for node in cluster.primaries) > len(KEYS)
    assert await service.delete_pattern("key:1*") == 1111
    assert (await service.get_stats(exact=True)).key_count == len(KEYS) - 1111
    await service.clear()
    assert (await service.get_stats(exact=True)).key_count == 0


async def test_keys_that_move_during_a_walk_are_deleted_too(
    service: RedisService, cluster: EmbeddedCluster, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.set_many({f"{{{prefix}}}:{number}": number / 2 for number in range(300)})
    await service.set_many(dict(zip(KEYS, KEYS, strict=True)))
    slot = slot_of(f"{{{prefix}}}")
    source = cluster.primary_of(slot)
    target = elsewhere(cluster, source)
    usual = ClusterKeyspace._sweep_one

    async def target_first(self: ClusterKeyspace, member: object, pattern: str, *, delete: bool) -> int:
        """The target is walked, then the slot moves, then the source is walked."""
        if member.place[1] == source.port and cluster.primary_of(slot) is source:  # type: ignore[attr-defined]
            await walked.wait()
            await asyncio.to_thread(cluster.move_slot, slot, target)
        count = await usual(self, member, pattern, delete=delete)  # type: ignore[arg-type]
        if member.place[1] == target.port:  # type: ignore[attr-defined]
            walked.set()
        return count

    walked = asyncio.Event()
    monkeypatch.setattr(ClusterKeyspace, "_sweep_one", target_first)
    assert await service.delete_pattern("*") == 2300
    assert (await service.get_stats(exact=True)).key_count == 0


async def test_health_names_the_nodes_that_are_down(service: RedisService, cluster: EmbeddedCluster) -> None:
    await service.set_many(dict(zip(KEYS, KEYS, strict=True)))
    report = await service.health_check()
    assert (report.status, report.connected, report.role, report.detail) == (HealthStatus.HEALTHY, True, "master", "ok")
    dead = cluster.primaries[0]
    near_cluster(service).cluster.members.atlas.abandon()  # or it might find the successor meanwhile
    dead.kill()
    report = await service.health_check()
    assert report.status is HealthStatus.DEGRADED
    assert report.connected
    assert f"1 of 3 primaries do not answer: 127.0.0.1:{dead.port}" in report.detail


async def test_health_names_a_node_that_refuses_the_login(cluster: EmbeddedCluster, prefix: str) -> None:
    refusing = cluster.primaries[0]
    for node in cluster.primaries:
        cluster.execute(node, "ACL", "SETUSER", "app", "on", ">sesame", "~*", "&*", "+@all")
    try:
        url = cluster.url.replace("://", "://app:sesame@")
        async with RedisService(url, key_prefix=prefix, lazy_connect=False) as service:
            assert (await service.health_check()).status is HealthStatus.HEALTHY
            cluster.execute(refusing, "ACL", "DELUSER", "app")
            async with asyncio.timeout(20):
                while "WRONGPASS" not in (report := await service.health_check()).detail:
                    assert report.status is HealthStatus.DEGRADED
                    await asyncio.sleep(0.01)
            assert report.status is HealthStatus.DEGRADED
            assert str(refusing.port) in report.detail
            assert "sesame" not in report.detail
    finally:
        for node in cluster.primaries:
            cluster.execute(node, "ACL", "DELUSER", "app")


async def test_commands_go_to_the_node_of_their_keys(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    for number in range(20):
        key = f"{prefix}n{number}"
        assert await service.execute("SET", key, number) == b"OK"
        assert cluster.execute(cluster.primary_of(key), "GET", key) == str(number).encode()
    commands = [("GET", f"{prefix}n{number}") for number in range(20)]
    assert await service.execute_many(commands) == [str(number).encode() for number in range(20)]
    assert await service.execute("EVAL", "return redis.call('GET', KEYS[1])", 1, f"{prefix}n3") == b"3"
    assert await service.execute("BLPOP", f"{prefix}list", 0.01) is None
    for node in cluster.primaries:
        port = (await service.execute("CONFIG", "GET", "port", key=_any_key_of(cluster, node.port)))[b"port"]
        assert int(port) == node.port


def _any_key_of(cluster: EmbeddedCluster, port: int) -> str:
    return next(key for number in range(1000) if cluster.primary_of(key := f"any{number}").port == port)


async def test_a_command_that_could_go_to_several_nodes_is_refused(service: RedisService) -> None:
    for command in (("INFO",), ("SCAN", 0), ("CONFIG", "GET", "port"), ("NOSUCHCOMMAND", "x")):
        with pytest.raises(ArgumentError, match="key="):
            await service.execute(*command)
    with pytest.raises(ArgumentError, match="different slots"):
        await service.execute("DEL", "a", "b", "c")
    assert await service.execute("DEL", "{x}a", "{x}b") == 0
    with pytest.raises(CacheServerError, match="unknown command"):
        await service.execute("NOSUCHCOMMAND", "x", key="x")


async def test_a_command_follows_a_slot_that_moved(
    service: RedisService, cluster: EmbeddedCluster, prefix: str
) -> None:
    key = f"{prefix}moves"
    await service.execute("SET", key, "value")
    source = cluster.primary_of(key)
    move = cluster.moving(slot_of(key), elsewhere(cluster, source))
    move.set_importing()
    move.set_migrating()
    move.migrate_keys()
    assert await service.execute("GET", key) == b"value"
    move.set_node()
    assert await service.execute("GET", key) == b"value"


async def test_durable_deletes_count_the_replicas(service: RedisService) -> None:
    await service.set_many(dict(zip(KEYS, KEYS, strict=True)))
    assert await service.delete(KEYS[0], durable=1) >= 1
    assert await service.get(KEYS[0]) is None


async def test_one_load_for_many_processes(service: RedisService, cluster: EmbeddedCluster, prefix: str) -> None:
    loads = 0

    async def load() -> str:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.02)
        return "loaded"

    services = [RedisService(cluster.url, key_prefix=prefix) for _ in range(4)]
    try:
        for tags in ([], ["tag"]):  # a key that holds nothing, and one that holds a dead entry
            loads = 0
            calls = [one.get_or_load("k", load, tags=["tag"]) for one in services for _ in range(50)]
            assert set(await asyncio.gather(*calls)) == {"loaded"}
            assert loads == 1, tags
            await service.invalidate_tags(["tag"])
            await soon(lambda: all(not near_cluster(one).nonces.at(f"{prefix}#t:tag").now for one in services))
    finally:
        for one in services:
            await one.aclose()


async def test_nothing_is_left_of_a_closed_service(cluster: EmbeddedCluster, prefix: str) -> None:
    before = asyncio.all_tasks()
    async with RedisService(cluster.url, key_prefix=prefix) as service:
        await service.set_many(dict(zip(KEYS, KEYS, strict=True)))
    assert asyncio.all_tasks() == before
