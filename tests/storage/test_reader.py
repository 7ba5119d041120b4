"""What a read asks, and how what it finds is judged: with a server that tells of changes, and with one that doesn't."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pika_redis import CacheServerError, RedisService
from pika_redis.storage.reader import Reader

from .tap import is_served, near_of, server_of
from .tracking_server import TrackingServer, push

EPOCH, TAG = "p:#e", "p:#t:t"


@pytest.fixture
async def fake() -> AsyncIterator[TrackingServer]:
    async with TrackingServer().running() as server:
        assert isinstance(server, TrackingServer)
        yield server


@pytest.fixture
async def telling(fake: TrackingServer) -> AsyncIterator[RedisService]:
    """A service that is told of changes; ``k`` is tagged and ``plain`` is not. It knows no nonce yet."""
    async with fake.service() as service:
        await service.set("k", "value", tags=["t"])
        await service.set("plain", "value")
        near_of(service).nonces.clear()
        fake.commands.clear()
        yield service


@pytest.fixture
async def mute(fake: TrackingServer) -> AsyncIterator[RedisService]:
    """The same with a server that tells nothing."""
    fake.tracking = b"-ERR no\r\n"
    async with fake.service() as service:
        await service.set("k", "value", tags=["t"])
        await service.set("plain", "value")
        fake.commands.clear()
        yield service


def reader_of(service: RedisService) -> Reader:
    return server_of(service)._reader


def asked(fake: TrackingServer) -> list[str]:
    """The commands so far, and forget them."""
    lines = [b" ".join(words).decode() for words in fake.commands]
    fake.commands.clear()
    return lines


async def test_known_nonces_make_a_read_one_get(fake: TrackingServer, telling: RedisService) -> None:
    read = reader_of(telling).read
    record = await read("p:k", ["t"])
    assert record is not None
    assert record.live is True
    assert asked(fake) == [f"MGET {EPOCH} {TAG} p:k"]
    await read("p:k", ["t"])
    await read("p:k")
    assert asked(fake) == ["GET p:k", "GET p:k"]


async def test_only_what_is_not_known_is_read_along(fake: TrackingServer, telling: RedisService) -> None:
    read = reader_of(telling).read
    await read("p:plain")
    assert asked(fake) == [f"MGET {EPOCH} p:plain"]
    await read("p:k", ["t"])
    assert asked(fake) == [f"MGET {TAG} p:k"]


async def test_tags_that_only_the_entry_names_are_read_behind_it_once(
    fake: TrackingServer, telling: RedisService
) -> None:
    read = reader_of(telling).read
    record = await read("p:k")
    assert record is not None
    assert record.live is True
    assert asked(fake) == [f"MGET {EPOCH} p:k", f"MGET {EPOCH} {TAG}"]
    await read("p:k")
    assert asked(fake) == ["GET p:k"]


async def test_a_dead_entry_is_told_from_a_live_one(fake: TrackingServer, telling: RedisService) -> None:
    read = reader_of(telling).read
    fake.data[TAG.encode()] = b"T" + b"another." + b"\xff" * 4
    for tags in (["t"], []):
        record = await read("p:k", tags)
        assert record is not None
        assert record.live is False
    near_of(telling).nonces.clear()
    del fake.data[TAG.encode()]
    record = await read("p:k", ["t"])
    assert record is not None
    assert record.live is None  # a missing tag was invalidated
    assert await telling.get("k") is None
    assert not is_served(telling)


async def test_an_entry_that_is_known_to_be_dead_makes_no_copy(fake: TrackingServer, telling: RedisService) -> None:
    fake.data[TAG.encode()] = b"T" + b"another." + b"\xff" * 4
    await reader_of(telling).read("p:k", ["t"])
    assert near_of(telling).copies == {}


async def test_several_keys_are_one_command_and_their_tags_one_more(
    fake: TrackingServer, telling: RedisService
) -> None:
    records = await reader_of(telling).read_many(["p:k", "p:absent", "p:plain"])
    assert [record and record.live for record in records] == [True, None, True]
    assert asked(fake) == [f"MGET {EPOCH} p:k p:absent p:plain", f"MGET {EPOCH} {TAG}"]
    await reader_of(telling).read_many(["p:k", "p:plain"])
    assert asked(fake) == ["MGET p:k p:plain"]


async def test_another_command_goes_before_a_read(fake: TrackingServer, telling: RedisService) -> None:
    other, record = await reader_of(telling).read_behind(("ECHO", "x"), "p:plain")
    assert record is not None
    assert other == b"OK"
    assert len(fake.talks[-1].segments) >= 2
    assert asked(fake) == ["ECHO x", f"MGET {EPOCH} p:plain"]


async def test_a_key_of_another_type_is_a_miss_and_a_count(fake: TrackingServer, telling: RedisService) -> None:
    await telling.get("plain")
    usual = fake.answer
    fake.answer = lambda talk, words: b"-WRONGTYPE no string\r\n" if words[0] == b"GET" else usual(talk, words)
    assert await reader_of(telling).read("p:list") is None
    assert telling._counters.undecodable == 1
    fake.answer = lambda talk, words: b"-ERR broken\r\n" if words[0] == b"GET" else usual(talk, words)
    with pytest.raises(CacheServerError, match="broken"):
        await reader_of(telling).read("p:list")


async def test_an_entry_is_judged_by_the_nonces_as_they_stand_when_its_reply_is_parsed(
    fake: TrackingServer, telling: RedisService
) -> None:
    """A push right before the reply, in the same segment: what was known when the read was sent is not enough."""
    read = reader_of(telling).read
    await read("p:k", ["t"])
    usual = fake.answer

    def invalidated(talk: object, words: list[bytes]) -> bytes | None:
        if words[0] != b"GET":
            return usual(talk, words)  # type: ignore[arg-type]
        del fake.data[TAG.encode()]
        fake.answer = usual
        return push(TAG) + (usual(talk, words) or b"")  # type: ignore[arg-type]

    fake.answer = invalidated
    record = await read("p:k", ["t"])
    assert record is not None
    assert record.live is None
    fake.commands.clear()
    assert await telling.get("k") is None


async def test_a_strict_read_takes_the_epoch_and_the_named_tags_along_although_they_are_known(
    fake: TrackingServer, telling: RedisService
) -> None:
    read = reader_of(telling).read
    await read("p:k", ["t"])
    asked(fake)
    record = await read("p:k", ["t"], strict=True)
    assert record is not None
    assert record.live is True
    assert asked(fake) == [f"MGET {EPOCH} {TAG} p:k"]
    fake.data[TAG.encode()] = b"T" + b"another." + b"\xff" * 4  # a change that was never told
    record = await read("p:k", strict=True)
    assert record is not None
    assert record.live is False
    assert asked(fake) == [f"MGET {EPOCH} p:k", f"MGET {EPOCH} {TAG}"]


# -- a server that tells nothing --------------------------------------------------------------------------------------


async def test_without_pushes_the_epoch_and_named_tags_are_read_every_time(
    fake: TrackingServer, mute: RedisService
) -> None:
    read = reader_of(mute).read
    for _ in range(2):
        record = await read("p:k", ["t"])
        assert record is not None
        assert record.live is True
    assert asked(fake) == [f"MGET {EPOCH} {TAG} p:k"] * 2
    assert near_of(mute).copies == {}


async def test_without_pushes_a_tag_that_was_not_read_along_is_read_behind(
    fake: TrackingServer, mute: RedisService
) -> None:
    read = reader_of(mute).read
    await read("p:k", ["t"])
    asked(fake)
    fake.data[TAG.encode()] = b"T" + b"another." + b"\xff" * 4
    record = await read("p:k")
    assert record is not None
    assert record.live is False
    assert asked(fake) == [f"MGET {EPOCH} p:k", f"MGET {EPOCH} {TAG}"]


async def test_without_pushes_an_entry_of_another_epoch_needs_no_second_look(
    fake: TrackingServer, mute: RedisService
) -> None:
    fake.data[EPOCH.encode()] = b"T" + b"another." + b"\xff" * 4
    record = await reader_of(mute).read("p:k")
    assert record is not None
    assert record.live is False
    assert asked(fake) == [f"MGET {EPOCH} p:k"]


async def test_without_pushes_a_plain_get_is_one_round_trip(fake: TrackingServer, mute: RedisService) -> None:
    assert await mute.get("plain") == "value"
    assert asked(fake) == [f"MGET p:plain {EPOCH}"]
    assert await mute.get("k") == "value"
    assert asked(fake) == [f"MGET p:k {EPOCH}", f"MGET {EPOCH} {TAG}"]
    fake.data[TAG.encode()] = b"T" + b"another." + b"\xff" * 4
    assert await mute.get("k") is None
