"""A server on loopback that answers as it is told, and a relay that stands between a client and a real one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from ssl import SSLContext
from typing import TypeAlias, cast

import hiredis

__all__ = ["HELLO", "Answer", "FakeServer", "Relay", "Talk", "bulk", "closed_port"]

Command: TypeAlias = list[bytes]
HELLO = b"%5\r\n+server\r\n+fake\r\n+version\r\n+7.0.0\r\n+proto\r\n:3\r\n+id\r\n:1\r\n+mode\r\n+standalone\r\n"


def bulk(text: str | bytes) -> bytes:
    """A bulk string reply."""
    data = text.encode() if isinstance(text, str) else text
    return b"$%d\r\n%s\r\n" % (len(data), data)


class Talk(asyncio.Protocol):
    """One connection, seen from the server."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.number: int
        self.segments: list[bytes] = []
        self.commands: list[Command] = []
        self.ended = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._reader = hiredis.Reader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.number = len(self.server.talks)
        self.server.talks.append(self)
        if self.server.greeting:
            self.transport.write(self.server.greeting)

    def data_received(self, data: bytes) -> None:
        self.segments.append(data)
        self._reader.feed(data)
        while isinstance(words := self._reader.gets(), list):
            self.commands.append(words)
            self.server.commands.append(words)
            reply = self.server.answer(self, words)
            if reply is None:
                reply = self.server.usual(self, words)
            if reply and not self.transport.is_closing():
                self.transport.write(reply)
        self.server.heard.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def hang_up(self) -> bytes:
        """Reset the connection."""
        self.transport.abort()
        return b""


Answer: TypeAlias = Callable[[Talk, Command], bytes | None]
"""What to answer to a command: bytes, b"" for nothing, None for the usual."""


def _usually(talk: Talk, words: Command) -> bytes | None:
    return None


class FakeServer:
    """Answers HELLO, CLIENT, SELECT and TIME like a server, GET k with `value of k`, all else with OK."""

    def __init__(self, answer: Answer = _usually, *, greeting: bytes = b"") -> None:
        self.answer = answer
        self.greeting = greeting
        self.talks: list[Talk] = []
        self.commands: list[Command] = []
        self.heard = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server

    def usual(self, talk: Talk, words: Command) -> bytes:
        match [word.upper() for word in words[:2]]:
            case [b"HELLO", *_]:
                return HELLO
            case [b"CLIENT", b"INFO"]:
                host, port = talk.transport.get_extra_info("peername")[:2]
                return bulk(f"id={talk.number + 1} addr={host}:{port} laddr=x name=pika-redis db=0")
            case [b"TIME"]:
                return b"*2\r\n$10\r\n1700000000\r\n$6\r\n500000\r\n"
            case [b"GET", _]:
                return bulk(b"value of " + words[1])
            case [b"PING"]:
                return b"+PONG\r\n"
            case _:
                return b"+OK\r\n"

    def sent(self, name: str) -> list[Command]:
        """The commands of this name that came."""
        return [words for words in self.commands if words[0].upper() == name.encode()]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds that only something received can bring about."""
        while not condition():
            self.heard.clear()
            await self.heard.wait()

    @contextlib.asynccontextmanager
    async def running(
        self, host: str = "127.0.0.1", port: int = 0, tls: SSLContext | None = None
    ) -> AsyncIterator[FakeServer]:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Talk(self), host, port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Refuse connections, reset those that stand."""
        self._server.close()
        standing = [talk for talk in self.talks if not talk.ended.done()]
        for talk in standing:
            talk.transport.abort()
        if standing:
            await asyncio.wait([talk.ended for talk in standing])


class _Side(asyncio.Protocol):
    """One end of a relayed connection."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.other: _Side | None = None
        self.transport: asyncio.Transport | None = None
        self.waiting = bytearray()
        self.upstream = False
        self.held = False
        self.ended = asyncio.get_running_loop().create_future()
        relay.sides.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        self.pass_on()

    def pass_on(self) -> None:
        held = self.relay.hold_replies if self.upstream else self.relay.hold_commands
        if held or self.held or self.other is None or self.other.transport is None or not self.waiting:
            return
        data, self.waiting = bytes(self.waiting), bytearray()
        if self.upstream and self.relay.cut_after is not None:
            data = data[: self.relay.cut_after]
            self.relay.cut_after -= len(data)
        if not self.other.transport.is_closing():
            self.other.transport.write(data)
        if self.upstream and self.relay.cut_after == 0:
            self.relay.cut_after = None
            self.other.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.ended.set_result(None)
        if self.other is not None and self.other.transport is not None and self.relay.tell_ends:
            self.other.transport.close()


class Relay:
    """Passes bytes between clients and a server, or holds them back.

    `hold_commands` and `hold_replies` keep what comes, `hold_standing` only what comes by the connections that there
    are; `release` passes it on. `cut_after` ends the client's side after so many bytes of replies. With `tell_ends`
    False one side isn't told that the other has ended.
    """

    def __init__(self, port: int) -> None:
        self.sides: list[_Side] = []
        self.hold_commands = False
        self.hold_replies = False
        self.tell_ends = True
        self.cut_after: int | None = None
        self.port = 0
        self._target = port
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Relay]:
        """Listen."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.tell_ends = False
            await asyncio.gather(*self._tasks)
            for side in self.sides:
                if side.transport is not None:
                    side.transport.abort()
            standing = [side.ended for side in self.sides if side.transport is not None]
            if standing:
                await asyncio.wait(standing)

    def hold_standing(self) -> None:
        """Hold the commands of these connections back, not those of later ones."""
        for side in self.sides:
            side.held = not side.upstream

    def release(self) -> None:
        """Pass everything on that was held back, in order, also for clients that have gone."""
        self.hold_commands = self.hold_replies = False
        for side in self.sides:
            side.held = False
            side.pass_on()

    def cut(self) -> None:
        """End the clients' sides."""
        for side in self.sides:
            if not side.upstream and side.transport is not None:
                side.transport.abort()

    def _accept(self) -> _Side:
        client = _Side(self)
        task = asyncio.get_running_loop().create_task(self._connect(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return client

    async def _connect(self, client: _Side) -> None:
        _, server = await asyncio.get_running_loop().create_connection(lambda: _Side(self), "127.0.0.1", self._target)
        server.upstream = True
        client.other, server.other = server, client
        client.pass_on()


def closed_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
