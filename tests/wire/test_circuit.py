"""A node whose server mostly fails is left alone, and probed one PING at a time."""

from __future__ import annotations

import asyncio

import pytest

from pika_redis.errors import CacheUnavailableError
from pika_redis.wire.backoff import RetryPolicy
from pika_redis.wire.breaker import LEAST
from pika_redis.wire.endpoint import Endpoint
from pika_redis.wire.node import Node

from .fake_server import Command, FakeServer, Talk
from .timing import turned

LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"


class Loading(FakeServer):
    """Takes connections, and answers every command with LOADING while `loads` is set."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.loads = True

    def _answer(self, talk: Talk, words: Command) -> bytes | None:
        return LOADING if self.loads and words[0] in (b"GET", b"PING") else None


def node_at(server: FakeServer) -> Node:
    endpoint = Endpoint("127.0.0.1", server.port, retry=RetryPolicy(0, 0.01, patient=False))
    return Node(asyncio.get_running_loop(), endpoint)


async def failed(node: Node, times: int) -> None:
    for _ in range(times):
        with pytest.raises(CacheUnavailableError):
            await node.call(("GET", "k"))


async def test_a_loading_server_is_asked_no_more_and_then_by_one_ping_at_a_time() -> None:
    async with Loading().running() as server:
        assert isinstance(server, Loading)
        node = node_at(server)
        await failed(node, LEAST)
        await failed(node, 100)
        assert len(server.sent("GET")) == LEAST
        with pytest.raises(CacheUnavailableError, match="left alone: the server can't serve now: LOADING"):
            await node.call(("GET", "k"))
        await server.until(lambda: bool(server.sent("PING")))
        assert not node.connection.usable
        server.loads = False
        await turned(lambda: node.connection.usable)
        assert await node.call(("GET", "k")) == b"value of k"
        assert len(server.sent("PING")) <= 3
        assert len(server.talks) == 1  # the connection was kept
        await node.aclose()


async def test_it_stays_open_over_a_new_connection_until_the_probe_is_answered() -> None:
    async with Loading().running() as server:
        assert isinstance(server, Loading)
        node = node_at(server)
        await failed(node, LEAST)
        server.talks[0].hang_up()
        await server.until(lambda: len(server.talks) == 2)
        await server.until(lambda: bool(server.sent("PING")))
        await failed(node, 1)
        server.loads = False
        await turned(lambda: node.connection.usable)
        assert await node.call(("GET", "k")) == b"value of k"
        await node.aclose()


async def test_a_server_that_fails_now_and_then_is_not_left_alone() -> None:
    async with Loading().running() as server:
        assert isinstance(server, Loading)
        node = node_at(server)
        for number in range(4 * LEAST):
            server.loads = number % 4 == 0
            if server.loads:
                await failed(node, 1)
            else:
                await node.call(("GET", "k"))
        assert node.connection.usable
        await node.aclose()


async def test_closing_ends_the_probing() -> None:
    async with Loading().running() as server:
        node = node_at(server)
        await failed(node, LEAST)
        await node.aclose()
        assert node._circuit._timer is not None
        assert node._circuit._timer.cancelled()


async def test_what_the_first_attempt_took_counts_for_the_second() -> None:
    """The connection breaks when most of the patience is spent, and the next one doesn't come."""
    loop = asyncio.get_running_loop()

    def answer(talk: Talk, words: Command) -> bytes | None:
        if talk.number == 0 and words[0] == b"GET":
            loop.call_later(0.35, talk.hang_up)
            return b""
        return None if talk.number == 0 else b""

    async with FakeServer(answer).running() as server:
        node = Node(loop, Endpoint("127.0.0.1", server.port, retry=RetryPolicy(0, 0.01)))
        await node.ready()
        lost: list[float] = []
        again = node._once_more

        async def once_more(send: object, seconds: float) -> object:
            lost.append(seconds)
            return await again(send, min(seconds, 0.01))  # type: ignore[arg-type]

        node._once_more = once_more  # type: ignore[method-assign, assignment]
        with pytest.raises(CacheUnavailableError):
            await node.call(("GET", "k"))
        assert 0.5 <= lost[0] <= 0.8  # of one second
        await node.aclose()
