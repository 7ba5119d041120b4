"""Whether the server is trusted, in one event loop; and how trust comes back.

Strategy. A call that fails for want of the server *cuts* it off: from then on reads are answered from this process's
memory. Trust comes back in one step: what waits in the journal and a PING are sent over T, behind all that was sent
before, and when all of it is answered well, in the parser, the cut is over. So no read that goes to the server
afterwards can find what was invalidated during the cut, and a server that accepts connections but doesn't serve
(loading, busy) is not believed.

That is tried when a connection is made, when a stall ends, and again after a pause that grows while there is a
connection. The same happens, without anything having failed, when another server answers than before: one that took
over, or was restarted, may have forgotten the invalidations of the last minute, and is told of them first. If it came
back with data from a file that are older than what we knew, the epoch of every namespace ends: once for the whole
fleet, since its value says for which start of the server it was ended (`rotate.lua`).
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, Literal, Protocol, TypeAlias

from ..errors import AccessDeniedError
from ..wire.backoff import reconnect_delay
from ..wire.connection import Command, Connection, Reply
from ..wire.handshake import Past, ServerFacts
from ..wire.link import NoConnection
from ..wire.replies import Disconnected, Redirected
from ..wire.scripts import END_AGAIN, INVAL, RELEASE, ROTATE
from ..wire.slots import ObservedBatch, ignored
from ..wire.stepwise import nothing
from .degraded import Degraded

__all__ = ["Due", "OnRestart", "Owed", "Standing", "came_back_old"]

_log = logging.getLogger("pika_redis")
OnRestart: TypeAlias = Literal["epoch", "replay", "trust"]
"""What to do when a server answers that is not the one that was known."""
Due: TypeAlias = tuple[Command, Callable[[], None]]  # what is sent, and what to do when it was answered well
_CAUSE: Final = 8
_MARGIN: Final = 1.5  # seconds: the server counts its uptime in whole ones


class Owed(Protocol):
    """What a server is told of: the journal, or a part of it."""

    @property
    def waiting(self) -> int:
        """How many keys wait to be deleted."""
        ...

    @property
    def owes(self) -> bool:
        """Whether there is anything that the server should be told."""
        ...

    def to_delete(self) -> list[str]:
        """The keys that wait."""
        ...

    def to_repeat(self, since: float) -> list[str]:
        """What was acknowledged after `since`, less a minute."""
        ...

    def settled(self, keys: Iterable[str]) -> None:
        """The server has deleted these at last."""
        ...

    def doubt_ends(self, heard: float) -> None:
        """Leases that ended since then, or shortly before, are given back again."""
        ...

    def leases(self) -> list[tuple[str, bytes]]:
        """The leases and claims to give back: where they stand, and what stands there."""
        ...

    def given_back(self, place: str, held: bytes) -> None:
        """This one is ours no more."""
        ...


class Standing:
    """The standing of one server with one event loop."""

    _page = 500
    """How many keys a script may be given."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        degraded: Degraded,
        connection: Callable[[], Connection | NoConnection],
        on_restart: OnRestart = "epoch",
        *,
        given_up: Callable[[], None],
        journal: Owed | None = None,
    ) -> None:
        """`journal` = the part of it that this server is told of, if it isn't all of it."""
        self.cut = False
        """Whether reads are to be answered from memory."""
        self._loop = loop
        self._degraded = degraded
        self._journal: Owed = degraded.journal if journal is None else journal
        self._connection = connection
        self._on_restart = on_restart
        self._given_up = given_up
        self._past: Past | None = None
        self._known = False
        self._extra: list[Command] = []  # beside the journal: what another server must be told
        self._asking = False
        self._attempts = 0
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False

    def fail(self, error: Exception) -> None:
        """A call failed for want of the server."""
        if self.cut:
            self._degraded.worsen(str(error))
        elif not self._ended:
            self.cut = True
            self._degraded.enter(str(error))
            self._given_up()
        if self.cut and self._connection().usable:
            self._later()

    def meet(self, facts: ServerFacts, heard: float) -> None:
        """A connection was made, before anything is sent over it; `heard` = when the last one was known to live."""
        before, self._past = self._past, facts.past
        known, self._known = self._known, True
        if known and self._on_restart != "trust":  # what the last connection did not live to be told is due as before
            self._extra = list(dict.fromkeys([*self._extra, *self._news(before, facts.past, heard)]))
        self._attempts = 0
        if self._extra and not self.cut:
            self.cut = True
            self._degraded.enter("another server answers, or the same one was restarted", quiet=True)
        self._try_if_due()

    def resume(self) -> None:
        """A stall is over, or the breaker has closed."""
        self._attempts = 0
        self._try_if_due()

    def end(self) -> None:
        """The loop ends."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self.end_cut(told=False)

    def end_cut(self, *, told: bool = True) -> None:
        """Nothing is asked of the server any more, or it can be trusted: memory does not stand in for it."""
        if self.cut:
            self.cut = False
            self._degraded.leave(told=told)

    # -- coming back ----------------------------------------------------------------------------------------------

    def _news(self, before: Past | None, now: Past | None, heard: float) -> list[Command]:
        """What a server must be told that may be another one, or may have forgotten."""
        if before is not None and now is not None and before.run_id == now.run_id:
            if before.replication_id == now.replication_id:
                return []
            self._journal.doubt_ends(heard)
            return self._repeated(heard)
        self._journal.doubt_ends(heard)
        if now is not None and self._on_restart == "epoch" and came_back_old(now, self._degraded.now() - heard):
            return self._rotations(now)
        return self._repeated(heard)

    def _rotations(self, now: Past) -> list[Command]:
        return [_rotation(epoch, now) for epoch in self._degraded.epochs]

    def _repeated(self, heard: float) -> list[Command]:
        return [END_AGAIN.command(page, ()) for page in self._pages(self._journal.to_repeat(heard))]

    def _owed(self) -> list[Due]:
        """All that the server must have been told before it is trusted."""
        waiting = self._pages(self._journal.to_delete())
        return [
            *((command, nothing) for command in self._extra),
            *((INVAL.command(page, ()), partial(self._replayed, page)) for page in waiting),
        ]

    def _pages(self, keys: Sequence[str]) -> list[Sequence[str]]:
        return [keys[start : start + self._page] for start in range(0, len(keys), self._page)]

    def _replayed(self, keys: Sequence[str]) -> None:
        self._journal.settled(keys)
        self._degraded.counters.replayed += len(keys)

    def _waits(self) -> bool:
        """Whether something is to be told before the server can be trusted."""
        return bool(self._journal.waiting)

    def _owes(self) -> bool:
        """Whether the server is to be told something."""
        return self._journal.owes

    def _probe(self) -> Command:
        """What only a server that serves answers."""
        return ("PING",)

    def _may_be_trusted(self) -> bool:
        return True

    def _try_if_due(self) -> None:
        if self.cut or self._owes():
            self._try()

    def _try(self) -> None:
        """Tell the server what it has missed, and ask whether it serves."""
        self._stop_timer()
        if self._asking or self._ended:
            return
        owed, leases = self._owed(), self._journal.leases()
        gives = [RELEASE.command(place, (held,)) for place, held in leases]
        commands: list[Command] = [*gives, *(command for command, _ in owed), self._probe()]

        def see(replies: Reply) -> Reply:
            assert isinstance(replies, list)
            self._notice(replies)
            for (place, held), reply in zip(leases, replies, strict=False):
                if not isinstance(reply, Disconnected | Redirected):  # any other error: they end by themselves
                    self._journal.given_back(place, held)
            self._judge(replies[len(leases) :], [settle for _, settle in owed])
            return replies

        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        future.add_done_callback(ignored)
        future.add_done_callback(self._answered)
        slot = ObservedBatch(future, len(commands), see)
        try:
            self._connection().send(commands, [slot] * len(commands))
        except Disconnected:
            if self._connection().usable:  # it is full
                self._later()
            return
        self._asking = True

    def _notice(self, replies: Sequence[Reply]) -> None:
        """It has answered. Within the parser."""

    def _judge(self, replies: Sequence[Reply], settles: Sequence[Callable[[], None]]) -> None:
        """Within the parser."""
        *told, alive = replies
        for reply, settle in zip(told, settles, strict=True):
            if not _failed(reply):
                settle()
            if isinstance(reply, AccessDeniedError):
                _log.error("what was invalidated while the server was gone can't be deleted there: %s", reply)
        if isinstance(alive, Disconnected) or any(map(_failed, told)) or self._waits():
            return
        self._settled()

    def _settled(self) -> None:
        """It was told everything, and serves."""
        self._extra = []
        self._attempts = 0
        if self._may_be_trusted():
            self.end_cut()

    def _answered(self, _: asyncio.Future[list[Reply]]) -> None:
        self._asking = False
        if (self.cut or self._owes()) and self._connection().usable:
            self._later()

    def _later(self) -> None:
        if self._timer is None and not self._asking and not self._ended:
            self._attempts += 1
            pause = reconnect_delay(self._attempts)
            self._timer = self._loop.call_later(pause, self._try, context=contextvars.Context())

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def came_back_old(server: Past, silent: float) -> bool:
    """Whether a server that is not the one we knew began after we last heard of that, and with data.

    One that ran beside it all the time is a replica that took over: what it holds is as new as replication could make
    it. `silent` in seconds.
    """
    return server.from_file and server.uptime <= silent + _MARGIN


def _rotation(epoch_key: str, server: Past) -> Command:
    cause = hashlib.blake2b(server.run_id.encode(), digest_size=_CAUSE).digest()
    value = b"T" + os.urandom(8) + b"\xff\xff\xff\xff" + cause
    return ROTATE.command(epoch_key, (value, _CAUSE))


def _failed(reply: Reply) -> bool:
    """What may not be done now or ever is not worth another attempt."""
    return isinstance(reply, BaseException) and not isinstance(reply, AccessDeniedError)
