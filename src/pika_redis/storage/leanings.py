"""What the eviction has learnt from duels: whom to let into main, and how large the small queue should be.

Each verdict moves one number a little. The numbers have a floor, so that whatever was learnt can be unlearnt: without
newcomers in main there would be no duels.
"""

from __future__ import annotations

__all__ = ["BANDS", "SHARE", "Leanings"]

BANDS = (0.5, 1.0, 2.0, 3.0)
"""Ages of those that come back, in departures per living entry: upper ends. The index of one is a *band*."""
SHARE = len(BANDS)
"""The subject of duels about the small queue's share of the room; the others are about a band."""
_LEAST_WELCOME = 0.03
_WELCOME_STEP = 0.03
_DOUBT = 1.5
_FIRST_SHARE = 0.1
_LEAST_SHARE, _MOST_SHARE = 0.03, 0.4
_SHARE_UP = 1.02
_SHARE_DOWN = 1 / 1.018
_GOLDEN = 0.6180339887498949


class Leanings:
    """Numbers that verdicts move. Deterministic: the same verdicts and questions give the same answers."""

    __slots__ = ("_dice", "share", "welcome")

    def __init__(self) -> None:
        self.share = _FIRST_SHARE
        """Of the room, for the small queue."""
        self.welcome = [1.0] * len(BANDS)
        """By band: which part of those that come back enters main at once."""
        self._dice = 0.0

    def welcomes(self, band: int) -> bool:
        """Whether this one may enter main."""
        welcome = self.welcome[band]
        if welcome >= 1.0:
            return True
        self._dice = dice = (self._dice + _GOLDEN) % 1.0
        return dice < welcome

    def learn(self, subject: int, kept_right: bool) -> None:
        """Whether the one that was kept was wanted before the one that went. `subject` = a band, or `SHARE`."""
        if subject == SHARE:
            share = self.share * (_SHARE_DOWN if kept_right else _SHARE_UP)
            self.share = min(_MOST_SHARE, max(_LEAST_SHARE, share))
        else:
            welcome = self.welcome[subject] + (_WELCOME_STEP if kept_right else -_WELCOME_STEP * _DOUBT)
            self.welcome[subject] = min(1.0, max(_LEAST_WELCOME, welcome))
