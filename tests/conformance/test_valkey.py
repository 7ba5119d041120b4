"""The contract, kept by Valkey."""

from __future__ import annotations

import pytest

from pika_redis.testing import EmbeddedServer

from .server_contract import ServerContract


class TestValkey(ServerContract):
    @pytest.fixture(autouse=True)
    def _on(self, valkey_server: EmbeddedServer, prefix: str) -> None:
        self.server, self.prefix = valkey_server, prefix
