"""A clock for tests: time passes when told."""

from __future__ import annotations

from pika_redis import ArgumentError

from ..model.duration import Duration, to_seconds

__all__ = ["FakeClock"]


class FakeClock:
    """Monotonic seconds that stand still until `advance`; for the `clock=` of a `MemoryCacheService`."""

    def __init__(self, now: float = 1000.0) -> None:
        self._now = now

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return self._now

    def advance(self, duration: Duration) -> None:
        """Let time pass: seconds, a timedelta, or text such as "10m".

        Raises ArgumentTypeError for what is no duration, ArgumentError for a negative or infinite one.
        """
        self._now += passing(duration)


def passing(duration: Duration) -> float:
    """A duration that can pass, in seconds. Raises as `FakeClock.advance`."""
    seconds = to_seconds(duration, "duration")
    if not 0 <= seconds < float("inf"):
        raise ArgumentError(
            f"time passes forward and ends: {duration!r} is neither zero nor a finite duration above it"
        )
    return seconds
