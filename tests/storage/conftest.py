"""Two processes and a client of somebody else's, on one server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer, FakeClock

from .raw import Raw
from .tap import Tap


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tap(monkeypatch: pytest.MonkeyPatch) -> Tap:
    return Tap(monkeypatch)


@pytest.fixture
async def near(server: EmbeddedServer, prefix: str, clock: FakeClock | None) -> AsyncIterator[RedisService]:
    """The process that is looked at. Its time stands still."""
    async with RedisService(server.url, key_prefix=prefix, clock=clock) as service:
        yield service


@pytest.fixture
async def far(server: EmbeddedServer, prefix: str) -> AsyncIterator[RedisService]:
    """Another process, as far as the first can tell."""
    async with RedisService(server.url, key_prefix=prefix) as service:
        yield service


@pytest.fixture
def shell(server: EmbeddedServer) -> Iterator[Raw]:
    """A client that knows nothing of us."""
    with Raw(server) as connection:
        yield connection
