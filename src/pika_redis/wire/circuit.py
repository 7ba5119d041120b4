"""The breaker of one node at work: failures are judged, and while it is open one PING at a time asks for an end."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

from ..model.clock import Clock
from .breaker import Breaker
from .connection import Connection, Reply
from .link import Link, NoConnection
from .replies import Disconnected, NotServing, Stalled

__all__ = ["Circuit"]


class Circuit:
    """Told of failed calls; tells `opened` when calls are to stop, and `closed` when they may go on."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        link: Link,
        *,
        opened: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self.failure = ""
        """What opened it."""
        self._loop = loop
        self._clock = clock
        self._link = link
        self._opened = opened
        self._closed = closed
        self._breaker = Breaker()
        self._asked_before = 0  # commands sent over connections that are gone
        self._last_stall: object = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused."""
        return self._breaker.is_open

    def failed(self, lost: Disconnected) -> None:
        """A call failed."""
        proof = self._link.connection.proof
        asked, now = self._asked_before + proof.sent, self._clock.monotonic()
        if isinstance(lost, NotServing):
            opens = self._breaker.refused(now, asked)
        elif isinstance(lost, Stalled) and self._last_stall != (proof, asked):
            self._last_stall = (proof, asked)  # one stall, however many callers it costs
            opens = self._breaker.stalled(now, asked)
        else:
            return
        if opens:
            self.failure = str(lost)
            self._opened()
            self._probe_later()

    def lost(self, connection: Connection | NoConnection) -> None:
        """A connection is gone."""
        self._asked_before += connection.proof.sent

    def end(self) -> None:
        """Probe no more."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()

    def _probe_later(self) -> None:
        if not self._ended:
            context = contextvars.Context()
            self._timer = self._loop.call_later(self._breaker.pause(), self._probe, context=context)

    def _probe(self) -> None:
        self._timer = None
        try:
            asked = self._link.connection.call(("PING",))
        except Disconnected:
            self._probe_later()
        else:
            asked.add_done_callback(self._judge)

    def _judge(self, asked: asyncio.Future[Reply]) -> None:
        """The probe was answered, or will not be."""
        if asked.cancelled() or isinstance(asked.exception(), Disconnected):
            self._probe_later()
            return
        self._breaker.close(self._clock.monotonic(), self._asked_before)
        self._closed()
