"""Two services on one server, which stand for two processes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer


@pytest.fixture
async def near(server: EmbeddedServer, prefix: str) -> AsyncIterator[RedisService]:
    async with RedisService(server.url, key_prefix=prefix) as service:
        yield service


@pytest.fixture
async def far(server: EmbeddedServer, prefix: str) -> AsyncIterator[RedisService]:
    """Another process, as far as the first can tell."""
    async with RedisService(server.url, key_prefix=prefix) as service:
        yield service
