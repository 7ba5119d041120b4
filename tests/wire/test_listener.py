"""Who listens to the connection T is told everything in the order of the wire, and of no other connection."""

from __future__ import annotations

import asyncio

from pika_redis.wire.connection import Connection, Reply
from pika_redis.wire.endpoint import Endpoint
from pika_redis.wire.framing import Push
from pika_redis.wire.handshake import ServerFacts
from pika_redis.wire.limits import Limits
from pika_redis.wire.listener import Nobody
from pika_redis.wire.node import Node, Repeat

from .fake_server import FakeServer, Talk, bulk
from .timing import on_both_loops, turned

PUSH = b">2\r\n$10\r\ninvalidate\r\n*1\r\n"


class Diary:
    """Notes what it is told, and what its node's observers see."""

    def __init__(self) -> None:
        self.lines: list[object] = []

    def made(self, connection: Connection, facts: ServerFacts) -> None:
        self.lines.append(("made", facts.untracked))

    def pushed(self, push: Push) -> None:
        self.lines.append(("pushed", push[1]))

    def resumed(self) -> None:
        raise AssertionError("nothing stalls here")

    def lost(self) -> None:
        self.lines.append("lost")

    def see(self, reply: Reply) -> Reply:
        self.lines.append(reply)
        return reply


def node_for(server: FakeServer, diary: Diary) -> Node:
    endpoint = Endpoint("127.0.0.1", server.port, limits=Limits())
    return Node(asyncio.get_running_loop(), endpoint, listener=diary, track=True)


@on_both_loops
async def test_pushes_and_replies_in_one_segment_are_told_in_wire_order() -> None:
    def answer(talk: Talk, words: list[bytes]) -> bytes | None:
        if words[0] != b"GET":
            return None
        name = words[1]
        return PUSH + bulk(b"before " + name) + bulk(name) + PUSH + bulk(b"after " + name)

    diary = Diary()
    async with FakeServer(answer).running() as server:
        node = node_for(server, diary)
        await node.ready()
        await asyncio.gather(*[node.call(("GET", name), Repeat.ALWAYS, diary.see) for name in "abc"])
        assert diary.lines == [
            ("made", None),
            *[
                line
                for name in (b"a", b"b", b"c")
                for line in (("pushed", [b"before " + name]), name, ("pushed", [b"after " + name]))
            ],
        ]
        await node.aclose()


@on_both_loops
async def test_a_loss_is_told_once_and_before_the_next_connection() -> None:
    diary = Diary()
    async with FakeServer().running() as server:
        node = node_for(server, diary)
        await node.call(("GET", "a"), Repeat.ALWAYS, diary.see)
        server.talks[-1].hang_up()
        await turned(lambda: "lost" in diary.lines)
        await node.call(("GET", "b"), Repeat.ALWAYS, diary.see)
        assert diary.lines == [("made", None), b"value of a", "lost", ("made", None), b"value of b"]
        await node.aclose()
        assert diary.lines[-1] == "lost"


@on_both_loops
async def test_a_connection_that_ends_before_it_is_made_is_not_told_of() -> None:
    def answer(talk: Talk, words: list[bytes]) -> bytes | None:
        return talk.hang_up() if words[0] == b"HELLO" and not talk.number else None

    diary = Diary()
    async with FakeServer(answer).running() as server:
        node = node_for(server, diary)
        assert await node.call(("GET", "a"), Repeat.ALWAYS, diary.see) == b"value of a"
        assert len(server.talks) == 2
        assert diary.lines == [("made", None), b"value of a"]
        await node.aclose()


@on_both_loops
async def test_the_other_connections_tell_nothing_and_are_not_tracked() -> None:
    diary = Diary()
    async with FakeServer().running() as server:
        node = node_for(server, diary)
        await node.ready()
        async with node.exclusive() as spare:
            await spare.call(("GET", "a"))
            server.talks[-1].transport.write(PUSH + bulk("k"))
            await spare.call(("GET", "b"))
        assert [b"TRACKING" in [words[1] for words in talk.commands if len(words) > 1] for talk in server.talks] == [
            True,
            False,
        ]
        server.talks[-1].hang_up()
        await server.talks[-1].ended
        await asyncio.sleep(0)
        assert diary.lines == [("made", None)]
        await node.aclose()


@on_both_loops
async def test_who_is_not_told_of_changes_knows_why() -> None:
    def answer(talk: Talk, words: list[bytes]) -> bytes | None:
        return b"-NOPERM no right to it\r\n" if words[:2] == [b"CLIENT", b"TRACKING"] else None

    diary = Diary()
    async with FakeServer(answer).running() as server:
        node = node_for(server, diary)
        await node.ready()
        assert len(diary.lines) == 1
        assert "NOPERM no right to it" in str(diary.lines[0])
        await node.aclose()


@on_both_loops
async def test_tracking_is_asked_for_in_the_mode_that_misses_nothing() -> None:
    diary = Diary()
    async with FakeServer().running() as server:
        node = node_for(server, diary)
        await node.ready()
        (asked,) = [words for words in server.commands if words[1:2] == [b"TRACKING"]]
        assert asked == [b"CLIENT", b"TRACKING", b"ON"]  # never NOLOOP, BCAST, OPTIN, REDIRECT
        await node.aclose()


@on_both_loops
async def test_nobody_is_told_nothing_and_no_tracking_is_asked_for() -> None:
    async with FakeServer().running() as server:
        node = Node(asyncio.get_running_loop(), Endpoint("127.0.0.1", server.port))
        await node.ready()
        server.talks[-1].transport.write(PUSH + bulk("k"))
        assert await node.call(("GET", "a")) == b"value of a"
        assert not [words for words in server.commands if words[1:2] == [b"TRACKING"]]
        assert isinstance(node._listener, Nobody)
        await node.aclose()
