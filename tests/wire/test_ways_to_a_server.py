from __future__ import annotations

import asyncio

import pytest

from pika_redis import AccessDeniedError, CommandRefusedError, RedisService
from pika_redis.testing import EmbeddedServer


async def test_over_a_unix_socket_with_password_and_db() -> None:
    with EmbeddedServer.start(unix=True, config={"requirepass": "sesame"}) as server:
        async with RedisService(f"{server.url}?db=3", lazy_connect=False) as service:
            await service.set("k", "v")
            assert await service.get("k") == "v"
            assert "db=3" in (await service.execute("CLIENT", "INFO")).decode()
        with pytest.raises(AccessDeniedError) as refused:
            await RedisService(server.url.replace("sesame", "wrong-one")).connect()
        assert "wrong-one" not in str(refused.value)
        with pytest.raises(AccessDeniedError, match="REDIS_PASSWORD"):
            await RedisService(server.url.replace(":sesame@", "")).connect()


async def test_a_user_of_its_own(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url) as admin:
        await admin.execute("ACL", "SETUSER", "app", "on", ">sesame", f"~{prefix}*", "+@all")
    url = f"redis://app:sesame@{server.host}:{server.port}"
    async with RedisService(url, key_prefix=prefix) as service:
        await service.set("k", [1])
        assert await service.get("k") == [1]
        assert await service.execute("ACL", "WHOAMI") == b"app"


async def test_after_its_connection_is_killed_a_read_is_repeated(server: EmbeddedServer, prefix: str) -> None:
    async with (
        RedisService(server.url, key_prefix=prefix, retry_delay=0.01) as service,
        RedisService(server.url) as other,
    ):
        await service.set("k", "v")
        for _ in range(5):
            await other.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert await asyncio.gather(*[service.get("k") for _ in range(10)]) == ["v"] * 10


@pytest.mark.parametrize("words", [("SELECT", 1), ("multi",), (b"SUBSCRIBE", "x"), ("CLIENT", "TRACKING", "ON")])
async def test_commands_that_change_a_shared_connection_are_refused(
    valkey_server: EmbeddedServer, words: tuple[str | bytes | int, ...]
) -> None:
    async with RedisService(valkey_server.url) as service:
        with pytest.raises(CommandRefusedError):
            await service.execute(*words)
