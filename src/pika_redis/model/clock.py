"""The one source of time inside a process. Wall clocks are never read: they may be wrong by any amount."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Anything that tells monotonic seconds; `pika_redis.testing.FakeClock` is one that tests move by hand."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        ...


class SystemClock:
    """The operating system's monotonic clock."""

    __slots__ = ()

    monotonic = staticmethod(time.monotonic)
