"""A server that is short of memory stops tracking keys at any command, also between two that were sent together.

So the push that ends a nonce or a copy may stand between the replies of one batch. What is learnt from an earlier
reply when the last one is seen would be believed for ever: the server tells of no change any more. The same holds of
what is learnt after the `await`. So the rule is: in the parser, and from the last reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from pika_redis import Loaded, RedisService
from pika_redis.storage.near import Near
from pika_redis.storage.nonces import Nonces
from pika_redis.testing import EmbeddedServer, FakeClock, unique_prefix
from pika_redis.wire.framing import Command, Reply
from pika_redis.wire.replies import Full
from pika_redis.wire.slots import Observer
from pika_redis.wire.steps import Step, resolved

from .raw import Raw
from .tap import near_of

TAGS = ["a", "b", "c"]


async def load() -> str:
    return "loaded"


async def load_with_late_tags() -> Loaded[str]:
    return Loaded("loaded", tags=["late", "later"])


async def load_bulk(keys: list[str]) -> dict[str, str]:
    return dict.fromkeys(keys, "loaded")


async def guarded(service: RedisService) -> None:
    async with service.guard(["k"], tags=TAGS):
        pass


async def add_to_a_loaded_integer(service: RedisService) -> None:
    await service.get_or_load("n", lambda: 5)
    await service.increment("n")


async def load_a_marked_one(service: RedisService) -> None:
    for _ in range(2):
        await service.get_or_load("m", load, tags=TAGS, stale_while_revalidate=60)
        await ended(service)
        await service.mark_stale("m")


VERBS: dict[str, Callable[[RedisService], Awaitable[Any]]] = {
    "get": lambda service: service.get("k"),
    "get strict": lambda service: service.get("k", consistency="strict"),
    "get_many": lambda service: service.get_many(["k", "other"]),
    "get_with_ttl": lambda service: service.get_with_ttl("k"),
    "remaining_ttl": lambda service: service.remaining_ttl("k"),
    "exists": lambda service: service.exists("k"),
    "touch": lambda service: service.touch("k", ttl=100),
    "set": lambda service: service.set("k", "new", tags=TAGS),
    "set_many": lambda service: service.set_many({"k": "new", "l": "new"}, tags=TAGS),
    "add": lambda service: service.add("absent", "new", tags=TAGS),
    "increment": add_to_a_loaded_integer,
    "delete": lambda service: service.delete("k"),
    "mark_stale": lambda service: service.mark_stale("k"),
    "invalidate_tags": lambda service: service.invalidate_tags(["a"]),
    "guard": guarded,
    "get_or_load, a hit": lambda service: service.get_or_load("k", load, tags=TAGS),
    "get_or_load, a miss": lambda service: service.get_or_load("absent", load, tags=TAGS),
    "get_or_load, marked": load_a_marked_one,
    "get_or_load, late tags": lambda service: service.get_or_load("absent", load_with_late_tags, tags=TAGS),
    "get untagged": lambda service: service.get("plain"),
    "get_with_ttl untagged": lambda service: service.get_with_ttl("plain"),
    "get_or_load_many": lambda service: service.get_or_load_many(["k", "absent"], load_bulk, tags=TAGS),
}


def known(service: RedisService) -> set[str]:
    """The keys of which this process holds a copy or a nonce."""
    near = near_of(service)
    return {*near.copies, *(key for key, nonce in near.nonces._nonces.items() if nonce.now is not None)}


async def ended(service: RedisService) -> None:
    """Loads that nobody waits for are over."""
    flights = service._reads.flights.get()
    while flights._tasks:
        await asyncio.wait(flights._tasks)


async def untold(service: RedisService, shell: Raw) -> set[str]:
    """What is still believed when all of it has changed."""
    for key in known(service):
        shell("SET", key, "something else")
    await near_of(service).hear()
    return known(service)


@pytest.fixture(scope="module", params=["valkey", "redis"])
def little(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    request.getfixturevalue(f"{request.param}_server")  # skips where there is none
    with EmbeddedServer.start(request.param, config={"tracking-table-max-keys": "1"}) as own:
        yield own


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def stranger(server: EmbeddedServer, clock: FakeClock) -> RedisService:
    """A process that is not connected yet, to a server that has entries."""
    prefix = unique_prefix()
    async with RedisService(server.url, key_prefix=prefix) as other:
        for tag in ("late", "later"):
            await other.set("other", "value", tags=[tag])
        await other.set("k", "value", tags=TAGS)
        await other.set("plain", 1.5)
    return RedisService(server.url, key_prefix=prefix, clock=clock)


@pytest.fixture
async def service(little: EmbeddedServer, clock: FakeClock) -> AsyncIterator[RedisService]:
    """Of a server that tracks one key at a time."""
    fresh = await stranger(little, clock)
    yield fresh
    await fresh.aclose()


@pytest.fixture
async def believer(server: EmbeddedServer, clock: FakeClock) -> AsyncIterator[RedisService]:
    """Of a server that tracks whatever was read, so that everything is kept."""
    fresh = await stranger(server, clock)
    yield fresh
    await fresh.aclose()


@pytest.fixture
def shell(little: EmbeddedServer) -> Iterator[Raw]:
    with Raw(little) as connection:
        yield connection


@pytest.fixture
async def unruly(believer: RedisService, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that are learnt, or copied, other than from the reply that was parsed just now."""
    near, found, read = near_of(believer), list[str](), set[object]()

    def seen_with(command: Command, see: Observer) -> Observer:
        def seen(reply: Reply) -> Reply:
            read.update(command)
            try:
                return see(reply)
            finally:
                read.clear()

        return seen

    def checked(usual: Callable[..., None]) -> Callable[..., None]:
        def check(it: object, key: str, *more: object) -> None:
            if near.tracks and key not in read:
                found.append(key)
            usual(it, key, *more)

        return check

    def tapped(step: Step) -> Step:
        (last,) = resolved(step.commands[-1:], set())
        return step._replace(see=step.see and seen_with(last, step.see))

    node = near.single
    ask, ask_many, ask_steps = node.ask, node.ask_many, node.ask_steps
    monkeypatch.setattr(node, "ask", lambda what, see: ask(what, see and seen_with(what, see)))
    monkeypatch.setattr(node, "ask_many", lambda what, see: ask_many(what, see and seen_with(what[-1], see)))
    monkeypatch.setattr(node, "ask_steps", lambda steps, **more: ask_steps([tapped(one) for one in steps], **more))
    monkeypatch.setattr(Nonces, "learn", checked(Nonces.learn))
    monkeypatch.setattr(Near, "keep", checked(Near.keep))
    return found


@pytest.mark.parametrize("verb", VERBS)
async def test_nothing_is_learnt_but_from_the_reply_that_was_parsed_just_now(
    believer: RedisService, unruly: list[str], verb: str
) -> None:
    for _ in range(2):  # knowing nothing, and knowing what the first call left
        await VERBS[verb](believer)
        await ended(believer)
    assert unruly == []


@pytest.mark.parametrize("verb", VERBS)
async def test_whatever_a_verb_has_learnt_is_told_of_when_it_changes(
    service: RedisService, shell: Raw, verb: str
) -> None:
    for _ in range(2):  # knowing nothing, and knowing what the first call left
        await VERBS[verb](service)
        await ended(service)
        assert await untold(service, shell) == set()


async def test_nonces_that_are_read_again_are_told_of_though_they_fill_several_commands(
    service: RedisService, shell: Raw, clock: FakeClock
) -> None:
    shell("CONFIG", "SET", "tracking-table-max-keys", 0)  # no limit
    keys = [f"k{number}" for number in range(40)]
    for key in keys:
        await service.set(key, "value", tags=[f"{key}:{number}" for number in range(60)])
    for _ in range(2):  # read, and then compared: the nonces are in use
        assert await service.get_many(keys) == ["value"] * 40
    assert len(known(service)) > 2400
    clock.advance(31)
    await near_of(service).hear()  # a sign of life
    shell("CONFIG", "SET", "tracking-table-max-keys", 1)
    assert await service.get("k0") == "value"  # a hit that lets the nonces be read again
    while int(Raw.figure(shell("INFO", "stats"), "tracking_total_keys")) > 1:
        await near_of(service).hear()
    assert await untold(service, shell) == set()


async def test_a_sign_of_life_is_awaited_also_when_there_is_no_room_for_the_nonces_behind_it(
    believer: RedisService, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await believer.get("k") == await believer.get("k") == "value"
    near = near_of(believer)
    await near.hear()
    clock.advance(31)
    await near.hear()
    ask = near.single.ask

    def no_room(command: Command, see: Observer | None) -> asyncio.Future[Reply]:
        if command[0] == "MGET":
            raise Full("no room")
        return ask(command, see)

    monkeypatch.setattr(near.single, "ask", no_room)
    assert await believer.get("k") == "value"
    assert near._asking
    await near.hear()
    assert not near._asking
