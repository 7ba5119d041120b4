"""Everything that is about many keys reaches every node."""

from __future__ import annotations

import asyncio

import pytest

from pika_redis import ArgumentError, CacheUnavailableError, HealthStatus, RedisService
from pika_redis.testing import EmbeddedCluster, EmbeddedServer

pytestmark = [pytest.mark.slow, pytest.mark.ci]
MANY = 3000


async def test_batches_over_all_slots(service: RedisService, cluster: EmbeddedCluster) -> None:
    items = {f"k{number}": number for number in range(MANY)}
    await service.set_many(items, tags=["all"])
    assert await service.get_many(list(items)) == list(items.values())
    held = [cluster.execute(node, "DBSIZE") for node in cluster.primaries]
    assert sum(held) >= MANY
    assert min(held) > MANY // 6
    assert await service.delete_many(list(items)[:1000]) == 1000
    assert await service.get_many(list(items)[:1000]) == [None] * 1000
    await service.invalidate_tags(["all"])
    assert await service.get_many(list(items)) == [None] * MANY


async def test_a_walk_over_the_keys_covers_every_primary(service: RedisService) -> None:
    await service.set_many({f"walk:{number}": "x" for number in range(300)})
    await service.set_many({f"stay:{number}": "x" for number in range(30)})
    stats = await service.get_stats(exact=True)
    assert stats.key_count == 330
    assert stats.memory_usage > 330
    assert await service.delete_pattern("walk:*") == 300
    assert (await service.get_stats(exact=True)).key_count == 30
    await service.clear()
    assert (await service.get_stats(exact=True)).key_count == 0


async def test_health_of_a_cluster_that_is_whole(service: RedisService) -> None:
    report = await service.health_check()
    assert report.status is HealthStatus.HEALTHY
    assert report.connected


async def test_commands_of_the_users_own_go_to_the_key(service: RedisService, prefix: str) -> None:
    for number in range(20):
        key = f"{prefix}own{number}"
        await service.execute("SET", key, number)
        assert await service.execute("GET", key) == str(number).encode()
        assert await service.execute("STRLEN", key, key=key) == len(str(number))


async def test_commands_about_no_key_are_refused_with_a_hint(service: RedisService) -> None:
    with pytest.raises(ArgumentError, match="key="):
        await service.execute("FLUSHALL")


async def test_a_cluster_url_on_one_server_says_what_to_write(valkey_server: EmbeddedServer, prefix: str) -> None:
    url = f"redis+cluster://{valkey_server.host}:{valkey_server.port}"
    async with RedisService(url, key_prefix=prefix) as service:
        with pytest.raises(CacheUnavailableError, match="redis://"):
            await service.connect()
        assert await service.get("x", "default") == "default"


async def test_a_plain_url_on_a_node_says_what_to_write(cluster: EmbeddedCluster, prefix: str) -> None:
    async with RedisService(cluster.nodes[0].url, key_prefix=prefix) as service:
        calls = [service.increment(f"n{number}") for number in range(20)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        assert refused
        assert all("redis+cluster://" in str(error) for error in refused)


async def test_one_seed_is_enough_and_a_dead_one_does_no_harm(cluster: EmbeddedCluster, prefix: str) -> None:
    url = f"redis+cluster://127.0.0.1:1,127.0.0.1:{cluster.nodes[-1].port}"
    async with RedisService(url, key_prefix=prefix, lazy_connect=False) as service:
        await service.set_many({f"k{number}": number for number in range(100)})
        assert await service.get_many([f"k{number}" for number in range(100)]) == list(range(100))
