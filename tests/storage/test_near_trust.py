"""How long copies are believed without a word from the server, and what makes all of them go at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from pika_redis import MISSING, RedisService
from pika_redis.storage.near import T_LEASE
from pika_redis.testing import EmbeddedServer, FakeClock
from pika_redis.wire.connection import Connection
from pika_redis.wire.limits import Limits

from ..wire.fake_server import Relay
from ..wire.timing import turned
from .conftest import StartOwn
from .raw import Raw
from .tap import Tap, heard, near_of
from .tracking_server import NULL_PUSH, TrackingServer, push


@pytest.fixture
async def fake() -> AsyncIterator[TrackingServer]:
    async with TrackingServer().running() as server:
        assert isinstance(server, TrackingServer)
        yield server


@pytest.fixture
async def near(fake: TrackingServer, clock: FakeClock) -> AsyncIterator[RedisService]:
    """A process with a copy of one entry under one tag."""
    async with fake.service(clock=clock, retry_attempts=0) as service:
        await service.set("k", "value", tags=["t"])
        await service.get("k")
        yield service


def served(service: RedisService, key: str = "k") -> object:
    """What is served without asking."""
    value = service._store.hit(service.name_of(key), 0.0)
    return None if value is MISSING else value


def be_impatient(service: RedisService) -> None:
    """The server says nothing from now on, which need not be waited for long."""
    connection = near_of(service).node.connection
    assert isinstance(connection, Connection)
    connection.serve(Limits(stall=0.05))


# -- a lease of three seconds ---------------------------------------------------------------------------------------


async def test_without_a_word_from_the_server_copies_are_served_for_the_lease_and_no_longer(
    near: RedisService, fake: TrackingServer, clock: FakeClock
) -> None:
    fake.silent = True
    age = 0.0
    while served(near) == "value":
        clock.advance(1 / 128)
        age += 1 / 128
    print(f"copies were served {age:.2f} s after the last proof")  # noqa: T201 (the figure)
    assert age == T_LEASE == 3.0
    be_impatient(near)
    assert await near.get("k") is None
    fake.silent = False


async def test_a_stopped_server_costs_three_seconds_of_copies(start_own: StartOwn, clock: FakeClock) -> None:
    own = start_own({})
    async with RedisService(own.url, clock=clock, retry_attempts=0) as near:
        await near.set("k", "value")
        await near.get("k")
        own.pause()
        be_impatient(near)
        clock.advance(2.99)
        assert await near.get("k") == "value"
        clock.advance(0.02)
        assert await near.get("k") is None
        own.resume()
        await turned(lambda: not near_of(near).standing.cut)
        assert await near.get("k") == "value"


async def test_a_cut_cable_hides_a_change_for_the_lease_at_most(
    server: EmbeddedServer, prefix: str, clock: FakeClock
) -> None:
    with Raw(server) as shell:
        async with Relay(server.port).running() as relay:
            url = f"redis://127.0.0.1:{relay.port}"
            async with RedisService(url, key_prefix=prefix, clock=clock) as near:
                await near.set("k", "old")
                await near.get("k")
                relay.hold_replies = True
                shell("SET", near.name_of("k"), "7")
                clock.advance(2.99)
                assert await near.get("k") == "old"
                clock.advance(0.02)
                assert served(near) is None
                relay.release()
                assert await near.get("k") == 7


async def test_proof_is_dated_by_when_its_command_was_written_not_by_its_reply(
    server: EmbeddedServer, prefix: str, clock: FakeClock
) -> None:
    """A reply that lay unread for ten seconds, while this process was stopped say, proves nothing of those."""
    async with Relay(server.port).running() as relay:
        url = f"redis://127.0.0.1:{relay.port}"
        async with RedisService(url, key_prefix=prefix, clock=clock) as near:
            await near.set("k", "old")
            await near.get("k")
            relay.hold_replies = True
            asked = asyncio.create_task(heard(near))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            clock.advance(10)
            relay.release()
            await asked
            assert served(near) is None
            await heard(near)
            assert served(near) == "old"


async def test_any_reply_is_proof(near: RedisService, clock: FakeClock) -> None:
    for _ in range(5):
        clock.advance(2.9)
        assert served(near) == "value"
        await near.get("absent")


# -- signs of life --------------------------------------------------------------------------------------------------


async def test_a_hit_asks_for_a_sign_of_life_when_the_proof_is_half_way_old(
    near: RedisService, fake: TrackingServer, clock: FakeClock, tap: Tap
) -> None:
    with tap.on(near) as asked:
        clock.advance(1.5)
        assert await near.get("k") == "value"
        await asyncio.sleep(0)
        assert asked.nothing
        clock.advance(0.01)
        for _ in range(10):
            assert await near.get("k") == "value"
        await asyncio.sleep(0)
        assert (asked.commands, asked.trips) == (1, 1)  # once, however many hits
    await fake.until(lambda: bool(fake.sent("PING")))
    await heard(near)
    clock.advance(1.5)
    with tap.on(near) as asked:
        assert await near.get("k") == "value"
        await asyncio.sleep(0)
    assert asked.nothing  # it was answered, and dated


async def test_who_is_idle_asks_nothing(near: RedisService, clock: FakeClock, tap: Tap) -> None:
    with tap.on(near) as asked:
        for _ in range(100):
            clock.advance(1)
            await asyncio.sleep(0)
    assert asked.nothing


async def test_every_third_sign_of_life_asks_for_the_role(
    near: RedisService, fake: TrackingServer, clock: FakeClock
) -> None:
    fake.commands.clear()
    for beat in range(1, 7):
        clock.advance(2)
        await near.get("k")
        await fake.until(lambda beat=beat: len(fake.sent("PING")) + len(fake.sent("HELLO")) == beat)  # type: ignore[misc]
        await near_of(near).node.call(("ECHO", "x"))
    assert [words[0] for words in fake.commands if words[0] != b"ECHO"] == 2 * [b"PING", b"PING", b"HELLO"]


async def test_another_role_ends_all_copies(near: RedisService, fake: TrackingServer, clock: FakeClock) -> None:
    fake.role = "slave"
    for _ in range(3):
        clock.advance(2)
        assert served(near) == "value"
        await asyncio.sleep(0)
        await near_of(near).node.call(("ECHO", "x"))
    assert near_of(near).copies == {}
    facts = near_of(near).single.facts
    assert facts is not None
    assert facts.role == "slave"
    await near.get("k")
    assert served(near) == "value"  # a replica tells of changes too


async def test_a_sign_of_life_that_is_not_answered_is_asked_for_again(
    near: RedisService, fake: TrackingServer, clock: FakeClock
) -> None:
    fake.silent = True
    be_impatient(near)
    clock.advance(2)
    await near.get("k")
    asking = near_of(near)
    assert asking._asking
    await turned(lambda: not asking._asking)  # it counts as stalled
    fake.silent = False
    fake.tell(b"+PONG\r\n")
    await turned(lambda: asking.node.connection.usable)
    clock.advance(2)
    await near.get("k")
    assert asking._asking


# -- everything at once ---------------------------------------------------------------------------------------------


async def test_a_push_of_everything_ends_everything(near: RedisService, fake: TrackingServer) -> None:
    fake.tell(NULL_PUSH)
    await heard(near)
    held = near_of(near)
    assert (held.copies, held._queues.bytes, held.nonces.in_use()) == ({}, 0, [])
    assert await near.get("k") == "value"


async def test_a_lost_connection_ends_everything_at_once(near: RedisService, fake: TrackingServer) -> None:
    held = near_of(near)
    fake.talks[-1].hang_up()
    await turned(lambda: not held.copies)
    assert held.proof.at < 0
    for _ in range(2):  # the first one connects
        assert await near.get("k") == "value"
    assert len(fake.talks) == 2
    assert served(near) == "value"


async def test_who_does_not_listen_is_cut_by_the_server_and_serves_nothing_from_before(
    start_own: StartOwn, clock: FakeClock
) -> None:
    """A process that is stopped while so much changes that the server gives up telling it."""
    own = start_own({"client-output-buffer-limit": "normal 256kb 0 0"})
    with Raw(own) as shell:
        prefix = "x" * 1500  # told of with each key: more than any kernel holds for a socket
        async with (
            RedisService(own.url, key_prefix=prefix, clock=clock) as deaf,
            RedisService(own.url, key_prefix=prefix, l1=False) as writer,
        ):
            keys = [f"{number}" for number in range(12_000)]
            for start in range(0, len(keys), 500):
                await writer.set_many(dict.fromkeys(keys[start : start + 500], "old"))
                await deaf.get_many(keys[start : start + 500])
            near, connection = near_of(deaf), near_of(deaf).node.connection
            assert len(near.copies) == len(keys)
            assert isinstance(connection, Connection)
            assert connection._transport is not None
            connection._transport.pause_reading()
            told = 0
            while b"client_output_buffer_limit_disconnections:0" in shell("INFO", "stats"):
                await writer.set_many(dict.fromkeys(keys[told : told + 500], "new"))
                told += 500
                assert told <= len(keys), "the kernel holds more than expected"
            await writer.set_many(dict.fromkeys(keys, "new"))
            clock.advance(T_LEASE)
            connection._transport.resume_reading()
            assert [served(deaf, key) for key in (keys[0], keys[-1])] == [None, None]
            assert await deaf.get_many([keys[0], keys[-1]]) == ["new", "new"]
            assert near.node.connection is not connection
            assert [served(deaf, key) for key in (keys[0], keys[-1])] == ["new", "new"]
            assert len(near.copies) == 2


async def test_between_two_connections_nothing_is_served(near: RedisService, fake: TrackingServer) -> None:
    """Also when nobody noticed that one was lost: the new one was told of nothing that the old one read."""
    held = near_of(near)
    held.made(held.node.connection, held.single.facts)  # type: ignore[arg-type]
    assert served(near) is None


async def test_a_push_for_keys_of_others_harms_nothing(near: RedisService, fake: TrackingServer) -> None:
    fake.tell(push("foreign", "p:other", "p:#c:k"))
    fake.tell(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$2\r\n\xff\xfe\r\n")
    fake.tell(b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n")
    await heard(near)
    assert served(near) == "value"
    fake.tell(push("p:k"))
    await heard(near)
    assert served(near) is None


# -- nonces are read again ------------------------------------------------------------------------------------------


async def test_nonces_in_use_are_read_again_every_thirty_seconds(
    near: RedisService, fake: TrackingServer, clock: FakeClock
) -> None:
    """Or a server that is short of memory would evict them first."""
    await near.set("unused", 1.5, tags=["unused"])
    fake.commands.clear()
    reads: list[int] = []
    for second in range(1, 122):
        clock.advance(1)
        assert await near.get("k") == "value"
        before = len(fake.sent("MGET"))
        await near_of(near).node.call(("ECHO", "x"))
        reads += [second] * (len(fake.sent("MGET")) - before)
    assert {tuple(words[1:]) for words in fake.sent("MGET")} == {(b"p:#e", b"p:#t:t")}
    pauses = [late - early for early, late in zip([0, *reads], reads, strict=False)]
    assert len(reads) in (3, 4)
    assert all(27 <= pause <= 31 for pause in pauses)


async def test_a_change_that_was_never_told_is_found_when_nonces_are_read_again(
    near: RedisService, fake: TrackingServer, clock: FakeClock
) -> None:
    fake.data[b"p:#t:t"] = b"T" + b"other..." + b"\xff" * 4
    for _ in range(20):
        clock.advance(2)
        await near.get("k")
        await heard(near)
    assert served(near) is None


# -- where the server tells nothing ---------------------------------------------------------------------------------


@pytest.fixture
def limited(server: EmbeddedServer, prefix: str) -> Iterator[str]:
    """The URL of a user who may not be told of changes."""
    user = prefix.strip(":").replace(":", "-")
    with Raw(server) as shell:
        shell("ACL", "SETUSER", user, "on", ">sesame", "~*", "+@all", "-client|tracking")
        yield server.url.replace("redis://", f"redis://{user}:sesame@")
        shell("ACL", "DELUSER", user)


async def test_a_server_that_refuses_to_tell_is_asked_every_time_and_it_is_said_once(
    limited: str, prefix: str, far: RedisService, shell: Raw, tap: Tap, caplog: pytest.LogCaptureFixture
) -> None:
    async def load() -> str:
        return "loaded"

    async with RedisService(limited, key_prefix=prefix) as near:
        assert await near.get_or_load("k", load, tags=["t"]) == "loaded"
        for _ in range(3):
            with tap.on(near) as asked:
                assert await near.get("k") == "loaded"
                assert await near.get_or_load("k", load, tags=["t"]) == "loaded"
            assert asked.trips >= 2
        assert near_of(near).copies == {}
        await far.set("k", "set", tags=["t"])
        assert await near.get("k") == "set"
        await far.invalidate_tags(["t"])
        assert await near.get("k") is None
        assert await near.get_or_load("k", load, tags=["t"]) == "loaded"
        for connection in shell("CLIENT", "LIST").splitlines():
            if b"user=" + prefix.strip(":").replace(":", "-").encode() in connection:
                shell("CLIENT", "KILL", "ID", dict(part.split(b"=", 1) for part in connection.split())[b"id"])
        assert await near.get("k") == "loaded"
    assert [text for text in caplog.messages if "every read asks it" in text] == [
        caplog.messages[0],
    ]
    assert "NOPERM" in caplog.messages[0] or "no permissions" in caplog.messages[0]


async def test_an_old_proxy_that_knows_no_tracking_is_no_obstacle(clock: FakeClock) -> None:
    fake = TrackingServer()
    fake.tracking = b"-ERR unknown subcommand 'TRACKING'\r\n"
    async with fake.running(), fake.service(clock=clock) as near:
        await near.set("k", "value", tags=["t"])
        for _ in range(3):
            fake.commands.clear()
            assert await near.get("k") == "value"
            assert len(fake.commands) >= 1
        assert near_of(near).copies == {}


async def test_without_pushes_who_waits_for_a_load_elsewhere_looks_again_and_again(
    limited: str, prefix: str, far: RedisService
) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        begun.set()
        await gate.wait()
        return "theirs"

    async def unwanted() -> str:
        raise AssertionError("it was loaded twice")

    async with RedisService(limited, key_prefix=prefix) as near:
        loading = asyncio.create_task(far.get_or_load("k", slow, lease=600))
        await begun.wait()
        waiting = asyncio.create_task(near.get_or_load("k", unwanted, lease=600, hard_timeout=None))
        for _ in range(3):  # commands of one who waits
            asked = near_of(near).proof.at
            await turned(lambda asked=asked: near_of(near).node.connection.proof.at > asked)  # type: ignore[misc]
        gate.set()
        assert await waiting == await loading == "theirs"
