"""How long to wait before trying again: full jitter, so that a fleet does not return in step."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["LONGEST_DELAY", "Bucket", "RetryPolicy", "denied_delay", "reconnect_delay"]

_FIRST = 0.05
LONGEST_DELAY = 10.0
_LONGEST_DENIED = 30.0


def reconnect_delay(failures: int, roll: float | None = None) -> float:
    """Seconds before the next connect after `failures` in a row: uniform between 0 and min(10, 0.05 * 2^n)."""
    share = random.random() if roll is None else roll  # noqa: S311 (jitter, not a secret)
    return share * min(LONGEST_DELAY, _FIRST * 2.0 ** min(failures, 30))


def denied_delay(failures: int, roll: float | None = None) -> float:
    """The same after refused credentials, which hardly get better by themselves: between half and all of 2^n, of 30."""
    share = random.random() if roll is None else roll  # noqa: S311 (jitter, not a secret)
    return (0.5 + share / 2) * min(_LONGEST_DENIED, 2.0 ** min(failures, 30))


class Bucket:
    """Allows so many at once, and then so many a second."""

    __slots__ = ("_at", "_left", "_most", "_per_second")

    def __init__(self, most: int, *, per_second: float) -> None:
        self._most = most
        self._per_second = per_second
        self._left = float(most)
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Whether there is one, which is then gone; `now` in seconds."""
        self._left = min(float(self._most), self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Repeats of one call: one at once, then at most `attempts` more, after `delay` seconds doubled each time.

    The pauses are jittered downwards.
    """

    attempts: int = 3
    delay: float = 0.5
    patient: bool = True
    """Whether calls wait for a connection that is made again after one that failed; else they are refused at once."""

    def pause(self, attempt: int, roll: float | None = None) -> float:
        """Seconds before repeat number `attempt` (from 0): between half and all of `delay * 2^attempt`."""
        share = random.random() if roll is None else roll  # noqa: S311 (jitter, not a secret)
        return self.delay * 2.0**attempt * (0.5 + share / 2)
