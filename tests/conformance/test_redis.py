"""The contract, kept by Redis."""

from __future__ import annotations

import pytest

from pika_redis.testing import EmbeddedServer

from .server_contract import ServerContract


class TestRedis(ServerContract):
    @pytest.fixture(autouse=True)
    def _on(self, redis_server: EmbeddedServer, prefix: str) -> None:
        self.server, self.prefix = redis_server, prefix
