"""The faulty wire: each fault reaches the client as what it is said to be, and ends when it is healed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any, Self

import hiredis
import pytest

from pika_redis import ArgumentError, CacheUnavailableError, RedisService
from pika_redis.testing import EmbeddedServer, FaultyWire, until_healthy
from pika_redis.wire.packing import pack

_NOT_YET = object()


@pytest.fixture
def wire(valkey_server: EmbeddedServer) -> Iterator[FaultyWire]:
    with FaultyWire(valkey_server.url, seed=1) as running:
        yield running


class Client:
    """A bare connection through the wire."""

    def __init__(self, wire: FaultyWire, timeout: float = 30.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(wire.url.rpartition(":")[2])), timeout=timeout)
        self._reader = hiredis.Reader(notEnoughData=_NOT_YET)

    def send(self, *words: str) -> None:
        self.socket.sendall(pack(words))

    def read(self) -> Any:
        while (reply := self._reader.gets()) is _NOT_YET:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self._reader.feed(data)
        return reply

    def ask(self, *words: str) -> Any:
        self.send(*words)
        return self.read()

    def __enter__(self) -> Self:
        assert self.ask("PING") == b"PONG"
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def silent(client: Client) -> bool:
    """Whether nothing comes, as far as a moment's wait can tell."""
    client.socket.settimeout(0.05)
    try:
        client.socket.recv(1)
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(30)
    return False


def test_a_healthy_wire_relays(wire: FaultyWire, prefix: str) -> None:
    with Client(wire) as client:
        assert client.ask("SET", f"{prefix}a", "x" * 300_000) == b"OK"
        assert client.ask("GET", f"{prefix}a") == b"x" * 300_000
        assert wire.connections == 1
    assert wire.counts == {}


def test_the_end_of_a_client_reaches_the_server(wire: FaultyWire) -> None:
    with Client(wire) as client, Client(wire) as other:
        number = client.ask("CLIENT", "ID")
        client.socket.close()
        for _ in range(500):
            if not other.ask("CLIENT", "LIST", "ID", str(number)):
                break
        assert other.ask("CLIENT", "LIST", "ID", str(number)) == b""


def test_a_late_message_holds_back_those_behind_it(wire: FaultyWire) -> None:
    with Client(wire) as client:
        wire.delay(0.2)
        client.send("ECHO", "late")
        assert silent(client)
        wire.heal()
        client.send("ECHO", "prompt")
        assert [client.read(), client.read()] == [b"late", b"prompt"]
        assert wire.counts == {"delay": 1}


def test_what_is_dropped_takes_all_behind_it_along(wire: FaultyWire) -> None:
    with Client(wire) as client:
        wire.drop(direction="replies")
        client.send("ECHO", "lost")
        assert silent(client)
        wire.drop(share=0)
        client.send("ECHO", "lost too")
        assert silent(client)
        wire.heal()
        with pytest.raises(ConnectionResetError):
            client.read()


def test_a_garbled_reply_looks_like_none(wire: FaultyWire) -> None:
    with Client(wire) as client:
        wire.garble()
        client.send("ECHO", "hello")
        with pytest.raises(hiredis.ProtocolError):
            client.read()


def test_a_garbled_payload_is_not_noticed(wire: FaultyWire) -> None:
    text = "x" * 1000
    with Client(wire) as client:
        wire.garble(payload=True, share=0.5)
        found = [client.ask("ECHO", text) == text.encode() for _ in range(10)]
    assert {*found} == {True, False}


def test_a_reply_is_broken_off_in_its_middle(wire: FaultyWire) -> None:
    with Client(wire) as client:
        wire.break_off()
        client.send("ECHO", "hello")
        assert client.socket.recv(64) == b"$5\r\nhe"
        with pytest.raises(ConnectionResetError):
            client.read()


def test_an_error_waits_for_its_turn(wire: FaultyWire) -> None:
    with Client(wire) as client:
        wire.answer("GET", "LOADING the data is being loaded")
        client.socket.sendall(pack(("ECHO", "a")) + pack(("GET", "k")) + pack(("GET", "k")) + pack(("ECHO", "b")))
        replies = [client.read() for _ in range(4)]
        assert [str(reply) for reply in replies[1:3]] == ["LOADING the data is being loaded"] * 2
        assert [replies[0], replies[3]] == [b"a", b"b"]
        assert wire.counts == {"answer": 2}


def test_pushes_take_no_turn(wire: FaultyWire, prefix: str) -> None:
    with Client(wire) as client, Client(wire) as other:
        client.ask("HELLO", "3")
        client.ask("SUBSCRIBE", prefix)  # the confirmation is a push
        wire.answer("GET", "LOADING x")
        client.socket.sendall(pack(("BLPOP", f"{prefix}list", "0")) + pack(("GET", "k")))
        other.ask("PUBLISH", prefix, "m")
        other.ask("RPUSH", f"{prefix}list", "a")
        pushed, popped, refused = (client.read() for _ in range(3))
        assert (pushed[0], popped[1], str(refused)) == (b"message", b"a", "LOADING x")


def test_bytes_may_come_one_by_one(wire: FaultyWire) -> None:
    with Client(wire) as client:
        wire.chunk(1)
        assert client.ask("ECHO", "hello" * 50) == b"hello" * 50
    with pytest.raises(ArgumentError, match="at least 1"):
        wire.chunk(0)


def test_stalled_replies_come_when_released(wire: FaultyWire) -> None:
    with Client(wire) as client:
        wire.stall("replies")
        client.send("ECHO", "a")
        client.send("ECHO", "b")
        assert silent(client)
        wire.release()
        assert [client.read(), client.read()] == [b"a", b"b"]


def test_a_stalled_command_lands_after_its_client_has_gone(wire: FaultyWire, prefix: str) -> None:
    with Client(wire) as client:
        wire.stall("commands")
        client.send("SET", f"{prefix}late", "1")
    wire.release()
    with Client(wire) as other:
        while other.ask("GET", f"{prefix}late") is None:
            pass


@pytest.mark.parametrize(("rst", "end"), [(True, ConnectionResetError), (False, EOFError)])
def test_a_cut_ends_all_connections_and_new_ones_are_taken(
    wire: FaultyWire, *, rst: bool, end: type[Exception]
) -> None:
    with Client(wire) as client:
        wire.cut(rst=rst)
        with pytest.raises(end):
            client.read()
    with Client(wire):
        assert wire.counts == {"cut": 1}


def test_new_connections_are_refused_until_healed_and_old_ones_stand(wire: FaultyWire) -> None:
    with Client(wire) as client:
        wire.refuse()
        with pytest.raises(ConnectionRefusedError):
            Client(wire)
        wire.refuse()
        assert client.ask("PING") == b"PONG"
        wire.heal()
        with Client(wire):
            assert client.ask("PING") == b"PONG"


def ping(wire: FaultyWire) -> object:
    client = socket.create_connection(("127.0.0.1", int(wire.url.rpartition(":")[2])), timeout=30)
    with client:
        client.sendall(b"PING\r\n")
        return client.recv(64)


def test_a_server_that_is_gone_resets() -> None:
    with EmbeddedServer.start() as server, FaultyWire(server.url) as wire:
        server.kill()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            ping(wire)
        server.restart()
        assert ping(wire) == b"+PONG\r\n"


def test_the_same_traffic_meets_the_same_faults(valkey_server: EmbeddedServer) -> None:
    def struck(seed: int) -> list[bool]:
        with FaultyWire(valkey_server.url, seed=seed) as wire, Client(wire) as client:
            wire.answer("ECHO", "ERR struck", share=0.3)
            return [client.ask("ECHO", "x") != b"x" for _ in range(60)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)


def test_the_url_keeps_login_db_and_options() -> None:
    wire = FaultyWire("redis://user:p%2Fw@10.0.0.1:7000/3?tls_verify=1".replace("?tls_verify=1", ""))
    with pytest.raises(CacheUnavailableError, match="before it runs"):
        _ = wire.url
    with wire:
        assert wire.url.startswith("redis://user:p%2Fw@127.0.0.1:")
        assert wire.url.endswith("/3")
        assert "p%2Fw" not in repr(wire)


def test_a_unix_socket_may_be_behind_it() -> None:
    with EmbeddedServer.start(unix=True) as server, FaultyWire(server.url) as wire, Client(wire) as client:
        assert client.ask("ECHO", "a") == b"a"


@pytest.mark.parametrize("url", ["rediss://localhost", "memory://"])
def test_what_it_cannot_read_is_refused(url: str) -> None:
    with pytest.raises(ArgumentError, match="redis:// or unix://"):
        FaultyWire(url)


def test_words_without_sense_are_refused(wire: FaultyWire) -> None:
    with pytest.raises(ArgumentError, match="direction must be"):
        wire.stall("up")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="seconds must be"):
        wire.delay(-1)


def test_a_stopped_wire_says_so_and_may_start_again(valkey_server: EmbeddedServer) -> None:
    wire = FaultyWire(valkey_server.url)
    with wire, Client(wire) as client:
        wire.stop()
        with pytest.raises((ConnectionResetError, EOFError)):
            client.read()
        wire.stop()
    for act in (wire.cut, wire.heal, wire.stall, wire.refuse):
        with pytest.raises(CacheUnavailableError, match="isn't running"):
            act()
    with wire, Client(wire):
        pass


def test_it_leaves_no_thread_and_no_socket(valkey_server: EmbeddedServer) -> None:
    before = set(threading.enumerate())
    with FaultyWire(valkey_server.url) as wire, Client(wire):
        wire.stall()
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


async def test_a_service_answers_through_an_outage_and_heals(valkey_server: EmbeddedServer, prefix: str) -> None:
    async with (
        FaultyWire(valkey_server.url, seed=1) as wire,
        RedisService(wire.url, key_prefix=prefix, stall_timeout=0.2) as service,
    ):
        await service.set("a", 1)
        wire.cut()
        wire.refuse()
        assert await service.get_or_load("a", _two) == 2
        wire.heal()
        await until_healthy(service)
        assert await service.get("a") == 1


async def _two() -> int:
    return 2


def test_a_synchronous_test_works_too(wire: FaultyWire, prefix: str) -> None:
    service = RedisService(wire.url, key_prefix=prefix, stall_timeout=0.2)
    with asyncio.Runner() as runner:
        runner.run(service.set("a", 1))
        wire.answer("*", "LOADING the data is being loaded")
        assert runner.run(service.get_or_load("a", _two)) == 2
        runner.run(service.aclose())


def test_it_works_on_uvloop(wire: FaultyWire, prefix: str) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def through() -> object:
        async with RedisService(wire.url, key_prefix=prefix) as service:
            wire.chunk(3)
            await service.set("a", [1, 2])
            return await service.get("a")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(through()) == [1, 2]
