"""A real server for tests: `EmbeddedServer`, and what fixtures around it need.

One server a session and one key prefix a test is fast and keeps tests apart::

    @pytest.fixture(scope="session")
    def cache_server():
        with EmbeddedServer.start() as server:
            yield server

    @pytest.fixture
    async def cache_service(cache_server):
        async with RedisService(cache_server.url, key_prefix=unique_prefix()) as service:
            yield service
"""

from __future__ import annotations

import uuid

from ..wire.embedded import EmbeddedServer, ServerKind, find_server, free_port

__all__ = ["EmbeddedServer", "ServerKind", "find_server", "free_port", "unique_prefix"]


def unique_prefix() -> str:
    """A `key_prefix` that no other test uses, on this machine or another."""
    return f"test:{uuid.uuid4().hex[:12]}:"
