"""When an entry may be served, and when it should be loaded again."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from ...model.entry import Entry

__all__ = ["Verdict", "Windows", "jittered", "judge"]


class Verdict(enum.Enum):
    """What a read does with a live entry."""

    FRESH = "fresh"
    """Serve it."""
    REFRESH = "refresh"
    """Serve it, and load it again ahead of its expiry."""
    REVALIDATE = "revalidate"
    """Logically expired, and within `stale_while_revalidate`: serve it, and load it again in the background."""
    SPARE = "spare"
    """Logically expired, and within `stale_if_error`: load it again; serve it if that fails or takes too long."""
    STALE = "stale"
    """Logically expired: load it again and never serve it."""


@dataclass(frozen=True, slots=True)
class Windows:
    """For how many milliseconds around its expiry an entry is treated in another way."""

    refresh_ms: float = 0.0
    """Before it: refreshed ahead."""
    revalidate_ms: float = 0.0
    """After it: served while it is loaded again."""
    spare_ms: float = 0.0
    """After it: served if the load fails."""


def judge(entry: Entry, now_ms: int, windows: Windows) -> Verdict:
    """The verdict on a live entry.

    An entry that seems to be born in the future has age 0: clocks may disagree, ages may not be negative. One that
    lives no longer than the window (a None with its own short ttl, say) is refreshed in the last half of its life, or
    every read of it would load. One that nobody can vouch for, since the server is gone, is for emergencies alone.
    """
    if entry.unproven_ms:
        late = max(0, now_ms - entry.born_ms - entry.fresh_ms) if entry.fresh_ms else 0
        return Verdict.SPARE if max(late, entry.unproven_ms) < windows.spare_ms else Verdict.STALE
    age = max(0, now_ms - entry.born_ms)
    if entry.marked_stale:
        return _expired(max(0, age - entry.fresh_ms) if entry.fresh_ms else 0, windows)
    if not entry.fresh_ms:
        return Verdict.FRESH
    if age >= entry.fresh_ms:
        return _expired(age - entry.fresh_ms, windows)
    window = windows.refresh_ms if windows.refresh_ms < entry.fresh_ms else entry.fresh_ms / 2
    return Verdict.REFRESH if age >= entry.fresh_ms - window else Verdict.FRESH


def _expired(late_ms: float, windows: Windows) -> Verdict:
    """The verdict on an entry that expired so long ago; a limit of 0 allows nothing."""
    if late_ms < windows.revalidate_ms:
        return Verdict.REVALIDATE
    return Verdict.SPARE if late_ms < windows.spare_ms else Verdict.STALE


def jittered(ttl: float, share: float, roll: float) -> float:
    """A time to live shortened by up to `share` of itself, so that entries stored together don't expire together."""
    return ttl if math.isinf(ttl) else ttl * (1.0 - share * roll)
