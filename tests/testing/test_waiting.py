"""Waiting with a bound: it ends when the condition holds, and says what did not happen when it doesn't."""

from __future__ import annotations

import pytest

from pika_redis import CacheUnavailableError, MemoryCacheService, RedisService
from pika_redis.testing import EmbeddedServer, FaultyWire, until_healthy
from pika_redis.testing.waiting import wait_until


def test_a_server_that_does_not_answer_counts_as_not_yet() -> None:
    asked: list[int] = []

    def condition() -> bool:
        asked.append(1)
        if len(asked) == 1:
            raise CacheUnavailableError("not yet")
        return len(asked) == 3

    wait_until(condition, "it", 30)
    assert len(asked) == 3


def test_what_did_not_happen_is_said() -> None:
    with pytest.raises(CacheUnavailableError, match=r"the failover did not happen within 0\.01 s"):
        wait_until(lambda: False, "the failover", 0.01)


async def test_a_healthy_service_is_not_waited_for() -> None:
    async with MemoryCacheService() as service:
        await until_healthy(service, within=0)


async def test_a_service_without_its_server_is_not_healthy_until_it_is_back(
    valkey_server: EmbeddedServer, prefix: str
) -> None:
    async with FaultyWire(valkey_server.url) as wire, RedisService(wire.url, key_prefix=prefix) as service:
        wire.refuse()
        wire.cut()
        await service.get("a")
        with pytest.raises(CacheUnavailableError, match=r"degraded after 0\.01 s: "):
            await until_healthy(service, within=0.01)
        wire.heal()
        await until_healthy(service)
        await service.set("a", 1)
        assert await service.get("a") == 1
