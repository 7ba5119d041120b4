"""When to stop asking a server that mostly fails: an error-rate breaker with a half-open probe.

A connection that is gone, or stalled, refuses calls by itself. This is for the server in between: one that loads its
data and says so to every command, that answers some calls and leaves others to their timeout, that hangs up again and
again. While the breaker is open calls are refused at once, and one probe at a time asks whether the server has
recovered.

Only failures are told to it: calls that the server refused (of these a share opens it), and stalls, each of which cost
every caller its patience (of these a few open it). How many calls there were it reads off a number that grows with each
command sent, so a call that succeeds costs nothing.
"""

from __future__ import annotations

import random
from typing import Final

__all__ = ["Breaker"]

WINDOW: Final = 10.0
"""Seconds over which failures are counted."""
LEAST: Final = 20
"""Refused calls within the window below which it never opens."""
SHARE: Final = 0.5
"""The share of refused calls from which on it opens."""
STALLS: Final = 3
"""Stalls within the window that open it."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0


class Breaker:
    """Closed, or open with a time for the next probe. Times are seconds of a monotonic clock."""

    __slots__ = ("_asked", "_openings", "_refused", "_since", "_stalls", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self._since = 0.0
        self._asked = 0
        self._refused = 0
        self._stalls = 0
        self._openings = 0  # in a row, without a window of calm between them

    def refused(self, now: float, asked: int) -> bool:
        """A call was refused, when `asked` commands had been sent in all. Whether that opens the breaker."""
        self._look(now, asked)
        self._refused += 1
        calls = max(asked - self._asked, self._refused)
        return self._open(self._refused >= LEAST and self._refused >= SHARE * calls)

    def stalled(self, now: float, asked: int) -> bool:
        """The server made no progress for as long as callers wait. Whether that opens the breaker."""
        self._look(now, asked)
        self._stalls += 1
        return self._open(self._stalls >= STALLS)

    def _look(self, now: float, asked: int) -> None:
        if now - self._since > WINDOW:
            if now - self._since > 2 * WINDOW:
                self._openings = 0
            self._begin(now, asked)

    def _begin(self, now: float, asked: int) -> None:
        self._since, self._asked, self._refused, self._stalls = now, asked, 0, 0

    def _open(self, enough: bool) -> bool:
        opens = enough and not self.is_open
        self.is_open = self.is_open or enough
        return opens

    def pause(self, roll: float | None = None) -> float:
        """Seconds before the next probe: between half and all of a pause that doubles with each."""
        share = random.random() if roll is None else roll  # noqa: S311 (jitter, not a secret)
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**self._openings)
        self._openings = min(self._openings + 1, 30)
        return pause * (0.5 + share / 2)

    def close(self, now: float, asked: int) -> None:
        """The probe was answered: count anew."""
        self.is_open = False
        self._begin(now, asked)
