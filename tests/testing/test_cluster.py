"""The embedded cluster: it is whole when it starts, and does under faults what a real one does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pika_redis.errors import ArgumentError, CacheServerError, CacheUnavailableError, ConfigurationError
from pika_redis.testing import EmbeddedCluster, find_server
from pika_redis.testing.server import ServerKind
from pika_redis.testing.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(
    scope="module",
    params=[pytest.param("valkey", marks=pytest.mark.valkey), pytest.param("redis", marks=pytest.mark.redis)],
)
def cluster(request: pytest.FixtureRequest) -> Iterator[EmbeddedCluster]:
    kind: ServerKind = request.param
    if find_server(kind) is None:
        pytest.skip(f"no {kind}-server")
    with EmbeddedCluster.start(kind, node_timeout_ms=1000) as running:
        yield running


@pytest.fixture(autouse=True)
def whole_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test may break the shared cluster; the next one finds it whole."""
    yield
    if "cluster" in request.fixturenames:
        cluster: EmbeddedCluster = request.getfixturevalue("cluster")
        for node in cluster.nodes:
            if node.paused:
                node.resume()
            if not node.running:
                node.restart()
        cluster.settle()


def codes(cluster: EmbeddedCluster, *command: str) -> list[str | None]:
    """What each node answers: the code of its error, None for success."""
    found: list[str | None] = []
    for node in cluster.nodes:
        try:
            cluster.execute(node, *command)
            found.append(None)
        except CacheServerError as error:
            found.append(error.code)
    return found


def test_a_started_cluster_is_whole(cluster: EmbeddedCluster) -> None:
    assert len(cluster.nodes) == 6
    assert cluster.url == "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)
    assert len(cluster.primaries) == 3
    assert [len(cluster.replicas_of(node)) for node in cluster.primaries] == [1, 1, 1]
    for node in cluster.nodes:
        assert b"cluster_state:ok" in cluster.execute(node, "CLUSTER", "INFO")


def test_a_key_is_served_by_the_primary_of_its_slot_alone(cluster: EmbeddedCluster) -> None:
    assert cluster.slot_of("foo") == cluster.slot_of(b"{foo}:1") == 12182
    primary = cluster.primary_of("foo")
    assert primary is cluster.primary_of(12182)
    found = codes(cluster, "SET", "foo", "1")
    assert (found.count(None), found.count("MOVED")) == (1, 5)
    assert found[cluster.nodes.index(primary)] is None


def test_a_killed_primary_is_replaced_and_comes_back_as_a_replica(cluster: EmbeddedCluster) -> None:
    old = cluster.primary_of("foo")
    (heir,) = cluster.replicas_of(old)
    cluster.execute(old, "SET", "foo", "kept")
    wait_until(lambda: cluster.execute(heir, "DBSIZE") >= 1, "replication", 10)
    old.kill()
    wait_until(lambda: cluster.primary_of("foo") is heir, "the failover", 30)
    cluster.settle()
    assert cluster.execute(heir, "GET", "foo") == b"kept"
    old.restart()
    cluster.settle()
    assert cluster.replicas_of(heir) == [old]


def test_a_paused_primary_is_replaced_and_gives_in_when_it_wakes(cluster: EmbeddedCluster) -> None:
    old = cluster.primary_of("foo")
    (heir,) = cluster.replicas_of(old)
    old.pause()
    wait_until(lambda: cluster.primary_of("foo") is heir, "the failover", 30)
    old.resume()
    cluster.settle()
    assert cluster.primary_of("foo") is heir
    assert cluster.replicas_of(heir) == [old]


@pytest.mark.parametrize("how", ["", "FORCE", "TAKEOVER"])
def test_a_replica_takes_over_on_command(cluster: EmbeddedCluster, how: str) -> None:
    old = cluster.primary_of("foo")
    (heir,) = cluster.replicas_of(old)
    assert cluster.failover(old, how) is heir  # type: ignore[arg-type]
    assert cluster.primary_of("foo") is heir
    cluster.settle()
    assert cluster.failover(old, how) is old  # type: ignore[arg-type]


def test_a_slot_moves_with_its_keys(cluster: EmbeddedCluster) -> None:
    source = cluster.primary_of("foo")
    target = next(node for node in cluster.primaries if node is not source)
    for number in range(500):
        cluster.execute(source, "SET", f"{{foo}}:{number}", str(number))
    assert cluster.move_slot(cluster.slot_of("foo"), target) >= 500
    assert cluster.primary_of("foo") is target
    assert cluster.execute(target, "GET", "{foo}:7") == b"7"
    cluster.settle()
    cluster.move_slot(cluster.slot_of("foo"), source)
    assert cluster.execute(source, "GET", "{foo}:7") == b"7"


def test_a_slot_moves_step_by_step(cluster: EmbeddedCluster) -> None:
    source = cluster.primary_of("foo")
    target = next(node for node in cluster.primaries if node is not source)
    for key in ("{foo}:stays", "{foo}:goes"):
        cluster.execute(source, "SET", key, "1")
    move = cluster.moving(cluster.slot_of("foo"), target)
    move.set_importing()
    move.set_migrating()
    assert move.migrate_keys("{foo}:goes") == 1
    assert cluster.execute(source, "GET", "{foo}:stays") == b"1"
    with pytest.raises(CacheServerError, match=r"another one has the key \(slot 12182\)"):
        cluster.execute(source, "GET", "{foo}:goes")
    assert move.migrate_keys() >= 1
    move.set_node()
    assert cluster.execute(target, "GET", "{foo}:goes") == b"1"
    assert cluster.primary_of("foo") is target


def test_a_move_can_be_given_up(cluster: EmbeddedCluster) -> None:
    source = cluster.primary_of("foo")
    target = next(node for node in cluster.primaries if node is not source)
    move = cluster.moving(cluster.slot_of("foo"), target)
    move.set_importing()
    move.set_migrating()
    with pytest.raises(CacheServerError, match="another one has the key"):
        cluster.execute(source, "GET", "{foo}:absent")
    move.set_stable()
    assert cluster.execute(source, "GET", "{foo}:absent") is None


def test_a_node_that_is_gone_is_said_to_be_so(cluster: EmbeddedCluster) -> None:
    node = cluster.nodes[0]
    node.kill()
    with pytest.raises(CacheUnavailableError, match="gave no answer"):
        cluster.execute(node, "PING")


@pytest.mark.valkey
@pytest.mark.parametrize("full_coverage", [True, False])
def test_a_lost_slot_stops_all_others_only_with_full_coverage(*, full_coverage: bool) -> None:
    with EmbeddedCluster.start(replicas=0, node_timeout_ms=500, full_coverage=full_coverage) as cluster:
        lost, *rest = cluster.nodes
        lost.kill()
        down = b"cluster_state:fail" if full_coverage else b"cluster_state:ok"
        wait_until(
            lambda: all(
                b"fail" in cluster.execute(node, "CLUSTER", "NODES")
                and down in cluster.execute(node, "CLUSTER", "INFO")
                for node in rest
            ),
            "the failure",
            30,
        )
        with pytest.raises(CacheUnavailableError, match="serves slot 0"):
            cluster.primary_of(0)
        lost.restart()
        cluster.settle()


@pytest.mark.valkey
def test_a_password_holds_for_clients_and_between_nodes() -> None:
    with EmbeddedCluster.start(primaries=2, config={"requirepass": "a/b"}) as cluster:
        assert cluster.url.startswith("redis+cluster://:a%2Fb@127.0.0.1:")
        primary = cluster.primary_of("foo")
        cluster.execute(primary, "SET", "foo", "1")
        other = next(node for node in cluster.primaries if node is not primary)
        assert cluster.move_slot(cluster.slot_of("foo"), other) == 1


@pytest.mark.valkey
def test_stop_leaves_no_process_and_no_directory_and_may_be_repeated() -> None:
    cluster = EmbeddedCluster.start(primaries=1, replicas=0)
    cluster.stop()
    cluster.stop()
    assert not any(node.running or node.directory.exists() for node in cluster.nodes)
    with pytest.raises(CacheUnavailableError):
        cluster.primary_of("foo")


@pytest.mark.valkey
def test_a_directive_that_the_nodes_reject_is_said() -> None:
    with pytest.raises(ConfigurationError, match="rejects its configuration"):
        EmbeddedCluster.start(config={"cluster-node-timeout": "soon"})


@pytest.mark.parametrize("numbers", [{"primaries": 0}, {"replicas": -1}])
def test_numbers_without_sense_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match="at least 1 primary"):
        EmbeddedCluster.start(**numbers)  # type: ignore[arg-type]
