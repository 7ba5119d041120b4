"""Real clusters, three primaries and three replicas, shared by the tests of this room, and whole again after each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedCluster, find_server
from pika_redis.testing.chaos.stage import revive
from pika_redis.testing.server import ServerKind

NODE_TIMEOUT = 2.0
KINDS = [pytest.param("valkey", marks=pytest.mark.valkey), pytest.param("redis", marks=pytest.mark.redis)]


def started(kind: ServerKind, *, full_coverage: bool) -> EmbeddedCluster:
    if find_server(kind) is None:
        pytest.skip(f"no {kind}-server")
    return EmbeddedCluster.start(kind, node_timeout_ms=round(NODE_TIMEOUT * 1000), full_coverage=full_coverage)


@pytest.fixture(scope="session", params=KINDS)
def shared(request: pytest.FixtureRequest) -> Iterator[EmbeddedCluster]:
    with started(request.param, full_coverage=False) as running:
        yield running


@pytest.fixture
def cluster(shared: EmbeddedCluster) -> Iterator[EmbeddedCluster]:
    """A cluster without full coverage, that a test may break."""
    yield shared
    revive(shared.nodes)
    shared.settle()


@pytest.fixture
async def service(cluster: EmbeddedCluster, prefix: str) -> AsyncIterator[RedisService]:
    async with RedisService(cluster.url, key_prefix=prefix, lazy_connect=False) as service:
        yield service
