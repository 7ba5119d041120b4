"""One multiplexed, auto-pipelined connection.

Strategy. Every caller of an event loop shares one socket. A command is packed at once, takes a *slot* in a FIFO
and leaves with all other commands of the same loop tick in a single write; the n-th reply belongs to the n-th slot.

Invariants:

1. A slot is appended in the same step as its bytes, and removed only by a reply or by the end of the connection.
   A caller that is cancelled or gives up *abandons* its slot: its reply is parsed and dropped in order. So the
   connection never has to be closed because a caller left, and no reply can reach another caller.
2. What can't be framed closes the connection; it never guesses where the next reply begins.
3. Nothing queues without a bound: at most `in_flight` slots and `unsent_bytes` not yet taken by the socket. Above
   either, callers stand in a *line*: first come, first served, for about `stall` seconds at most, `waiting` of them.
   Only a batch larger than `in_flight` may exceed it, and goes alone. Who takes a `ticket` stands there before it has
   made a command; it is promised room, which nobody else gets until it has run.
4. *Give up early, hang up late.* Without progress for `stall` seconds while replies are due, the callers get `Stalled`
   and new ones are refused, but the connection lives on; a late reply finds its abandoned slot. After
   `command_timeout` seconds it is closed. So a hiccup of the server is no storm of reconnects.

Silence is counted in ticks of one timer, which runs while replies are due: no timer and no look at the clock a call. A
tick that comes late is still one tick, so a loop that was blocked for seconds doesn't blame the server for it.
Source of the hazard that rule 1 avoids: CVE-2023-28858, replies off by one after a cancelled command.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias, cast

from ..errors import CacheError
from .delivery import PushHandler, deliver, deliver_with_care
from .framing import UNREADABLE, Command, Reply, describe, new_reader
from .limits import Limits
from .packing import pack, pack_all, unpackable
from .progress import Proof, Upload
from .replies import Disconnected, Full, Stalled
from .slots import Batch, Line, Slot, Ticket, Waiter, refuse
from .sockets import point_at_nothing

__all__ = ["Command", "Connection", "Limits", "LossHandler", "PushHandler", "Reply", "ignore"]

_TICKS = 8  # of the timer within the stall timeout
_BUFFER = 1024 * 1024  # bytes that the transport holds before it asks for a pause
LossHandler: TypeAlias = "Callable[[Connection, str], None]"  # told once, with the reason


def ignore(*_: object) -> None:
    """Nobody needs to be told."""


class Connection(asyncio.Protocol):
    """The protocol object of one socket. `call` and `call_many` are synchronous: they queue and return a future."""

    __slots__ = (
        "__weakref__", "_admitted", "_line", "_loop", "_lost", "_new_future", "_now", "_on_lost",
        "_on_push", "_out", "_promised", "_reader", "_room", "_silent", "_slots", "_stalled", "_transport", "_upload",
        "_watch", "_writable", "closed", "crowded", "heard", "hung_up", "limits", "on_resumed", "proof",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        on_lost: LossHandler,
        on_push: PushHandler = ignore,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.closed: asyncio.Future[None] = loop.create_future()
        """Done when the socket is gone, which is a few turns of the loop after `close`."""
        self.heard = False
        """Whether the server has sent anything since `serve`."""
        self.hung_up = False
        """Whether it was we who closed."""
        self.crowded = False
        """Whether callers wait for room, so that another one should take a `ticket`."""
        self.on_resumed: Callable[[], None] = ignore
        """Called when a stall ends, before the replies that end it are handed out."""
        self.proof = Proof()
        self._loop = loop
        self._now = now
        self._new_future: Callable[[], asyncio.Future[Reply]] = partial(asyncio.Future, loop=loop)  # the fastest way
        self._on_lost = on_lost
        self._on_push = on_push
        self._reader = new_reader()
        self._slots: deque[Slot] = deque()
        self._line = Line()
        self._promised = 0  # to those who were let in and have not called yet
        self._out: list[bytes] = []  # one item a slot
        self._transport: asyncio.Transport | None = None
        self._lost: Disconnected | None = None
        self._stalled = False
        self._writable = True
        self._watch: asyncio.TimerHandle | None = None
        self._silent = 0  # ticks without progress
        self._upload = Upload()
        self.serve(limits)

    def serve(self, limits: Limits) -> None:
        """Go by these limits from now on, and forget what was `heard`."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self.limits = limits
        self._admitted = limits.in_flight  # slots a call may find; 0 when it may not go at all
        self._room = limits.unsent_bytes
        self.heard = False

    # -- callers -----------------------------------------------------------------------------------------------

    def call(self, command: Command) -> asyncio.Future[Reply]:
        """Queue one command; the future gives the reply or raises `Disconnected` or an error of the server's.

        Raises `Disconnected` at once, with `sent` False, when the connection is closed, stalled or its line is full.
        """
        slots = self._slots
        future = self._new_future()
        if len(slots) >= self._admitted or self._room < 0:
            self._wait_in_line(Waiter((future,), (command,)))
            return future
        try:
            packed = pack(command)
        except (TypeError, ValueError) as error:
            raise unpackable(error) from error
        out = self._out
        if not out:
            self._loop.call_soon(self._flush)
        slots.append(future)
        out.append(packed)
        self._room -= len(packed)
        return future

    def call_many(self, commands: Sequence[Command]) -> asyncio.Future[list[Reply]]:
        """Queue several commands as one; the future gives their replies in order, error replies among them.

        Raises as `call`. Raises ValueError for no commands at all.
        """
        if not commands:
            raise ValueError("call_many needs at least one command")
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        batch = Batch(future, len(commands))
        self.send(commands, [batch] * len(commands))
        return future

    def send(self, commands: Sequence[Command], slots: Sequence[Slot], *, at_once: bool = False) -> None:
        """Queue commands as one, with a slot for each; `at_once` = and write all that waits. Raises as `call`."""
        if self._may_pass(len(commands)):
            self._queue(pack_all(commands), slots, at_once=at_once)
        else:
            self._wait_in_line(Waiter(slots, commands))

    def enter(self, waiter: Waiter) -> None:
        """Let somebody in who waited elsewhere, or have him wait here. Raises as `call`."""
        if not waiter.comes_back and self._may_pass(len(waiter.commands)):
            waiter.enter(self._queue)
        else:
            self._wait_in_line(waiter)
            self._admit_line()

    def ticket(self) -> asyncio.Future[CacheError | None]:
        """Stand in line before making a command; gives None when there is room for it, else why there is none.

        Raises as `call`.
        """
        told: asyncio.Future[CacheError | None] = self._loop.create_future()
        self._wait_in_line(Ticket(told))
        return told

    def take_line(self) -> Iterator[Waiter]:
        """Those who wait here and are to go on elsewhere."""
        return self._line.dissolve()

    @property
    def in_flight(self) -> int:
        """Replies that are due, those of abandoned slots included."""
        return len(self._slots)

    @property
    def unsent(self) -> bool:
        """Whether calls wait for the end of this turn of the loop, or for the server to take what was sent."""
        return bool(self._out)

    @property
    def queued(self) -> int:
        """How many commands those are."""
        return len(self._out)

    @property
    def usable(self) -> bool:
        """Whether a call now would be queued, but for lack of room."""
        return self._lost is None and not self._stalled and self._transport is not None

    def close(self, reason: str = "the connection was closed") -> bool:
        """Close at once; callers that wait get `Disconnected`. Tells whether there is a socket to wait for."""
        self.hung_up = self.hung_up or self._lost is None
        self._fail(reason)
        if self._transport is None or self._loop.is_closed():
            return False
        self._transport.abort()
        return True

    def abandon(self) -> None:
        """Drop this process's copy of the socket without touching the loop or talking to the server."""
        if self._transport is not None:
            point_at_nothing(self._transport.get_extra_info("socket"))

    # -- asyncio ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's transports are no subclasses
        stream.set_write_buffer_limits(high=_BUFFER)
        self._transport = stream

    def data_received(self, data: bytes) -> None:
        self._silent = 0
        self.heard = True
        if self._stalled:
            self._stalled, self._admitted = False, self.limits.in_flight
            self.on_resumed()
        try:
            if b"|" in data:
                deliver_with_care(data, self._reader, self._slots, self._on_push)
            else:
                deliver(data, self._reader, self._slots, self._on_push)
        except UNREADABLE as error:
            self.close(describe(error, data))
            return
        self.proof.answered(len(self._slots) - len(self._out))
        if self._reader.len() > self.limits.reply_bytes:
            self.close(f"a reply is larger than {self.limits.reply_bytes} bytes")
        elif self._line:
            self._admit_line()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection" if exc is None else f"the connection broke: {exc}")
        self._transport = None
        if not self.closed.done():
            self.closed.set_result(None)

    # -- commands ---------------------------------------------------------------------------------------------

    def _has_room(self, more: int) -> bool:
        due = len(self._slots) + self._promised
        return (due + more <= self.limits.in_flight or not due) and self._room >= 0

    def _may_pass(self, more: int) -> bool:
        """Whether so many commands need not stand in line."""
        due = len(self._slots)
        return self._room >= 0 and (
            due + more <= self._admitted or (not due and not self.crowded and self._admitted > 0)
        )

    def _wait_in_line(self, waiter: Waiter) -> None:
        if self._lost is not None:
            raise Disconnected(str(self._lost), sent=False)
        if self._stalled:
            raise Stalled("the server makes no progress", sent=False)
        if len(self._line) >= self.limits.waiting:
            raise Full(f"{self.in_flight} commands are in flight and {len(self._line)} callers wait")
        self._line.join(waiter)
        self._admitted = 0  # nobody overtakes
        self.crowded = True

    def _admit_line(self) -> None:
        """Let in from the head of the line whoever there is room for."""
        promised = 0
        while (waiter := self._line.head()) is not None and self._has_room(len(waiter.commands)):
            self._line.leave()
            if waiter.comes_back and not promised:
                self._loop.call_soon(self._open)  # right before those who are told: nobody runs in between
            waiter.enter(self._queue)
            promised += waiter.comes_back
            self._promised += waiter.comes_back
        if promised:
            self._loop.call_soon(self._admit_more, promised)
        if self._lost is None:
            self.crowded = waiter is not None or self._promised > 0
            self._admitted = 0 if self.crowded else self.limits.in_flight

    def _open(self) -> None:
        """Those who were promised room come now."""
        if self._lost is None and not self._stalled:
            self._admitted = len(self._slots) + self._promised

    def _admit_more(self, came: int = 0) -> None:
        """Those who were promised room have called by now, or left."""
        self._promised -= came
        if (came or self._line) and self._lost is None and not self._stalled:
            self._admit_line()

    def _queue(self, packed: bytes, slots: Sequence[Slot], *, at_once: bool = False) -> None:
        if not at_once and not self._out:
            self._loop.call_soon(self._flush)
        self._slots.extend(slots)
        self._out.append(packed)
        self._out.extend([b""] * (len(slots) - 1))
        self._room -= len(packed)
        if at_once:
            self._flush()

    def _flush(self) -> None:
        out = self._out
        if not out or not self._writable or self._transport is None or self._transport.is_closing():
            return
        self._out = []
        self._room = self.limits.unsent_bytes
        if len(out) == len(self._slots):  # nothing was due before: waiting begins now
            self._silent = 0
        data = out[0] if len(out) == 1 else b"".join(out)
        self._upload.wrote(len(data))
        self.proof.wrote(len(out), self._now())
        if self._watch is None:
            self._start_watch()
        self._transport.write(data)
        self._admit_more()

    # -- silence ----------------------------------------------------------------------------------------------

    def _start_watch(self) -> None:
        if math.isfinite(self.limits.stall):
            self._watch = self._loop.call_later(self.limits.stall / _TICKS, self._tick, context=contextvars.Context())

    def _tick(self) -> None:
        self._watch = None
        if not self._slots:
            return
        self._silent += 1
        if self._transport is not None and self._upload.moves(self._transport.get_write_buffer_size()):
            self._silent = 0  # a server that takes bytes out of a full buffer makes progress
        limits = self.limits
        if self._silent > _TICKS and not self._stalled:
            self._stall(f"the server made no progress for {limits.stall:g} s")
        if self._silent > _TICKS * limits.command_timeout / limits.stall:
            self.close(f"the server was silent for {limits.command_timeout:g} s")
            return
        self._age_line()
        self._start_watch()

    def _age_line(self) -> None:
        if self._line:
            for waiter in self._line.age(_TICKS):
                reason = f"waited {self.limits.stall:g} s for room among {self.in_flight} commands in flight"
                waiter.refuse(Full(reason))
            self._admit_line()

    def _stall(self, reason: str) -> None:
        self._stalled = True
        self.crowded = False
        self._admitted = 0
        for slot in self._slots:
            refuse(slot, Stalled(reason, sent=True))
        for waiter in self._line.dissolve():
            waiter.refuse(Stalled(reason, sent=False))

    # -- the end ----------------------------------------------------------------------------------------------

    def _fail(self, reason: str) -> None:
        if self._lost is not None:
            return
        self._lost = Disconnected(reason, sent=True)
        self.crowded = False
        self._admitted = 0
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        first_unsent = len(self._slots) - len(self._out)
        slots, self._slots = self._slots, deque()
        self._out = []
        self._room = self.limits.unsent_bytes
        waited = min(self._silent / _TICKS, 1.0) * self.limits.stall if self._silent else 0.0
        if not self._loop.is_closed():
            for at, slot in enumerate(slots):
                lost = Disconnected(reason, sent=at < first_unsent)
                lost.waited = waited
                refuse(slot, lost)
            for waiter in self._line.dissolve():
                waiter.refuse(Disconnected(reason, sent=False))
        self._on_lost(self, reason)
