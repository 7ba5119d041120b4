"""The server's clock as one process knows it. No wall clock of this machine is ever read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from .connection import Connection, Reply
from .handshake import TimeSample
from .link import NoConnection
from .replies import Disconnected

__all__ = ["AskedClock", "ServerClock"]

_MINUTE = 60.0
_MOST = 8


class ServerClock:
    """Estimates the server's time from samples: of the last minute's, the one with the smallest round trip counts."""

    __slots__ = ("_offset_ms", "_samples")

    def __init__(self) -> None:
        self._samples: list[TimeSample] = []
        self._offset_ms = 0.0

    def sample(self, taken: TimeSample) -> None:
        """Learn from one more reading."""
        recent = [old for old in self._samples if taken.monotonic - old.monotonic < _MINUTE]
        self._samples = [*recent[1 - _MOST :], taken]
        best = min(self._samples, key=lambda one: one.round_trip)
        self._offset_ms = best.server_ms - best.monotonic * 1000

    def forget(self) -> None:
        """Another server answers from now on: its clock is its own."""
        self._samples = []

    def due(self, monotonic: float) -> bool:
        """Whether it is time for another sample."""
        return not self._samples or monotonic - self._samples[-1].monotonic > _MINUTE / 2

    def monotonic_at(self, server_ms: float) -> float:
        """Our monotonic seconds at this time of the server's."""
        return (server_ms - self._offset_ms) / 1000

    def now_ms(self, monotonic: float) -> int:
        """The server's time in milliseconds at `monotonic` seconds of ours; meaningless before the first sample."""
        return int(monotonic * 1000 + self._offset_ms)


class AskedClock(ServerClock):
    """A server's clock that sees to its samples itself, in passing."""

    __slots__ = ("_asking", "_monotonic")

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._asking = False

    def now(self, connection: Connection | NoConnection) -> int:
        """The server's time in milliseconds; asks over the connection for a sample when the last one is old."""
        now = self._monotonic()
        if self.due(now) and not self._asking and connection.usable:
            with contextlib.suppress(Disconnected):
                asked = connection.call(("TIME",))
                self._asking = True
                asked.add_done_callback(lambda reply: self._learn(reply, now))
        return self.now_ms(now)

    def _learn(self, asked: asyncio.Future[Reply], sent: float) -> None:
        self._asking = False
        if not asked.cancelled() and asked.exception() is None:
            with contextlib.suppress(TypeError, ValueError):
                self.sample(TimeSample.of(asked.result(), sent, self._monotonic()))
