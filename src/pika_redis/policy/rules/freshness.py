"""When an entry may be served, and when it should be loaded again."""

from __future__ import annotations

import enum
import math

from ...model.entry import Entry

__all__ = ["Verdict", "jittered", "judge"]


class Verdict(enum.Enum):
    """What a read does with a live entry."""

    FRESH = "fresh"
    """Serve it."""
    REFRESH = "refresh"
    """Serve it, and load it again ahead of its expiry."""
    STALE = "stale"
    """Logically expired: load it again; it may be served only under an option for stale serving."""


def judge(entry: Entry, now_ms: int, refresh_ms: float) -> Verdict:
    """The verdict on a live entry, `refresh_ms` being the window before expiry in which it is refreshed.

    An entry that seems to be born in the future has age 0: clocks may disagree, ages may not be negative. One that
    lives no longer than the window (a None with its own short ttl, say) is refreshed in the last half of its life, or
    every read of it would load.
    """
    if entry.marked_stale:
        return Verdict.STALE
    if not entry.fresh_ms:
        return Verdict.FRESH
    age = max(0, now_ms - entry.born_ms)
    if age >= entry.fresh_ms:
        return Verdict.STALE
    window = refresh_ms if refresh_ms < entry.fresh_ms else entry.fresh_ms / 2
    return Verdict.REFRESH if age >= entry.fresh_ms - window else Verdict.FRESH


def jittered(ttl: float, share: float, roll: float) -> float:
    """A time to live shortened by up to `share` of itself, so that entries stored together don't expire together."""
    return ttl if math.isinf(ttl) else ttl * (1.0 - share * roll)
