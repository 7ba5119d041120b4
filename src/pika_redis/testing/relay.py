"""One connection through a faulty wire: two lanes of messages, and what the faults make of them.

What TCP promises, a fault doesn't break: bytes come in order, and none is missing between others. So a message that is
late holds back those behind it; a message that is dropped takes all behind it along (the connection is dead, and
nobody is told), and such a connection can't be healed, only cut. A lane that is stalled keeps what it has, the end of
the connection too, and delivers it when it is released, also for a client that has gone since: that is how a command
lands long after its caller gave up.

An error that stands in for the server's reply waits for its turn behind the replies to earlier commands.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import Final, TypeAlias

from .faults import Direction, Fault, Faults, Place
from .messages import Messages, words_of

__all__ = ["Gates", "Relay", "reset"]

Gates: TypeAlias = Mapping[Direction, asyncio.Event]
"""For each direction whether it is open: an event that is set."""

_READ: Final = 65536
_MOST_WAITING: Final = 1 << 20  # bytes; then the sender has to wait, as with any full buffer
_RESET: Final = struct.pack("ii", 1, 0)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close by RST: what is unsent is lost, and the other side reads an error."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class _Lane:
    """One direction of one connection."""

    def __init__(self, faults: Faults, gate: asyncio.Event, place: Place, out: asyncio.StreamWriter) -> None:
        self.dead = False
        """Whether it swallowed something, and so everything that follows."""
        self.cut = asyncio.Event()
        """Set when a message was broken off."""
        self._faults = faults
        self._gate = gate
        self._place = place
        self._out = out
        self._waiting: deque[tuple[float, bytes, bool]] = deque()
        self._bytes = 0
        self._due = 0.0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def place(self) -> Place:
        """Of the message that came last."""
        return self._place

    def count(self) -> None:
        """The next message has come."""
        self._place = self._place._replace(number=self._place.number + 1)

    def put(self, message: bytes) -> None:
        """Send a message, or what the faults leave of it; the empty one is the end."""
        faults, place = self._faults, self._place
        self.dead = self.dead or (bool(message) and faults.strikes(Fault.DROP, place))
        if self.dead:
            return
        now = asyncio.get_running_loop().time()
        late = bool(message) and faults.strikes(Fault.DELAY, place)
        self._due = max(self._due, now + faults.seconds * late)
        if message and faults.strikes(Fault.GARBLE, place):
            message = faults.garbled(message, place)
        broken = bool(message) and faults.strikes(Fault.BREAK_OFF, place)
        self._waiting.append((self._due, message[: (len(message) + 1) // 2] if broken else message, broken))
        self._bytes += len(message)
        if self._bytes > _MOST_WAITING:
            self._room.clear()
        self._changed.set()

    async def has_room(self) -> None:
        """Wait until more may be put."""
        await self._room.wait()

    async def carry(self) -> None:
        """Deliver what is put, until the end or until a message is broken off."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._waiting:
                self._changed.clear()
                await self._changed.wait()
            due, message, broken = self._waiting.popleft()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            for piece in _pieces(message, self._faults.piece):
                await self._gate.wait()
                self._out.write(piece)
                await self._out.drain()
            await self._gate.wait()
            if broken:
                self.cut.set()
            if broken or not message:
                return
            self._bytes -= len(message)
            if self._bytes <= _MOST_WAITING:
                self._room.set()


class Relay:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(
        self,
        number: int,
        faults: Faults,
        gates: Gates,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._faults = faults
        self._client, self._to_client = client
        self._server, self._to_server = server
        self._commands = _Lane(faults, gates["commands"], Place(number, "commands", 0), self._to_server)
        self._replies = _Lane(faults, gates["replies"], Place(number, "replies", 0), self._to_client)
        self._turns: deque[bytes | None] = deque()  # for each command: the error that answers it; None = the server
        self._pushes_subscriptions = False

    @property
    def maimed(self) -> bool:
        """Whether bytes are missing on it, so that it can't be used any more."""
        return self._commands.dead or self._replies.dead

    async def run(self) -> None:
        """Relay until both sides have ended; then both connections are closed."""
        work = [
            asyncio.create_task(one)
            for one in (
                self._take_commands(),
                self._take_replies(),
                self._deliver(self._commands, self._to_server),
                self._deliver(self._replies, self._to_client),
            )
        ]
        try:
            await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._to_client.transport.abort()
            self._to_server.transport.abort()

    def hang_up(self, *, rst: bool) -> None:
        """End the client's connection; `run` is to be cancelled."""
        if rst:
            reset(self._to_client)
        else:
            self._to_client.close()

    async def _deliver(self, lane: _Lane, to: asyncio.StreamWriter) -> None:
        try:
            await lane.carry()
        except OSError:  # whom it was for has gone
            return
        if lane.cut.is_set():
            reset(to)
            self._to_server.transport.abort()
        else:
            to.close()

    async def _take_commands(self) -> None:
        async for message in _messages(self._client):
            self._commands.count()
            words = words_of(message)
            error = self._faults.answer_to(words, self._commands.place)
            if error is not None:
                self._turns.append(error)
                self._answer()
                continue
            self._await_reply(words)
            self._commands.put(message)
            await self._commands.has_room()
        self._commands.put(b"")

    async def _take_replies(self) -> None:
        async for message in _messages(self._server):
            self._replies.count()
            if self._turns and not message.startswith(b">"):
                self._turns.popleft()
            self._replies.put(message)
            self._answer()
            await self._replies.has_room()
        self._replies.put(b"")

    def _await_reply(self, words: list[str]) -> None:
        name = words[0].upper() if words else ""
        if name == "HELLO" and len(words) > 1:
            self._pushes_subscriptions = words[1] == "3"
        if not (name.endswith("SUBSCRIBE") and self._pushes_subscriptions):
            self._turns.append(None)

    def _answer(self) -> None:
        """Send the errors whose turn it is."""
        while self._turns and (error := self._turns[0]) is not None:
            self._turns.popleft()
            self._replies.count()
            self._replies.put(error)


async def _messages(source: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Whole messages until the end, and at last what there is of one that wasn't completed."""
    messages = Messages()
    with suppress(OSError):
        while data := await source.read(_READ):
            for message in messages.feed(data):
                yield message
    if rest := messages.rest():
        yield rest


def _pieces(message: bytes, size: int | None) -> Iterator[bytes]:
    if size is None:
        yield message
        return
    for at in range(0, len(message), size):
        yield message[at : at + size]
