"""Four processes for the whole session, and others for a test that ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pika_redis.testing import EmbeddedServer

from ..storage.raw import Raw
from .members import Log, Member

_fleets: dict[str, list[Member]] = {}


@pytest.fixture(scope="session", autouse=True)
def _end_all() -> Iterator[None]:
    yield
    for members in _fleets.values():
        for member in members:
            member.kill()


@pytest.fixture
def fleet(server: EmbeddedServer, prefix: str) -> Iterator[list[Member]]:
    """Four processes that live on after the test."""
    if server.url not in _fleets:
        _fleets[server.url] = [Member(server) for _ in range(4)]
    members = _fleets[server.url]
    yield members
    for closing in [(member, member.send("close", prefix=prefix)) for member in members]:
        closing[0].result(closing[1])


@pytest.fixture
def spare(server: EmbeddedServer) -> Iterator[Callable[[], Member]]:
    """Makes processes that end with the test."""
    made: list[Member] = []

    def make() -> Member:
        made.append(Member(server))
        return made[-1]

    yield make
    for member in made:
        member.kill()


@pytest.fixture
def shell(server: EmbeddedServer) -> Iterator[Raw]:
    """A client that knows nothing of us."""
    with Raw(server) as raw:
        yield raw


@pytest.fixture
def log(server: EmbeddedServer, prefix: str) -> Log:
    return Log(server, prefix)
