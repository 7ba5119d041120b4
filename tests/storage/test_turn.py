"""Single writes of one turn of the loop: one read of the epoch behind them, and each as true as if it were alone."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest

from pika_redis import OutcomeUnknownError, RedisService
from pika_redis.storage.sealing import Sealing
from pika_redis.storage.turn import Turn
from pika_redis.testing import EmbeddedServer
from pika_redis.wire.connection import Connection
from pika_redis.wire.replies import Full

from ..wire.fake_server import Talk
from .raw import Raw
from .tap import Tap, is_served, near_of, server_of
from .test_costs import calls, ran, warmed
from .tracking_server import TrackingServer

KEYS = [f"k{number}" for number in range(50)]


@pytest.fixture
async def bare(server: EmbeddedServer, prefix: str) -> AsyncIterator[RedisService]:
    """A process that is not told of changes, and has written before: it knows the epoch as it was."""
    async with RedisService(server.url, key_prefix=prefix, l1=False) as service:
        await service.set("warm", "up")
        yield service


async def set_all(service: RedisService, value: str = "value") -> None:
    """All keys, each by a task of its own, in the same turn."""
    await asyncio.gather(*[service.set(key, value) for key in KEYS])


async def test_many_at_once_are_one_command_each_and_two_reads_of_the_epoch(
    near: RedisService, shell: Raw, tap: Tap
) -> None:
    await warmed(near)
    before = calls(shell)
    with tap.on(near) as asked:
        await set_all(near)
    assert ran(before, calls(shell)) == {"set": len(KEYS), "mget": 2}  # the first did not know that others come
    assert asked.trips == 2
    assert await near.get_many(KEYS) == ["value"] * len(KEYS)


async def test_no_two_have_the_same_identity(bare: RedisService, shell: Raw, prefix: str) -> None:
    await set_all(bare)
    identities = {shell("GET", prefix + key)[:9] for key in KEYS}
    assert len(identities) == len(KEYS)


async def test_values_of_all_kinds_keep_their_own_life_and_form(bare: RedisService) -> None:
    kinds = {"none": None, "counter": 7, "long": "x" * 20_000, "text": "text", "list": [1, 2]}
    await asyncio.gather(*[bare.set(key, value, ttl=60 + at) for at, (key, value) in enumerate(kinds.items())])
    for at, (key, value) in enumerate(kinds.items()):
        found, left = await bare.get_with_ttl(key)
        assert found == value
        assert left == pytest.approx(60 + at, abs=5)
    assert await bare.increment("counter") == 8


async def test_an_epoch_that_ended_unnoticed_ends_none_of_them(bare: RedisService, far: RedisService) -> None:
    await far.clear(sweep=False)
    await set_all(bare)
    assert await bare.get_many(KEYS) == ["value"] * len(KEYS)
    assert await far.get_many(KEYS) == ["value"] * len(KEYS)


async def test_an_epoch_that_is_learnt_between_two_of_them_ends_none(
    bare: RedisService, far: RedisService, shell: Raw, prefix: str
) -> None:
    await far.clear(sweep=False)
    await far.set("other", "value")  # makes the new epoch, of which `bare` does not know yet
    epoch_key = bare._namespace.epoch_key
    near = near_of(bare)

    async def learn() -> None:
        near.learn(epoch_key, shell("GET", epoch_key), near.generation)

    await asyncio.gather(bare.set("a", 1.5), bare.set("b", 1.5), learn(), bare.set("c", 1.5), bare.set("d", 1.5))
    assert await far.get_many(["a", "b", "c", "d"]) == [1.5] * 4


async def test_an_own_write_ends_the_copy_before_the_server_tells_of_it() -> None:
    silent = TrackingServer()  # it tells of nothing
    async with silent.running(), silent.service() as service:
        await set_all(service, "old")
        for _ in range(2):
            assert await service.get_many(KEYS) == ["old"] * len(KEYS)
        assert is_served(service, KEYS[7])
        await set_all(service, "new")
        assert await service.get_many(KEYS) == ["new"] * len(KEYS)


async def test_one_that_is_cancelled_stays_ahead_of_a_later_delete(bare: RedisService) -> None:
    async def give_up(key: str) -> None:
        writing = asyncio.ensure_future(bare.set(key, "old"))
        await asyncio.sleep(0)
        writing.cancel()
        await bare.delete(key)

    await asyncio.gather(*map(give_up, KEYS))
    assert await bare.get_many(KEYS) == [None] * len(KEYS)


async def test_a_value_that_cannot_be_stored_spoils_no_other(bare: RedisService) -> None:
    results = await asyncio.gather(
        bare.set("a", "value"), bare.set("b", object()), bare.set("c", "value"), return_exceptions=True
    )
    assert [type(result).__name__ for result in results] == ["NoneType", "SerializationError", "NoneType"]
    assert await bare.get_many(["a", "c"]) == ["value"] * 2


async def test_without_room_for_the_read_they_are_written_again(
    bare: RedisService, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Sequence[Any]] = []
    send = Connection.send

    def without_room(connection: Connection, commands: Sequence[Any], slots: Sequence[Any]) -> None:
        if isinstance(slots[0], Turn):
            refused.append(commands)
            raise Full("no room")
        send(connection, commands, slots)

    monkeypatch.setattr(Connection, "send", without_room)
    await set_all(bare)
    assert len(refused) == 1
    assert await bare.get_many(KEYS) == ["value"] * len(KEYS)


async def test_without_room_to_write_again_the_outcome_is_unknown(
    server: EmbeddedServer, prefix: str, shell: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RedisService(server.url, key_prefix=prefix, l1=False, on_unavailable="raise") as service:
        await service.set("warm", "up")
        full = False
        send = Connection.send

        def without_room(connection: Connection, commands: Sequence[Any], slots: Sequence[Any]) -> None:
            nonlocal full
            full = full or isinstance(slots[0], Turn)
            if full:
                raise Full("no room")
            send(connection, commands, slots)

        monkeypatch.setattr(Connection, "send", without_room)
        results = await asyncio.gather(*[service.set(key, "value") for key in KEYS], return_exceptions=True)
        assert [type(result) for result in results] == [type(None), *[OutcomeUnknownError] * (len(KEYS) - 1)]
        assert all(shell("EXISTS", prefix + key) for key in KEYS)  # "nothing was sent" would not be true


async def test_a_write_without_an_answer_is_not_confirmed_by_the_read(bare: RedisService) -> None:
    """It may wait for room, or have moved to a younger connection, which the read did not."""
    near, queued = near_of(bare), []

    class Elsewhere:
        def send(self, _: object, slots: Sequence[Any]) -> None:
            queued.append(slots[0])

    epoch_key = bare._namespace.epoch_key
    epoch = near.nonces.at(epoch_key).now
    assert epoch is not None
    turn = Turn(near, cast("Connection", Elsewhere()), epoch_key, Sealing(server_of(bare)._records, epoch, 0, 1))
    answered, late = turn.write("a", ("SET", "a", "v")), turn.write("b", ("SET", "b", "v"))
    await asyncio.sleep(0)
    first, second, read = queued
    first.set_result(b"OK")
    read.set_result([b"T" + epoch + bytes(4)])
    assert await answered == (b"OK", epoch)
    assert not late.done()
    second.set_result(b"OK")
    assert await late == (b"OK", None)


def test_the_last_of_them_keeps_no_loop_alive(server: EmbeddedServer, prefix: str) -> None:
    service = RedisService(server.url, key_prefix=prefix)
    ended: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        ended.append(weakref.ref(asyncio.get_running_loop()))
        await set_all(service)
        await set_all(service)

    asyncio.run(main())
    gc.collect()
    assert [loop() for loop in ended] == [None]
    asyncio.run(service.aclose())


class Treacherous(TrackingServer):
    """From `turned` on it does something else with reads of the epoch behind several writes."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.turned = False
        self.times = 2

    def _answer(self, talk: Talk, words: list[bytes]) -> bytes | None:
        if self.turned and self.what == "it loads" and self.times and words[0] in (b"SET", b"MGET"):
            self.times -= words[0] == b"MGET"
            return b"-LOADING it is loading\r\n"
        if self.turned and self.what == "it is lost" and words == [b"MGET", b"p:#e"]:
            self.times -= 1
            if self.times == 0:  # the first is that of who is alone
                return talk.hang_up()
        return super()._answer(talk, words)


async def test_a_connection_lost_before_the_read_leaves_the_outcome_unknown() -> None:
    treacherous = Treacherous("it is lost")
    async with treacherous.running(), treacherous.service(l1=False, on_unavailable="raise") as service:
        await service.set("warm", "up")
        treacherous.turned = True
        results = await asyncio.gather(*[service.set(key, "value") for key in KEYS[:4]], return_exceptions=True)
        assert [type(result) for result in results] == [type(None), *[OutcomeUnknownError] * 3]
        assert all("closed the connection" in str(result) for result in results[1:])
        causes = {id(result.__cause__) for result in results if isinstance(result, BaseException)}
        assert len(causes) == 3  # each of them gets a traceback of its own
        await set_all(service)
        assert await service.get_many(KEYS) == ["value"] * len(KEYS)


async def test_what_a_loading_server_did_not_run_is_sent_again() -> None:
    treacherous = Treacherous("it loads")
    async with treacherous.running(), treacherous.service(l1=False, on_unavailable="raise") as service:
        await service.set("warm", "up")
        treacherous.turned = True
        await set_all(service)
        assert await service.get_many(KEYS) == ["value"] * len(KEYS)
