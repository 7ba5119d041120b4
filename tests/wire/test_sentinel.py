"""Finding, leaving and believing a primary, with sentinels and servers that say what they are told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from pika_redis.errors import AccessDeniedError, CacheUnavailableError
from pika_redis.testing import FakeClock
from pika_redis.wire.connection import Connection
from pika_redis.wire.endpoint import Credentials, Endpoint, SentinelSet
from pika_redis.wire.limits import Limits
from pika_redis.wire.node import Node
from pika_redis.wire.progress import Proof

from .fake_sentinel import FakePrimary, FakeSentinel
from .fake_server import FakeServer, closed_port
from .timing import on_both_loops, turned


@dataclass
class Group:
    """Three sentinels, a primary and another server."""

    sentinels: list[FakeSentinel]
    one: FakePrimary
    other: FakePrimary
    clock: FakeClock
    node: Node

    @property
    def t(self) -> Connection:
        assert isinstance(self.node.connection, Connection)
        return self.node.connection

    @property
    def port(self) -> int:
        """Where T went last."""
        place = None if self.node.facts is None else self.node.facts.place
        return 0 if place is None else place.port

    async def at(self) -> int:
        """The port of the server that answers."""
        reply = await self.node.call(("ECHO", "x"))
        assert isinstance(reply, bytes)
        return int(reply)

    async def watched(self) -> FakeSentinel:
        """The sentinel that is listened to."""
        await turned(lambda: any(sentinel.subscribed for sentinel in self.sentinels))
        return next(sentinel for sentinel in self.sentinels if sentinel.subscribed)

    @property
    def proven(self) -> float:
        """For when the primary is proven, if T alone had been heard of just now."""
        recent = Proof()
        recent.at = self.clock.monotonic()
        return self.node.proof(recent).at


def endpoint(*sentinels: FakeServer, **parts: object) -> Endpoint:
    hosts = tuple(("127.0.0.1", sentinel.port) for sentinel in sentinels)
    group = replace(SentinelSet(hosts, "mymaster"), **parts)  # type: ignore[arg-type]
    return Endpoint(limits=Limits(stall=5.0), connect_timeout=5.0, sentinels=group)


@contextlib.asynccontextmanager
async def group(**parts: object) -> AsyncIterator[Group]:
    async with contextlib.AsyncExitStack() as stack:
        one, other = FakePrimary(), FakePrimary()
        for server in (one, other):
            await stack.enter_async_context(server.running())
        sentinels = [FakeSentinel(one.place) for _ in range(3)]
        for sentinel in sentinels:
            await stack.enter_async_context(sentinel.running())
        clock = FakeClock()
        node = Node(asyncio.get_running_loop(), endpoint(*sentinels, **parts), clock)
        stack.push_async_callback(node.aclose)
        yield Group(sentinels, one, other, clock, node)


# -- locating ----------------------------------------------------------------------------------------------------------


@on_both_loops
async def test_the_first_sentinel_that_answers_is_asked_and_no_other() -> None:
    async with group() as those:
        await those.sentinels[0].stop()
        assert await those.at() == those.one.port
        assert those.sentinels[1].sent("SENTINEL")
        assert not those.sentinels[2].commands


async def test_the_one_that_answered_last_is_asked_first() -> None:
    async with group() as those:
        those.sentinels[0].denied = {b"SENTINEL"}
        assert await those.at() == those.one.port
        assert await those.watched() is those.sentinels[1]
        those.sentinels[0].commands.clear()
        those.t.close()
        assert await those.at() == those.one.port
        assert those.sentinels[0].commands == []


async def test_a_sentinel_that_is_silent_costs_a_bounded_time() -> None:
    async with group() as those:
        those.sentinels[0].silent = True
        assert await those.at() == those.one.port


async def test_a_sentinel_that_is_behind_is_not_believed() -> None:
    async with group() as those:
        for sentinel in those.sentinels:
            sentinel.place, sentinel.epoch = those.other.place, 4
        assert await those.at() == those.other.port
        await those.watched()
        for sentinel in those.sentinels[:2]:
            sentinel.place, sentinel.epoch = those.one.place, 3
        those.t.close()
        assert await those.at() == those.other.port


async def test_a_majority_that_was_set_up_anew_is_believed() -> None:
    async with group() as those:
        for sentinel in those.sentinels:
            sentinel.epoch = 4
        assert await those.at() == those.one.port
        for sentinel in those.sentinels:
            sentinel.place, sentinel.epoch = those.other.place, 0
        those.t.close()
        assert await those.at() == those.other.port


async def test_a_replica_is_refused_and_the_primary_located_again() -> None:
    async with group() as those:
        those.one.role = "replica"
        with pytest.raises(
            CacheUnavailableError, match=r"127\.0\.0\.1:\d+: it is not the primary: its role is replica"
        ):
            await those.node.ready()
        assert not those.one.sent("ECHO")
        for sentinel in those.sentinels:
            sentinel.place, sentinel.epoch = those.other.place, 1
        await turned(lambda: those.node.connection.usable)
        assert await those.at() == those.other.port


async def test_a_name_that_no_sentinel_knows_is_told_with_the_sentinels() -> None:
    async with group(master="mymastr") as those:
        with pytest.raises(CacheUnavailableError) as refused:
            await those.node.ready()
    ports = ", ".join(f"127.0.0.1:{sentinel.port}" for sentinel in those.sentinels)
    assert str(refused.value) == f"no sentinel watches a master named 'mymastr'; asked were {ports}"


async def test_without_any_sentinel_each_says_why() -> None:
    ports = [closed_port() for _ in range(2)]
    hosts = tuple(("127.0.0.1", port) for port in ports)
    node = Node(asyncio.get_running_loop(), Endpoint(sentinels=SentinelSet(hosts, "mymaster")))
    with pytest.raises(CacheUnavailableError, match="no sentinel of mymaster can be asked") as refused:
        await node.ready()
    await node.aclose()
    assert all(f"127.0.0.1:{port}: cannot connect" in str(refused.value) for port in ports)


async def test_a_server_in_the_place_of_a_sentinel_is_told_apart() -> None:
    async with FakeServer().running() as server:
        node = Node(asyncio.get_running_loop(), endpoint(server))
        with pytest.raises(CacheUnavailableError, match=r"it is no sentinel: .* begins with redis://"):
            await node.ready()
        await node.aclose()
        assert {words[0] for words in server.commands} == {b"HELLO", b"CLIENT"}


async def test_a_sentinel_in_the_place_of_a_server_is_told_apart() -> None:
    async with FakeSentinel(("127.0.0.1", 1)).running() as sentinel:
        node = Node(asyncio.get_running_loop(), Endpoint("127.0.0.1", sentinel.port))
        with pytest.raises(CacheUnavailableError, match=r"it is a sentinel: its URL begins with redis\+sentinel://"):
            await node.ready()
        await node.aclose()


@on_both_loops
async def test_sentinels_have_a_login_of_their_own() -> None:
    login = Credentials("bob", "sesame", setting="REDIS_SENTINEL_PASSWORD")
    async with group(credentials=login) as those:
        await those.at()
        assert those.sentinels[0].sent("HELLO")[0] == [b"HELLO", b"3", b"AUTH", b"bob", b"sesame"]
        assert those.one.sent("HELLO")[0] == [b"HELLO", b"3"]


async def test_sentinels_that_ask_for_a_password_name_its_setting() -> None:
    async with group(credentials=Credentials(setting="REDIS_SENTINEL_PASSWORD")) as those:
        for sentinel in those.sentinels:
            sentinel.answer = lambda *_: b"-NOAUTH HELLO must be called with the client already authenticated\r\n"
        with pytest.raises(AccessDeniedError, match=r"none is set \(REDIS_SENTINEL_PASSWORD\)"):
            await those.node.ready()


# -- leaving -----------------------------------------------------------------------------------------------------------


@on_both_loops
async def test_when_the_primary_is_another_one_connections_to_the_old_are_closed_at_once() -> None:
    async with group() as those:
        assert await those.at() == those.one.port
        async with those.node.exclusive() as x:
            assert x.usable
        old = those.t
        (await those.watched()).tell(those.other.place)
        await old.closed
        assert await those.at() == those.other.port
        assert x.closed.done()
        async with those.node.exclusive() as x:
            assert await x.call(("ECHO", "x")) == str(those.other.port).encode()


async def test_an_attempt_that_hangs_at_the_old_one_is_given_up() -> None:
    async with group() as those:
        assert await those.at() == those.one.port
        watched = await those.watched()
        those.one.silent = True
        those.t.close()
        hellos = len(those.one.sent("HELLO"))
        await those.one.until(lambda: len(those.one.sent("HELLO")) > hellos)
        watched.tell(those.other.place)
        assert await those.at() == those.other.port


async def test_the_sentinel_that_told_of_it_is_asked_where() -> None:
    async with group() as those:
        assert await those.at() == those.one.port
        watched = await those.watched()
        watched.tell(those.other.place)  # the others haven't heard yet
        await turned(lambda: those.port == those.other.port)
        assert await those.at() == those.other.port


async def test_one_that_has_not_heard_of_it_yet_is_not_believed() -> None:
    async with group() as those:
        assert await those.at() == those.one.port
        watched = await those.watched()
        watched.denied = {b"SENTINEL"}
        late, silent = (sentinel for sentinel in those.sentinels if sentinel is not watched)
        silent.denied = {b"SENTINEL"}
        t = those.t
        watched.tell(those.other.place)
        await t.closed
        with pytest.raises(CacheUnavailableError, match="the sentinels that answer are behind"):
            await those.node.ready()
        late.place, late.epoch = those.other.place, 1
        await turned(lambda: those.node.connection.usable)
        assert await those.at() == those.other.port


async def test_news_that_names_the_same_primary_or_another_master_changes_nothing() -> None:
    async with group() as those:
        assert await those.at() == those.one.port
        t, watched = those.t, await those.watched()
        watched.tell(those.one.place)
        watched.master = b"another"
        watched.tell(those.other.place)
        assert await those.at() == those.one.port
        assert those.t is t


async def test_when_the_sentinel_dies_another_one_is_listened_to_and_asked_what_was_missed() -> None:
    async with group() as those:
        assert await those.at() == those.one.port
        old, watched = those.t, await those.watched()
        for sentinel in those.sentinels:
            if sentinel is not watched:
                sentinel.place, sentinel.epoch = those.other.place, 1
        await watched.stop()
        await old.closed
        assert await those.at() == those.other.port
        assert await those.watched() is not watched


async def test_a_user_who_may_not_subscribe_does_without() -> None:
    async with group() as those:
        for sentinel in those.sentinels:
            sentinel.denied = {b"SUBSCRIBE"}
        assert await those.at() == those.one.port
        await turned(lambda: any(map(_stands_without_subscribing, those.sentinels)))
        assert all(len(sentinel.sent("SUBSCRIBE")) == 1 for sentinel in those.sentinels)
        assert await those.at() == those.one.port


def _stands_without_subscribing(sentinel: FakeSentinel) -> bool:
    standing = [[words[0] for words in talk.commands] for talk in sentinel.talks if not talk.ended.done()]
    return any(b"SENTINEL" in names and b"SUBSCRIBE" not in names for names in standing)


async def test_a_primary_that_becomes_a_replica_is_left() -> None:
    async with group() as those:
        assert await those.at() == those.one.port
        old = those.t
        await those.watched()
        for sentinel in those.sentinels:
            sentinel.place, sentinel.epoch = those.other.place, 1
        assert those.node.became("replica")
        async with asyncio.timeout(5):  # before the sentinel is asked in any case
            await old.closed
        assert await those.at() == those.other.port


async def test_a_write_that_a_replica_refuses_is_repeated_at_the_primary() -> None:
    async with group() as those:
        assert await those.at() == those.one.port
        for sentinel in those.sentinels:
            sentinel.place, sentinel.epoch = those.other.place, 1
        those.one.role = "replica"
        assert await those.node.call(("SET", "k", "v")) == b"OK"
        assert those.other.sent("SET") == [[b"SET", b"k", b"v"]]


# -- believing ---------------------------------------------------------------------------------------------------------


async def test_the_proof_is_as_old_as_the_last_word_of_a_sentinel() -> None:
    async with group() as those:
        began = those.clock.monotonic()
        await those.at()
        await those.watched()
        those.clock.advance(2)
        assert those.proven == began
        those.node.confirm()
        await turned(lambda: those.proven == began + 2)


async def test_without_the_demand_for_proof_the_word_of_the_server_counts() -> None:
    async with group(proves=False) as those:
        await those.at()
        those.clock.advance(100)
        assert those.proven == those.clock.monotonic()


@pytest.mark.parametrize("fate", ["silent", "behind"])
async def test_when_one_sentinel_is_of_no_use_most_of_the_others_do(fate: str) -> None:
    async with group() as those:
        for sentinel in those.sentinels:
            sentinel.epoch = 4
        await those.at()
        watched = await those.watched()
        if fate == "silent":
            watched.silent = True
        else:
            watched.epoch = 3
        those.clock.advance(2)
        those.node.confirm()
        await turned(lambda: those.proven == those.clock.monotonic())
        assert await those.at() == those.one.port


async def test_without_a_majority_there_is_no_proof() -> None:
    async with group() as those:
        began = those.clock.monotonic()
        await those.at()
        await those.watched()
        watched = await those.watched()
        watched.epoch = -1
        for sentinel in those.sentinels:
            if sentinel is not watched:
                sentinel.denied = {b"SENTINEL"}
                sentinel.commands.clear()
        those.clock.advance(2)
        those.node.confirm()
        await turned(lambda: all(one is watched or one.sent("SENTINEL") for one in those.sentinels))
        assert await those.at() == those.one.port
        assert those.proven == began


async def test_sentinels_that_give_no_proof_are_not_hammered() -> None:
    async with group() as those:
        await those.at()
        await those.watched()
        for sentinel in those.sentinels:
            sentinel.denied = {b"GET-MASTER-ADDR-BY-NAME"}
            sentinel.commands.clear()
        for _ in range(100):
            those.node.confirm()
            await asyncio.sleep(0.001)
        assert sum(len(sentinel.sent("HELLO")) for sentinel in those.sentinels) <= 3


async def test_when_most_sentinels_name_another_primary_the_old_one_is_left() -> None:
    async with group() as those:
        await those.at()
        old = those.t
        await those.watched()
        for sentinel in those.sentinels:
            sentinel.denied = {b"MASTER"}  # without epochs
            sentinel.place = those.other.place
        those.node.confirm()
        await old.closed
        assert await those.at() == those.other.port


async def test_one_sentinel_alone_that_disagrees_is_not_enough() -> None:
    async with group() as those:
        await those.at()
        t, watched = those.t, await those.watched()
        watched.place = those.other.place  # and of the same epoch
        those.clock.advance(2)
        those.node.confirm()
        others = [sentinel for sentinel in those.sentinels if sentinel is not watched]
        await turned(lambda: all(sentinel.sent("SENTINEL") for sentinel in others))
        await turned(lambda: those.proven == those.clock.monotonic())
        assert those.t is t


async def test_closing_leaves_no_connection_to_a_sentinel() -> None:
    async with group() as those:
        await those.at()
        watched = await those.watched()
        await those.node.aclose()
        await turned(lambda: not watched.subscribed)
        assert all(talk.ended.done() for sentinel in those.sentinels for talk in sentinel.talks)
