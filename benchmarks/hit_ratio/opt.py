"""The clairvoyant bound (Belady): keep what is wanted soonest, even if that is not what was asked for last."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

__all__ = ["opt"]


def opt(keys: Sequence[str], capacity: int) -> int:
    """Hits that no policy can exceed."""
    never = len(keys)
    following = [never] * len(keys)
    last: dict[str, int] = {}
    for at in range(len(keys) - 1, -1, -1):
        following[at] = last.get(keys[at], never)
        last[keys[at]] = at
    wanted: dict[str, int] = {}
    latest: list[tuple[int, str]] = []
    hits = 0
    for at, key in enumerate(keys):
        again = following[at]
        hits += wanted.pop(key, None) is not None
        if again == never:
            continue
        wanted[key] = again
        heappush(latest, (-again, key))
        while len(wanted) > capacity:
            when, candidate = heappop(latest)
            if wanted.get(candidate) == -when:
                del wanted[candidate]
    return hits
