"""The contract, kept by servers that know no HELLO, as proxies do: RESP2, and nobody tells of changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pika_redis.testing import EmbeddedServer

from .server_contract import ServerContract

CONFIG = {"rename-command": 'HELLO ""'}


@pytest.fixture(scope="module")
def old_valkey(valkey_server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    with EmbeddedServer.start("valkey", config=CONFIG) as server:
        yield server


@pytest.fixture(scope="module")
def old_redis(redis_server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    with EmbeddedServer.start("redis", config=CONFIG) as server:
        yield server


@pytest.mark.slow
@pytest.mark.ci
class TestValkeyInResp2(ServerContract):
    @pytest.fixture(autouse=True)
    def _on(self, old_valkey: EmbeddedServer, prefix: str) -> None:
        self.server, self.prefix = old_valkey, prefix


@pytest.mark.slow
@pytest.mark.ci
class TestRedisInResp2(ServerContract):
    @pytest.fixture(autouse=True)
    def _on(self, old_redis: EmbeddedServer, prefix: str) -> None:
        self.server, self.prefix = old_redis, prefix
