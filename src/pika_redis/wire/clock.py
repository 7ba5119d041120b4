"""The server's clock as one process knows it. No wall clock of this machine is ever read."""

from __future__ import annotations

from .handshake import TimeSample

__all__ = ["ServerClock"]

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
