"""A write that a replica refuses, without sentinels: the name may lead to another server by now."""

from __future__ import annotations

import asyncio

import pytest

from pika_redis.errors import CacheUnavailableError
from pika_redis.testing import EmbeddedServer
from pika_redis.wire.embedded import ServerKind
from pika_redis.wire.endpoint import Endpoint
from pika_redis.wire.limits import Limits
from pika_redis.wire.node import Node, Repeat
from pika_redis.wire.replies import ReadOnly, reply_error
from pika_redis.wire.scripts import Script

from .fake_sentinel import FakePrimary
from .fake_server import Relay


class Name(Relay):
    """A name for a server, which may come to mean another one."""

    def leads_to(self, port: int) -> None:
        self._target = port


def node_at(port: int) -> Node:
    return Node(asyncio.get_running_loop(), Endpoint("127.0.0.1", port, limits=Limits(stall=5.0)))


def test_the_error_says_what_the_server_is() -> None:
    error = reply_error("READONLY You can't write against a read only replica.")
    assert isinstance(error, ReadOnly)
    assert not error.sent
    assert "the server is a replica, which takes no writes" in str(error)


@pytest.mark.parametrize("how", ["one", "several"])
async def test_when_a_primary_was_demoted_the_write_goes_where_the_name_leads_now(how: str) -> None:
    old, new = FakePrimary(), FakePrimary()
    async with old.running(), new.running(), Name(old.port).running() as name:
        assert isinstance(name, Name)
        node = node_at(name.port)
        assert await node.call(("ECHO", "x")) == str(old.port).encode()
        old.role = "replica"
        name.leads_to(new.port)
        if how == "one":
            assert await node.call(("SET", "k", "v"), Repeat.UNSENT) == b"OK"
        else:
            assert await node.call_many([("SET", "k", "v"), ("SET", "l", "v")], Repeat.UNSENT) == [b"OK"] * 2
        assert len(old.sent("SET")) == len(new.sent("SET"))
        assert await node.call(("ECHO", "x")) == str(new.port).encode()
        await node.aclose()


async def test_one_that_was_a_replica_from_the_beginning_is_not_left_at_every_write() -> None:
    async with FakePrimary("replica").running() as server:
        node = node_at(server.port)
        for _ in range(10):
            with pytest.raises(CacheUnavailableError, match="the server is a replica"):
                await node.call(("SET", "k", "v"), attempts=0)
        assert await node.call(("ECHO", "x")) == str(server.port).encode()
        assert len(server.talks) <= 3
        await node.aclose()


async def test_many_writes_that_are_refused_together_make_one_new_connection() -> None:
    old, new = FakePrimary(), FakePrimary()
    async with old.running(), new.running(), Name(old.port).running() as name:
        assert isinstance(name, Name)
        node = node_at(name.port)
        await node.ready()
        old.role = "replica"
        name.leads_to(new.port)
        calls = [node.call(("SET", f"k{number}", "v"), Repeat.UNSENT) for number in range(50)]
        assert await asyncio.gather(*calls) == [b"OK"] * 50
        assert len(new.talks) == 1
        await node.aclose()


async def test_a_real_server_that_was_demoted(server: EmbeddedServer, prefix: str) -> None:
    kind: ServerKind = "redis" if "redis-server" in repr(server) else "valkey"
    with EmbeddedServer.start(kind) as old, EmbeddedServer.start(kind) as new:
        async with Name(old.port).running() as name:
            assert isinstance(name, Name)
            node, other = node_at(name.port), node_at(old.port)
            await node.ready()
            assert node.facts is not None
            assert node.facts.role == "master"
            name.leads_to(new.port)
            await other.call(("REPLICAOF", new.host, new.port))
            script = Script("inval")
            assert await node.run(script, f"{prefix}k", ()) == 0
            assert await node.call(("SET", f"{prefix}k", "v"), Repeat.UNSENT) == b"OK"
            info = await node.call(("INFO", "server"))
            assert isinstance(info, bytes)
            assert f"tcp_port:{new.port}".encode() in info
            await node.aclose()
            await other.aclose()
