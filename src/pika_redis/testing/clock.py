"""A clock for tests: time passes when told."""

from __future__ import annotations

from pika_redis import ArgumentError

__all__ = ["FakeClock"]


class FakeClock:
    """Monotonic seconds that stand still until `advance`; for the `clock=` of a service."""

    def __init__(self, now: float = 1000.0) -> None:
        self._now = now

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ArgumentError for a negative amount."""
        if seconds < 0:
            raise ArgumentError(f"time does not go back: {seconds!r}")
        self._now += seconds
