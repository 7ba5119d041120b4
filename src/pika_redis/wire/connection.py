"""One multiplexed, auto-pipelined connection.

Strategy. Every caller of an event loop shares one socket. A command is packed at once, takes a *slot* in a FIFO
and leaves with all other commands of the same loop tick in a single write; the n-th reply belongs to the n-th slot.

Invariants:

1. A slot is appended in the same step as its bytes, and removed only by a reply or by the end of the connection.
   A caller that is cancelled or gives up *abandons* its slot: its reply is parsed and dropped in order. So the
   connection never has to be closed because a caller left, and no reply can reach another caller.
2. After a protocol error, an oversized reply or a push we can't frame the connection closes; it never guesses.
3. Nothing queues without a bound: at most `in_flight` slots and `unsent_bytes` not yet taken by the socket;
   above either, `call` refuses with `Full` and the caller waits for `room`.
4. *Give up early, hang up late.* Without any byte from the server for `stall` seconds while replies are due, the
   waiting callers get a timeout and new ones are refused, but the connection lives on; a late reply finds its
   abandoned slot. After `command_timeout` seconds it is dead. A hiccup of the server is no storm of reconnects.

One timer per connection watches progress, and only while replies are due: no timer a call.
Source of the hazard that rule 1 avoids: CVE-2023-28858, replies off by one after a cancelled command.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import hiredis

from ..errors import CacheTimeoutError
from .replies import Disconnected, reply_error

__all__ = ["Argument", "Command", "Connection", "Full", "Limits", "NoConnection", "Reply", "Stalled"]

Argument: TypeAlias = str | bytes | int | float
Command: TypeAlias = tuple[Argument, ...]
Reply: TypeAlias = object
"""What the server said: bytes, int, float, bool, None, list or dict of such."""

_NOT_ENOUGH = object()
_pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # its stub knows one-tuples alone
_ReplyError = hiredis.ReplyError
_Push = hiredis.PushNotification


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection; times in seconds."""

    stall: float = 1.0
    command_timeout: float = 5.0
    in_flight: int = 10_000
    unsent_bytes: int = 32 * 1024 * 1024
    reply_bytes: int = 512 * 1024 * 1024


class Full(Disconnected):
    """The connection has no room now; wait for `Connection.room`."""


class Stalled(Disconnected, CacheTimeoutError):
    """The server makes no progress; nothing more is queued behind what it owes."""


class _Slot(Protocol):
    """Where a reply goes. A Future is one; so is a `_Batch`, which takes several."""

    def done(self) -> bool: ...
    def set_result(self, result: Reply, /) -> None: ...
    def set_exception(self, exception: BaseException, /) -> None: ...


class _Batch:
    """Consecutive slots that resolve one future with the list of their replies; error replies stand in the list."""

    __slots__ = ("future", "left", "replies")

    def __init__(self, future: asyncio.Future[list[Reply]], size: int) -> None:
        self.future = future
        self.left = size
        self.replies: list[Reply] = []

    def done(self) -> bool:
        return self.future.done()

    def set_result(self, result: Reply, /) -> None:
        self.replies.append(result)
        self.left -= 1
        if not self.left:
            self.future.set_result(self.replies)

    def set_exception(self, exception: BaseException, /) -> None:
        if isinstance(exception, Disconnected):
            self.future.set_exception(exception)
        else:
            self.set_result(exception)


class Connection(asyncio.Protocol):
    """The protocol object of one socket. `call` and `call_many` are synchronous: they queue and return a future."""

    __slots__ = (
        "__weakref__",
        "_limits",
        "_loop",
        "_lost",
        "_on_lost",
        "_out",
        "_progress",
        "_reader",
        "_room",
        "_slots",
        "_stalled",
        "_transport",
        "_unsent",
        "_watch",
        "_writable",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits, on_lost: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._limits = limits
        self._on_lost = on_lost
        self._reader = hiredis.Reader(notEnoughData=_NOT_ENOUGH)
        self._slots: deque[_Slot] = deque()
        self._out: list[bytes] = []
        self._unsent = 0
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._progress = 0.0
        self._stalled = False
        self._writable = True
        self._lost: Disconnected | None = None
        self._room: asyncio.Future[None] | None = None

    # -- callers -----------------------------------------------------------------------------------------------

    def call(self, command: Command) -> asyncio.Future[Reply]:
        """Queue one command; the future gives the reply or raises.

        Raises `Disconnected` (with `sent` False) at once when the connection is closed, full or stalled.
        """
        packed = _pack(command)
        slots = self._slots
        out = self._out
        if not out:
            self._admit(1)
            self._loop.call_soon(self._flush)
        elif len(slots) >= self._limits.in_flight or self._unsent > self._limits.unsent_bytes:
            self._admit(1)
        future: asyncio.Future[Reply] = self._loop.create_future()
        slots.append(future)
        out.append(packed)
        self._unsent += len(packed)
        return future

    def call_many(self, commands: Sequence[Command]) -> asyncio.Future[list[Reply]]:
        """Queue several commands as one; the future gives their replies in order, error replies among them.

        Raises as `call`. Raises ValueError for no commands at all.
        """
        if not commands:
            raise ValueError("call_many needs at least one command")
        packed = b"".join([_pack(command) for command in commands])
        self._admit(len(commands))
        if not self._out:
            self._loop.call_soon(self._flush)
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        batch = _Batch(future, len(commands))
        self._slots.extend([batch] * len(commands))
        self._out.append(packed)
        self._out.extend([b""] * (len(commands) - 1))  # `_out` keeps one item a slot
        self._unsent += len(packed)
        return future

    async def room(self) -> None:
        """Wait until there is room again, or the connection is lost."""
        if self._room is None or self._room.done():
            self._room = self._loop.create_future()
        await asyncio.shield(self._room)

    @property
    def in_flight(self) -> int:
        """Replies that are due, abandoned ones included."""
        return len(self._slots)

    @property
    def usable(self) -> bool:
        """Whether a call now would be queued, but for lack of room."""
        return self._lost is None and not self._stalled and self._transport is not None

    def close(self, reason: str = "the connection was closed") -> None:
        """Close at once; callers that wait get `Disconnected`."""
        self._fail(reason)
        if self._transport is not None and not self._loop.is_closed():
            self._transport.abort()

    def abandon(self) -> None:
        """Drop this process's copy of the socket without touching the loop or talking to the server.

        The descriptor is pointed at the null device, so that whoever closes it later closes nothing else.
        """
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        if sock is None or sock.fileno() < 0:
            return
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, sock.fileno())
        os.close(null)

    # -- asyncio ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's transports are no subclasses
        stream.set_write_buffer_limits(high=1024 * 1024)
        self._transport = stream

    def data_received(self, data: bytes) -> None:
        self._progress = self._loop.time()
        self._stalled = False
        slots = self._slots
        reader = self._reader
        gets = reader.gets
        try:
            reader.feed(data)
            while True:
                reply = gets()
                if reply is _NOT_ENOUGH:
                    break
                kind = type(reply)
                if kind is _Push:
                    continue
                slot = slots.popleft()
                if not slot.done():
                    if kind is _ReplyError:
                        slot.set_exception(reply_error(str(reply)))
                    else:
                        slot.set_result(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self.close(f"the server sent what no reply looks like ({type(error).__name__})")
            return
        if reader.len() > self._limits.reply_bytes:
            self.close(f"a reply is larger than {self._limits.reply_bytes} bytes")
        elif self._room is not None and self._has_room(1):
            self._open_room()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._out:
            self._flush()
        self._open_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection" if exc is None else f"the connection broke: {exc}")
        self._transport = None

    # -- inside -----------------------------------------------------------------------------------------------

    def _has_room(self, more: int) -> bool:
        due = len(self._slots)
        fits = due + more <= self._limits.in_flight or not due  # one oversized batch may go alone
        return fits and self._unsent <= self._limits.unsent_bytes

    def _admit(self, more: int) -> None:
        if self._lost is not None:
            raise Disconnected(str(self._lost), sent=False)
        if self._stalled:
            raise Stalled("the server makes no progress", sent=False)
        if not self._has_room(more):
            raise Full("too many commands are in flight", sent=False)

    def _flush(self) -> None:
        if not self._out or not self._writable or self._transport is None:
            return
        out, self._out, self._unsent = self._out, [], 0
        if len(out) == len(self._slots):  # nothing was due before: waiting begins now
            self._progress = self._loop.time()
        if self._watch is None:
            self._watch = self._loop.call_later(self._limits.stall / 8, self._check_progress)
        self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _check_progress(self) -> None:
        self._watch = None
        if not self._slots:
            return
        silent = self._loop.time() - self._progress
        if silent >= self._limits.command_timeout:
            self.close(f"the server was silent for {self._limits.command_timeout:g} s")
            return
        if silent >= self._limits.stall and not self._stalled:
            self._stalled = True
            late = Stalled(f"the server made no progress for {self._limits.stall:g} s", sent=True)
            for slot in self._slots:
                if not slot.done():
                    slot.set_exception(late)
            self._open_room()
        self._watch = self._loop.call_later(self._limits.stall / 8, self._check_progress)

    def _open_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _fail(self, reason: str) -> None:
        if self._lost is not None:
            return
        self._lost = Disconnected(reason, sent=True)
        unsent = Disconnected(reason, sent=False)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        first_unsent = len(self._slots) - len(self._out)
        slots, self._slots = self._slots, deque()
        self._out = []
        for at, slot in enumerate(slots):
            if not slot.done():
                slot.set_exception(self._lost if at < first_unsent else unsent)
        self._open_room()
        self._on_lost(self)


class NoConnection:
    """What stands in for a connection while there is none: every call is refused, nothing is sent."""

    __slots__ = ()
    in_flight = 0
    usable = False

    def call(self, command: Command) -> asyncio.Future[Reply]:
        raise Disconnected("not connected", sent=False)

    def call_many(self, commands: Sequence[Command]) -> asyncio.Future[list[Reply]]:
        raise Disconnected("not connected", sent=False)

    async def room(self) -> None:
        return None

    def close(self, reason: str = "") -> None:
        return None

    def abandon(self) -> None:
        return None
