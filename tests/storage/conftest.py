"""Two processes and a client of somebody else's, on one server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeAlias

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer, FakeClock

from .raw import Raw
from .tap import Tap

StartOwn: TypeAlias = Callable[[dict[str, str]], EmbeddedServer]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tap(monkeypatch: pytest.MonkeyPatch) -> Tap:
    return Tap(monkeypatch)


@pytest.fixture(
    params=[pytest.param("valkey", marks=pytest.mark.valkey), pytest.param("redis", marks=pytest.mark.redis)]
)
def start_own(request: pytest.FixtureRequest) -> Iterator[StartOwn]:
    """Starts a server of the test's own, with the configuration that it is given."""
    shared: EmbeddedServer = request.getfixturevalue(f"{request.param}_server")  # skips where there is none
    with contextlib.ExitStack() as running:

        def start(config: dict[str, str]) -> EmbeddedServer:
            own = running.enter_context(EmbeddedServer.start(request.param, config=config))
            assert own.port != shared.port
            return own

        yield start


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
