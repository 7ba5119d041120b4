"""Servers and prefixes for every room. A test that takes a server fixture is marked with the server's name."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from pika_redis.testing.cluster import EmbeddedCluster
from pika_redis.testing.server import EmbeddedServer, find_server, unique_prefix

# No assertion on the wall clock: an example may take its time. All else stays as hypothesis has it, here and in CI.
settings.register_profile("no-deadline", settings(), deadline=None)
settings.load_profile("no-deadline")

REQUIRE_REDIS = "PIKA_REDIS_REQUIRE_REDIS"  # .ci/run sets it where it could install redis-server
_MARKS = {
    "valkey_server": "valkey",
    "redis_server": "redis",
    "valkey_cluster": "valkey",
    "redis_cluster": "redis",
}


def pytest_configure() -> None:
    """A run in the background ignores interrupts, and so would the programs that tests start in order to interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in _MARKS:
                item.add_marker(_MARKS[fixture])


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer.start("valkey") as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedServer]:
    if find_server("redis") is None and not os.environ.get(REQUIRE_REDIS):
        pytest.skip("no redis-server on PATH; the same test runs on Valkey")
    with EmbeddedServer.start("redis") as server:
        yield server


@pytest.fixture(scope="session")
def valkey_cluster() -> Iterator[EmbeddedCluster]:
    """Three primaries and three replicas; shared by the session, so leave them running and where they are."""
    with EmbeddedCluster.start("valkey") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_cluster(redis_server: EmbeddedServer) -> Iterator[EmbeddedCluster]:
    """The same of Redis; skipped where there is none."""
    with EmbeddedCluster.start("redis") as cluster:
        yield cluster


@pytest.fixture(
    params=[
        pytest.param("valkey_server", id="valkey", marks=pytest.mark.valkey),
        pytest.param("redis_server", id="redis", marks=pytest.mark.redis),
    ]
)
def server(request: pytest.FixtureRequest) -> EmbeddedServer:
    """A running server, once Valkey and once Redis; shared by the session, so use `prefix` and don't stop it."""
    running: EmbeddedServer = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def prefix() -> str:
    """A key prefix of this test alone."""
    return unique_prefix()
