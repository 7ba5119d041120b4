"""A server that is not the one that was known: restarted from a file, or a replica that took over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from pika_redis import NotReplicatedError, RedisService
from pika_redis.storage.standing import OnRestart, came_back_old
from pika_redis.testing import EmbeddedServer
from pika_redis.wire.framing import Reply
from pika_redis.wire.handshake import Past

from ..wire.fake_server import Relay
from ..wire.timing import turned
from .conftest import StartOwn
from .fleet import Source
from .raw import Raw
from .tap import near_of


@pytest.fixture
def own(start_own: StartOwn) -> EmbeddedServer:
    return start_own({"dbfilename": "kept.rdb"})


def save(own: EmbeddedServer) -> None:
    with Raw(own) as shell:
        shell("SAVE")


async def reconnected(service: RedisService, change: Callable[[], object]) -> None:
    """Another connection was made after a change, and the server is trusted."""
    near = near_of(service)
    before = near.node.connection
    change()
    await turned(lambda: near.node.connection is not before and near.node.connection.usable and not near.standing.cut)


async def restarted(own: EmbeddedServer, *services: RedisService) -> None:
    """The server was restarted, and all have noticed and trust it."""
    await asyncio.gather(
        *[reconnected(service, lambda: None) for service in services[:-1]], reconnected(services[-1], own.restart)
    )


async def filled(own: EmbeddedServer, service: RedisService) -> None:
    await service.set_many({"a": "old", "b": "old", "number": 1.5})
    await service.set("tagged", "old", tags=["t"])
    await service.increment("counter", 5)
    save(own)


@pytest.fixture
async def fleet(own: EmbeddedServer) -> AsyncIterator[list[RedisService]]:
    """Three processes; each has a copy."""
    services = [RedisService(own.url) for _ in range(3)]
    await filled(own, services[0])
    for service in services:
        assert await service.get("a") == "old"
    yield services
    for service in services:
        await service.aclose()


async def test_old_data_from_a_file_are_served_by_nobody(own: EmbeddedServer, fleet: list[RedisService]) -> None:
    await fleet[0].delete("a")
    await fleet[1].invalidate_tags(["t"])
    await restarted(own, *fleet)
    for service in fleet:
        assert await service.get_many(["a", "b", "tagged"]) == [None] * 3
    assert await fleet[0].get("counter") == 5  # a counter has no epoch


async def test_the_epoch_ends_once_for_the_whole_fleet(own: EmbeddedServer, fleet: list[RedisService]) -> None:
    await restarted(own, *fleet)
    await fleet[0].get_or_load("a", Source("new"))
    with Raw(own) as shell:
        epoch = shell("GET", "pika:#e")
        assert len(epoch) == 21
    late = RedisService(own.url)
    async with late:
        assert await late.get("a") == "new"
    for service in fleet:
        near = near_of(service)
        near.standing._past = None  # it can't know that it has seen this server
        await reconnected(service, near.node.connection.close)  # type: ignore[union-attr]
        assert await service.get("a") == "new"
    save(own)
    await restarted(own, *fleet)
    for service in fleet:
        assert await service.get("a") is None
    with Raw(own) as shell:
        assert shell("GET", "pika:#e")[-8:] != epoch[-8:]


async def test_it_ends_for_a_service_that_raises_too_and_that_shows(own: EmbeddedServer) -> None:
    async with RedisService(own.url, on_unavailable="raise") as service:
        await filled(own, service)
        await service.delete("a")
        seen: list[bool] = []
        standing = near_of(service).standing
        judge = standing._judge

        def look(replies: Sequence[Reply], settles: Sequence[Callable[[], None]]) -> None:
            seen.append(service.counts.degraded)
            judge(replies, settles)

        standing._judge = look  # type: ignore[method-assign]
        await restarted(own, service)
        assert await service.get_many(["a", "b"]) == [None, None]
        assert seen == [True]
        assert not service.counts.degraded


@pytest.mark.parametrize(("policy", "kept"), [("replay", [None, "old", None]), ("trust", ["old", "old", "old"])])
async def test_what_to_do_about_old_data_is_a_setting(own: EmbeddedServer, policy: str, kept: list[str | None]) -> None:
    async with RedisService(own.url, on_restart=policy) as service:  # type: ignore[arg-type]
        await filled(own, service)
        await service.delete("a")
        await service.invalidate_tags(["t"])
        await restarted(own, service)
        assert await service.get_many(["a", "b", "tagged"]) == kept


async def test_what_is_empty_after_a_restart_needs_no_end(own: EmbeddedServer) -> None:
    async with RedisService(own.url) as service:
        await service.set("a", "old")
        await restarted(own, service)
        with Raw(own) as shell:
            assert shell("DBSIZE") == 0


async def test_a_connection_that_is_lost_and_made_again_ends_nothing(own: EmbeddedServer) -> None:
    async with RedisService(own.url) as service:
        await filled(own, service)
        await service.delete("a")
        await service.get_or_load("a", Source("new"))
        with Raw(own) as shell:
            await reconnected(service, lambda: shell("CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "yes"))
            assert await service.get_many(["a", "b", "tagged"]) == ["new", "old", "old"]
            assert shell("GET", "pika:#e")[9:] == b"\xff\xff\xff\xff"


# -- a replica takes over -------------------------------------------------------------------------------------------


@pytest.fixture
async def pair(start_own: StartOwn) -> AsyncIterator[tuple[EmbeddedServer, EmbeddedServer, Relay, Relay]]:
    """A primary and its replica; what clients talk to, and what replication goes through."""
    primary = start_own({"repl-diskless-sync-delay": "0"})
    async with Relay(primary.port).running() as clients, Relay(primary.port).running() as replication:
        replica = start_own({"replicaof": f"127.0.0.1 {replication.port}", "repl-ping-replica-period": "1"})
        with Raw(replica) as shell:
            await turned(lambda: b"master_link_status:up" in shell("INFO", "replication"))
        yield primary, replica, clients, replication


async def test_what_the_new_primary_did_not_hear_of_is_deleted_again_before_it_is_read(
    pair: tuple[EmbeddedServer, EmbeddedServer, Relay, Relay], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pika_redis")
    primary, replica, clients, replication = pair
    url = f"redis://127.0.0.1:{clients.port}"
    async with RedisService(url) as service, RedisService(url) as other:
        await service.set_many({"a": "old", "b": "old", "set": "old"})
        await service.set("tagged", "old", tags=["t"])
        await service.increment("counter", 5)
        await service.delete("gone")
        with Raw(primary) as shell, Raw(replica) as there:
            await turned(lambda: there("GET", "pika:counter") == b"5")
            replication.hold_replies = True  # acknowledged to us, and never told to the replica
            assert await service.delete("a")
            await service.invalidate_tags(["t"])
            await service.delete("counter")
            await service.delete("set")
            await service.set("set", "old")
            there("REPLICAOF", "NO", "ONE")
            assert (there("EXISTS", "pika:a", "pika:#t:t"), shell("EXISTS", "pika:a", "pika:#t:t")) == (2, 0)
        clients._target = replica.port
        primary.kill()
        await asyncio.gather(reconnected(service, lambda: None), reconnected(other, clients.cut))
        assert await service.get_many(["a", "b", "tagged", "set"]) == [None, "old", None, "old"]
        assert await other.get_many(["a", "b", "tagged"]) == [None, "old", None]
        assert await service.get("counter") == 5  # somebody may have been counting
        with Raw(replica) as there:
            assert there("EXISTS", "pika:a", "pika:#t:t") == 0
    assert [record.message for record in caplog.records if "can't be used" in record.message] == []


async def test_a_durable_delete_says_how_many_replicas_have_heard_of_it(
    pair: tuple[EmbeddedServer, EmbeddedServer, Relay, Relay],
) -> None:
    primary, replica, _, replication = pair
    async with (
        RedisService(primary.url, stall_timeout=20) as patient,
        RedisService(primary.url, stall_timeout=0.5) as service,
    ):
        await service.set("k", "old", tags=["t"])
        assert await patient.delete("k", durable=1) is True
        assert await patient.delete("k", durable=1) is False
        await patient.invalidate_tags(["t"], durable=1)
        with Raw(replica) as there:
            assert there("EXISTS", service.name_of("k"), "pika:#t:t") == 0
        with pytest.raises(NotReplicatedError, match="1 of 2 replicas") as caught:
            await service.delete("k", durable=2)
        assert caught.value.replicas == 1
        await service.set("k", "old")
        replication.hold_replies = True
        with pytest.raises(NotReplicatedError, match="0 of 1 replicas"):
            await service.delete("k", durable=1)
        assert await service.get("k") is None  # deleted it is
        replication.release()
        primary.kill()
        with pytest.raises(NotReplicatedError, match="0 of 1 replicas"):
            await service.invalidate_tags(["t"], durable=1)


@pytest.mark.parametrize(
    ("wrong", "error"), [(-1, ValueError), (True, TypeError), ("1", TypeError), (10**9, ValueError)]
)
async def test_a_number_of_replicas_that_makes_no_sense_is_refused_before_anything_is_done(
    server: EmbeddedServer, prefix: str, wrong: int, error: type[Exception]
) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        await service.set("k", "kept")
        with pytest.raises(error, match="durable"):
            await service.delete("k", durable=wrong)
        assert await service.get("k") == "kept"


# -- the rule -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uptime", "silent", "from_file", "old"),
    [
        (0, 0.1, True, True),
        (5, 10.0, True, True),
        (10, 9.0, True, True),  # whole seconds: in doubt it was restarted
        (100, 10.0, True, False),  # it ran beside the one that we knew: a replica that took over
        (0, 0.1, False, False),
    ],
)
def test_a_server_came_back_old_if_it_began_after_we_lost_the_other_and_had_data(
    uptime: float, silent: float, from_file: bool, old: bool
) -> None:
    assert came_back_old(Past("run", "replication", uptime, from_file), silent) is old


@pytest.mark.parametrize("on_restart", ["epoch", "replay"])
@pytest.mark.parametrize("end", ["loaded", LookupError("failed")], ids=["loaded", "failed"])
async def test_a_lease_whose_end_a_server_has_forgotten_is_given_back_again(
    own: EmbeddedServer, on_restart: OnRestart, end: object
) -> None:
    async with RedisService(own.url, on_restart=on_restart) as service:
        source = Source(end, shut=True)
        load = asyncio.create_task(service.get_or_load("k", source, lease=600))
        await source.reached.wait()
        save(own)
        source.gate.set()
        await asyncio.wait({load})
        assert isinstance(load.exception(), LookupError) is isinstance(end, LookupError)
        await restarted(own, service)
        await turned(lambda: not near_of(service).journal.owes)
        with Raw(own) as shell:
            assert shell("GET", service.name_of("k")) is None
