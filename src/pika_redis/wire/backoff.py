"""How long to wait before trying again: full jitter, so that a fleet does not return in step."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["LONGEST_DELAY", "RetryPolicy", "reconnect_delay"]

_FIRST = 0.05
LONGEST_DELAY = 10.0


def reconnect_delay(failures: int, roll: float | None = None) -> float:
    """Seconds before the next connect after `failures` in a row: uniform between 0 and min(10, 0.05 * 2^n)."""
    share = random.random() if roll is None else roll  # noqa: S311 (jitter, not a secret)
    return share * min(LONGEST_DELAY, _FIRST * 2.0 ** min(failures, 30))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Repeats of one call: one at once, then at most `attempts` more, after `delay` seconds doubled each time.

    The pauses are jittered downwards.
    """

    attempts: int = 3
    delay: float = 0.5

    def pause(self, attempt: int, roll: float | None = None) -> float:
        """Seconds before repeat number `attempt` (from 0): between half and all of `delay * 2^attempt`."""
        share = random.random() if roll is None else roll  # noqa: S311 (jitter, not a secret)
        return self.delay * 2.0**attempt * (0.5 + share / 2)
