"""Single reads of one turn of the loop: one command for them all, and each as true as if it were alone."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from pika_redis import AccessDeniedError, ArgumentError, CacheUnavailableError, OverloadedError, RedisService
from pika_redis.storage import along
from pika_redis.testing import EmbeddedServer, FaultyWire
from pika_redis.wire.connection import Connection
from pika_redis.wire.replies import Full

from ..wire.fake_server import Talk
from .conftest import StartOwn
from .raw import Raw
from .tap import Tap, near_of
from .test_costs import calls, ran
from .tracking_server import TrackingServer

KEYS = [f"k{number}" for number in range(50)]
VALUES = [f"value {number}" for number in range(50)]


@dataclass(frozen=True)
class Point:
    """A model."""

    x: int


@pytest.fixture
async def bare(server: EmbeddedServer, prefix: str) -> AsyncIterator[RedisService]:
    """A process that is told of no changes."""
    async with RedisService(server.url, key_prefix=prefix, l1=False) as service:
        await service.set("warm", "up")
        yield service


async def _along(service: RedisService, name: str) -> object:
    """What is found along with others, under a full name."""
    asked = service._store.ask_along(name)
    assert asked is not None
    found = await asked
    return await service._store.get(name, begun=found) if isinstance(found, along.Unsettled) else found


def expecting(service: RedisService) -> RedisService:
    """The service, which expects that several read in each turn, as it does after a turn in which they did."""
    if service._store.ask_along is not along.alone:
        found = along_of(service)
        found.joined(len(KEYS))
        found._rest, found._seen_at = 0, -1
    return service


async def get_all(service: RedisService, keys: Iterable[str] = KEYS) -> list[Any]:
    """All keys, each by a task of its own, in the same turn."""
    expecting(service)
    return list(await asyncio.gather(*[service.get(key) for key in keys], return_exceptions=True))


class Spiteful:
    """A user's class whose instances can be asked nothing."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("asked for its class")


class Boom(BaseException):
    """No `Exception`."""


@dataclass(frozen=True)
class Bomb:
    """A model that goes off when it is put into a set, if it is armed."""

    armed: ClassVar[bool] = False
    x: int

    def __hash__(self) -> int:
        if Bomb.armed:
            raise Boom
        return 1


def along_of(service: RedisService) -> along.Along:
    found = service._store.ask_along.__self__  # type: ignore[attr-defined]
    assert isinstance(found, along.Along)
    return found


async def loaded() -> str:
    return "value"


async def filled(service: RedisService) -> None:
    await service.set_many(dict(zip(KEYS, VALUES, strict=True)))


async def test_many_at_once_are_one_command(bare: RedisService, shell: Raw, tap: Tap) -> None:
    await filled(bare)
    before = calls(shell)
    with tap.on(bare) as asked:
        assert await get_all(bare) == VALUES
    assert ran(before, calls(shell)) == {"mget": 1}
    assert (asked.commands, asked.trips) == (1, 1)


async def test_a_crowd_finds_itself_and_who_is_alone_goes_alone(bare: RedisService, shell: Raw) -> None:
    await filled(bare)

    async def commands(keys: Sequence[str]) -> int:
        before = calls(shell)
        assert list(await asyncio.gather(*map(bare.get, keys))) == VALUES[: len(keys)]
        return ran(before, calls(shell))["mget"]

    found = [await commands(KEYS) for _ in range(5)]
    assert found[0] > 5  # nobody knew
    assert found[-2:] == [1, 1]
    assert [await commands(KEYS[:1]) for _ in range(30)] == [1] * 30
    assert await commands(KEYS) == 50  # they are no crowd any more
    few = [await commands(KEYS[:5]) for _ in range(40)]
    assert sum(few) > 40 * 4  # hardly ever together


async def test_crowds_of_any_size_from_some_on_find_themselves(bare: RedisService) -> None:
    await filled(bare)
    for size in range(13, 30):
        along_of(bare).joined(1)
        for _ in range(200):
            await asyncio.gather(*map(bare.get, KEYS[:size]))
            if along_of(bare)._was_crowd:
                break
        else:
            pytest.fail(f"{size} readers never met")


async def test_entries_of_all_kinds_are_what_they_are_alone(bare: RedisService, shell: Raw, prefix: str) -> None:
    kinds = {
        "text": "text", "none": None, "counter": 7, "list": [1, [2]], "long": "x" * 20_000, "random": os.urandom(9_000),
        "empty": "", "tuple": (1, 2), "model": Point(1), "large": "y" * 5_000,
    }  # fmt: skip
    await bare.get("model", type=Point)  # may be rebuilt from now on
    for at, (key, value) in enumerate(kinds.items()):
        await bare.set(key, value, ttl=10 ** (at % 5 + 1))
    await bare.set("tagged", "value", tags=["t"])
    await bare.get_or_load("extra", loaded, ttl=60, stale_if_error=60)
    await bare.set("marked", "value", ttl=60)
    await bare.mark_stale("marked")
    shell("SET", f"{prefix}foreign", "\x00no entry")
    shell("SET", f"{prefix}nothing", "")
    shell("RPUSH", f"{prefix}queue", "x")
    others = ["tagged", "extra", "marked", "foreign", "nothing", "queue", "absent"]
    keys = ["first", *kinds, *others]
    alone = [await bare.get(key) for key in keys]
    assert alone == [None, *kinds.values(), "value", "value", None, None, None, None, None]
    before = await bare.get_stats()
    assert await get_all(bare, keys) == alone
    after = await bare.get_stats()
    assert after.hits - before.hits == len(kinds) + 2
    assert after.misses - before.misses == len(keys) - len(kinds) - 2
    assert await get_all(bare, ["first", *KEYS[:3]]) == [None] * 4


async def test_what_can_be_changed_is_everybodys_own(bare: RedisService) -> None:
    await bare.set("k", [1])
    found = await get_all(bare, ["k"] * 5)
    for one in found:
        one.append(2)
    assert found == [[1, 2]] * 5
    assert await bare.get("k") == [1]


@pytest.mark.parametrize("way", ["delete", "clear", "tags"])
async def test_what_ended_elsewhere_is_not_given(bare: RedisService, far: RedisService, way: str) -> None:
    await bare.set_many(dict(zip(KEYS, VALUES, strict=True)), tags=["t"] if way == "tags" else [])
    assert await get_all(bare) == VALUES
    ends: dict[str, Callable[[], Awaitable[object]]] = {
        "delete": lambda: far.delete_many(KEYS),
        "clear": lambda: far.clear(sweep=False),
        "tags": lambda: far.invalidate_tags(["t"]),
    }
    await ends[way]()
    assert await get_all(bare) == [None] * len(KEYS)


async def test_what_was_set_before_in_the_same_turn_is_seen(bare: RedisService) -> None:
    await filled(bare)
    *_, third = await asyncio.gather(bare.set("k2", "new"), bare.get("k1"), bare.get("k2"))
    assert third == "new"


async def test_who_leaves_leaves_the_others_alone(bare: RedisService) -> None:
    await filled(bare)
    reading = [asyncio.ensure_future(expecting(bare).get(key)) for key in KEYS]
    await asyncio.sleep(0)
    for task in reading[::2]:
        task.cancel()
    await asyncio.wait(reading)
    assert [task.cancelled() for task in reading] == [True, False] * 25
    assert [task.result() for task in reading[1::2]] == VALUES[1::2]


async def test_a_key_that_cannot_be_sent_spoils_no_other(bare: RedisService) -> None:
    await filled(bare)
    await bare.set("schlüssel", "value")
    found = await get_all(bare, ["k0", "k1", "\ud800", "schlüssel", "k2"])
    assert isinstance(found.pop(2), ArgumentError)
    assert found == ["value 0", "value 1", "value", "value 2"]
    async with asyncio.timeout(20):  # a name that no service makes
        asking = [expecting(bare).get("k0"), *[_along(bare, name) for name in ("\ud800", bare.name_of("k1"))]]
        _, *settled = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(settled[0], ArgumentError)
    assert settled[1] == "value 1"


async def test_a_key_that_is_refused_spoils_no_other(start_own: StartOwn) -> None:
    own = start_own({})
    with Raw(own) as shell:
        shell("ACL", "SETUSER", "some", "on", ">sesame", "~pika:k*", "~pika:#*", "&*", "+@all")
    async with RedisService(own.url, l1=False) as other:
        await filled(other)
        await other.set("secret", "value")
    async with RedisService(own.url.replace("redis://", "redis://some:sesame@"), l1=False) as service:
        found = await get_all(service, [*KEYS, "secret", *KEYS])
        assert isinstance(found.pop(len(KEYS)), AccessDeniedError)
        assert found == VALUES * 2


async def test_without_room_they_are_refused_as_each_would_be(
    bare: RedisService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(bare)
    refused: list[object] = []
    send = Connection.send

    def without_room(connection: Connection, commands: Any, slots: Any, *, at_once: bool = False) -> None:
        if isinstance(slots[0], along._Turn):
            refused.append(commands)
            raise Full("no room")
        send(connection, commands, slots, at_once=at_once)

    monkeypatch.setattr(Connection, "send", without_room)
    assert await get_all(bare) == [None] * 50
    assert len(refused) == 1
    assert not near_of(bare).is_cut
    strict = bare.with_options(on_unavailable="raise")
    assert [type(one) for one in await get_all(strict)] == [OverloadedError] * 50


async def test_who_comes_to_a_server_that_is_gone_is_answered_from_memory(server: EmbeddedServer, prefix: str) -> None:
    async with FaultyWire(server.url) as wire, RedisService(wire.url, key_prefix=prefix, l1=False) as service:
        await filled(service)
        reading = [asyncio.ensure_future(expecting(service).get(key)) for key in KEYS]
        await asyncio.sleep(0)
        near_of(service).node.connection.close("it is gone")  # type: ignore[union-attr]
        async with asyncio.timeout(20):
            found = await asyncio.gather(*reading)
        assert all(one in (None, value) for one, value in zip(found, VALUES, strict=True))
        await service.connect()
        async with asyncio.timeout(20):
            while near_of(service).is_cut:
                await service.get("k0")
        assert await get_all(service) == VALUES


class Treacherous(TrackingServer):
    """From `turned` on it answers reads of several keys in its own way."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.turned = False
        self.answers = 0

    def _answer(self, talk: Talk, words: list[bytes]) -> bytes | None:
        if self.turned and words[0] == b"MGET" and len(words) > 3:
            self.answers += 1
            match self.how:
                case "too short":
                    return b"*2\r\n_\r\n_\r\n"
                case "too long":
                    return b"*%d\r\n" % len(words) + b"_\r\n" * len(words)
                case "numbers":
                    return b"*%d\r\n" % (len(words) - 1) + b":1\r\n" * (len(words) - 1)
                case "no list":
                    return b"+OK\r\n"
                case "loading":
                    return b"-LOADING it is loading\r\n"
                case _:
                    return talk.hang_up()
        return super()._answer(talk, words)


@pytest.mark.parametrize("how", ["too short", "too long", "numbers", "no list", "loading", "hangs up"])
async def test_what_is_no_answer_is_asked_for_again_by_each(how: str) -> None:
    treacherous = Treacherous(how)
    async with treacherous.running(), treacherous.service(l1=False, on_unavailable="raise") as service:
        await filled(service)
        treacherous.turned = True
        async with asyncio.timeout(20):
            assert await get_all(service) == VALUES
        assert treacherous.answers == 1


async def failed_reads(service: RedisService, own: EmbeddedServer) -> list[asyncio.Task[Any]]:
    """Reads of all keys in one turn, at whose end their server is killed."""
    await filled(service)
    reading = [asyncio.create_task(expecting(service).get(key)) for key in KEYS]
    await asyncio.sleep(0)
    own.kill()
    async with asyncio.timeout(20):
        await asyncio.wait(reading)
    assert all(isinstance(task.exception(), CacheUnavailableError) for task in reading)
    return reading


async def test_each_that_fails_has_an_error_of_its_own(start_own: StartOwn) -> None:
    own = start_own({})
    async with RedisService(own.url, l1=False, on_unavailable="raise", retry_attempts=0) as service:
        errors = [task.exception() for task in await failed_reads(service, own)]
        assert len({id(error) for error in errors}) == len(KEYS)
        assert len({id(error.__context__) for error in errors if error is not None}) == len(KEYS)


async def test_nobody_joins_when_the_server_is_cut_off_meanwhile(bare: RedisService) -> None:
    near, name = near_of(bare), bare.name_of("k")
    expecting(bare)
    sent = near.node.connection.call(("PING",))
    joined = bare._store.ask_along(name)
    near.standing.fail(CacheUnavailableError("it is gone"))
    assert bare._store.ask_along(name) is None
    assert joined is not None
    await asyncio.gather(sent, joined)


async def test_failed_reads_leave_nothing_for_the_garbage_collector(start_own: StartOwn) -> None:
    own = start_own({})
    async with RedisService(own.url, l1=False, on_unavailable="raise", retry_attempts=0) as service:
        reading = await failed_reads(service, own)
        gc.collect()
        gc.disable()
        try:
            reading.clear()
            await asyncio.sleep(0)
            left = [one for one in gc.get_objects() if type(one) is along.Unsettled]
        finally:
            gc.enable()
        assert left == []


async def test_a_refusal_of_all_is_counted_once() -> None:
    treacherous = Treacherous("loading")
    async with treacherous.running(), treacherous.service(l1=False, on_unavailable="raise") as service:
        await filled(service)
        treacherous.turned = True
        for turn in range(5):  # 49 of 99 calls would open the breaker
            assert await get_all(service) == VALUES
            assert treacherous.answers == turn + 1
            assert near_of(service).node.connection.usable


async def test_what_a_model_raises_is_raised_to_whoever_asked_for_it(
    bare: RedisService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(bare)
    await bare.get("bomb", type=Bomb)
    await bare.set("bomb", {Bomb(1)})
    monkeypatch.setattr(Bomb, "armed", True)
    async with asyncio.timeout(20):
        reading = [asyncio.ensure_future(expecting(bare).get(key)) for key in ["k0", "k1", "bomb", "k2"]]
        await asyncio.wait(reading)
    assert [type(task.exception()) for task in reading] == [type(None), type(None), Boom, type(None)]
    assert [reading[at].result() for at in (0, 1, 3)] == VALUES[:3]


async def test_nothing_is_asked_of_a_value(bare: RedisService, monkeypatch: pytest.MonkeyPatch) -> None:
    spiteful = Spiteful()
    monkeypatch.setattr(along_of(bare), "_judge", lambda raws, _: ([spiteful for _ in raws], []))
    assert all(one is spiteful for one in await get_all(bare, ["a", "b", "c"]))


async def test_while_cut_off_no_turn_begins(bare: RedisService) -> None:
    near = near_of(bare)
    sent = near.node.connection.call(("PING",))
    near.standing.fail(CacheUnavailableError("it is gone"))
    assert bare._store.ask_along(bare.name_of("k")) is None
    assert along_of(bare)._turn is along._NO_TURN
    await sent


async def test_large_values_share_a_command_with_fewer_others(bare: RedisService, shell: Raw) -> None:
    keys = [f"large{number}" for number in range(200)]
    await bare.set_many(dict.fromkeys(keys, os.urandom(150_000)))

    async def commands() -> int:
        before = calls(shell)
        found = await get_all(bare, keys)
        assert {len(one) for one in found} == {150_000}
        return ran(before, calls(shell))["mget"]

    assert await commands() == 1
    assert along_of(bare)._rest == 256
    before = calls(shell)
    await asyncio.gather(*map(bare.get, keys))
    assert ran(before, calls(shell))["mget"] == 200
    assert await commands() == -(-200 // 8)  # they try again
    await filled(bare)
    for _ in range(9):
        await get_all(bare)
    assert along_of(bare)._most == 256


async def test_small_ones_at_the_head_do_not_hide_how_large_the_others_are(bare: RedisService) -> None:
    keys = [f"large{number}" for number in range(40)]
    await bare.set_many(dict.fromkeys(keys, os.urandom(150_000)))
    await filled(bare)
    await get_all(bare, [*KEYS[:3], *keys])
    assert along_of(bare)._rest == 256


async def test_middling_values_share_with_fewer_others(bare: RedisService, shell: Raw) -> None:
    keys = [f"middling{number}" for number in range(200)]
    await bare.set_many(dict.fromkeys(keys, os.urandom(4_000)))
    await get_all(bare, keys)
    before = calls(shell)
    await get_all(bare, keys)
    assert ran(before, calls(shell))["mget"] == 4  # 65 fit into a quarter of a MiB


async def test_the_last_of_a_crowd_that_took_two_commands_is_no_small_crowd(bare: RedisService, shell: Raw) -> None:
    keys = [f"absent{number}" for number in range(257)]
    await get_all(bare, keys)
    before = calls(shell)
    assert await asyncio.gather(*map(bare.get, keys)) == [None] * 257
    assert ran(before, calls(shell)) == {"mget": 2}
    await asyncio.gather(*map(bare.get, keys[:5]))
    assert not along_of(bare)._was_crowd


async def test_more_than_fit_into_one_command(bare: RedisService, shell: Raw) -> None:
    before = calls(shell)
    assert await get_all(bare, [f"absent{number}" for number in range(1_000)]) == [None] * 1_000
    assert ran(before, calls(shell)) == {"mget": 4}


async def test_a_serializer_of_the_users_own_runs_where_it_was_asked_for(server: EmbeddedServer, prefix: str) -> None:
    seen: list[asyncio.Task[Any] | None] = []

    class Looks:
        def dumps(self, value: object) -> bytes:
            return str(value).encode()

        def loads(self, data: bytes) -> object:
            seen.append(asyncio.current_task())
            return data.decode()

    async with RedisService(server.url, key_prefix=prefix, l1=False, serializer=Looks()) as service:
        await filled(service)
        assert await get_all(service) == VALUES
    assert len({id(task) for task in seen}) == len(KEYS)
    assert None not in seen


# -- loops, threads and forks ------------------------------------------------------------------------------------------


def test_a_turn_of_a_loop_that_stopped_is_not_joined_from_another(server: EmbeddedServer, prefix: str) -> None:
    service = RedisService(server.url, key_prefix=prefix, l1=False)
    first = asyncio.new_event_loop()

    def open_a_turn() -> None:
        opened.append(expecting(service)._store.ask_along(service.name_of("k1")))
        first.stop()

    opened: list[object] = []
    first.run_until_complete(filled(service))
    first.call_soon(open_a_turn)
    first.run_forever()
    assert opened != [None]
    try:
        assert asyncio.run(_all_and_close(service)) == VALUES
    finally:
        first.run_until_complete(asyncio.sleep(0))
        first.run_until_complete(first.shutdown_asyncgens())
        first.close()


async def _all_and_close(service: RedisService) -> list[Any]:
    async with asyncio.timeout(20):
        found = await get_all(service)
        await service._nears._end(asyncio.get_running_loop())
        return found


def test_loops_of_several_threads_share_no_turn(server: EmbeddedServer, prefix: str) -> None:
    service = RedisService(server.url, key_prefix=prefix, l1=False)
    asyncio.run(filled(service))
    wrong: list[object] = []

    async def read() -> None:
        for _ in range(50):
            found = await get_all(service)
            if found != VALUES:
                wrong.append(found)

    threads = [threading.Thread(target=asyncio.run, args=(read(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    asyncio.run(service.aclose())


def test_the_last_of_them_keeps_no_loop_alive(server: EmbeddedServer, prefix: str) -> None:
    service = RedisService(server.url, key_prefix=prefix, l1=False)
    ended: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        ended.append(weakref.ref(asyncio.get_running_loop()))
        await filled(service)
        await get_all(service)

    asyncio.run(main())
    gc.collect()
    assert [loop() for loop in ended] == [None]
    asyncio.run(service.aclose())


async def test_a_child_does_not_join_a_turn_of_its_parents(bare: RedisService) -> None:
    await filled(bare)
    reading = [asyncio.ensure_future(expecting(bare).get(key)) for key in KEYS]
    await asyncio.sleep(0)  # a turn is open, and the loop seems to run in the child too
    assert along_of(bare)._turn is not along._NO_TURN
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if asyncio.run(_all_and_close(bare)) == VALUES else 2
        finally:
            os._exit(code)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert await asyncio.gather(*reading) == VALUES
