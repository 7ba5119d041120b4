"""The embedded Sentinels: they agree when they start, and do under faults what real ones do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pika_redis.errors import ArgumentError, CacheUnavailableError
from pika_redis.testing import EmbeddedSentinels, find_server
from pika_redis.testing.server import ServerKind
from pika_redis.testing.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(
    params=[pytest.param("valkey", marks=pytest.mark.valkey), pytest.param("redis", marks=pytest.mark.redis)]
)
def sentinels(request: pytest.FixtureRequest) -> Iterator[EmbeddedSentinels]:
    kind: ServerKind = request.param
    if find_server(kind) is None:
        pytest.skip(f"no {kind}-server")
    with EmbeddedSentinels.start(kind) as running:
        yield running


def test_they_agree_and_promote_a_replica_when_the_primary_dies(sentinels: EmbeddedSentinels) -> None:
    old, replica = sentinels.servers
    assert sentinels.primary is old
    assert sentinels.replicas == [replica]
    assert sentinels.url == (
        "redis+sentinel://" + ",".join(f"127.0.0.1:{one.port}" for one in sentinels.sentinels) + "/mymaster"
    )
    sentinels.execute(old, "SET", "k", "kept")
    wait_until(lambda: sentinels.execute(replica, "GET", "k") == b"kept", "replication", 10)
    old.kill()
    wait_until(lambda: sentinels.primary is replica, "the failover", 30)
    wait_until(lambda: sentinels.execute(replica, "ROLE")[0] == b"master", "the promotion", 30)
    assert sentinels.execute(replica, "GET", "k") == b"kept"
    old.restart()
    sentinels.settle()
    assert sentinels.execute(old, "ROLE")[0] == b"slave"


def test_a_failover_may_be_asked_for(sentinels: EmbeddedSentinels) -> None:
    old = sentinels.primary
    new = sentinels.failover()
    assert new is not old
    assert sentinels.primary is new


def test_restarted_sentinels_know_what_they_knew(sentinels: EmbeddedSentinels) -> None:
    new = sentinels.failover()
    sentinels.settle()
    for sentinel in sentinels.sentinels:
        sentinel.kill()
    with pytest.raises(CacheUnavailableError, match="no sentinel answers"):
        _ = sentinels.primary
    for sentinel in sentinels.sentinels:
        sentinel.restart()
    assert sentinels.primary is new


@pytest.mark.valkey
def test_a_password_is_told_to_replicas_and_sentinels() -> None:
    with EmbeddedSentinels.start(sentinels=1, quorum=1, name="cache", config={"requirepass": "a/b"}) as watched:
        (sentinel,) = watched.sentinels
        assert watched.url == f"redis+sentinel://:a%2Fb@127.0.0.1:{sentinel.port}/cache"
        assert watched.execute(watched.primary, "SET", "foo", "1") == b"OK"


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ArgumentError, match="quorum"):
        EmbeddedSentinels.start(sentinels=1, quorum=2)
