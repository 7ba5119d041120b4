"""A host's name is looked up at every connect: what it means may have changed since."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer, until_healthy

NAME = "cache.test"


class Directory:
    """What one name means, and how often somebody asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, server: EmbeddedServer) -> None:
        self.server = server
        self.asked = 0
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        if host != NAME:
            return self._real(host, *args, **kwargs)
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.server.port))]


async def test_a_name_that_means_another_server_by_now_leads_there_at_the_next_connect(
    server: EmbeddedServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedServer.start() as doomed:
        directory = Directory(monkeypatch, doomed)
        await follow(directory, server, prefix)


async def follow(directory: Directory, server: EmbeddedServer, prefix: str) -> None:
    """The server dies, and its name is given to another one."""
    doomed = directory.server
    async with RedisService(f"redis://{NAME}:6379", key_prefix=prefix) as service:
        await service.set("k", "there")
        before = directory.asked
        directory.server = server
        doomed.kill()
        await service.get("k")
        await until_healthy(service)
        assert directory.asked > before
        assert await service.get("k") is None
        await service.set("k", "here")
    async with RedisService(server.url, key_prefix=prefix) as other:
        assert await other.get("k") == "here"


async def test_a_name_that_means_nothing_is_said_by_its_name(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with RedisService(f"redis://:secret@{NAME}:6379", key_prefix=prefix) as service:
        assert await service.get("k") is None
        detail = (await service.health_check()).detail
        assert NAME in detail
        assert "secret" not in detail
