"""Plain forms of what others use: LRU, SIEVE, and S3-FIFO as its paper has it, each by the number of entries.

Each takes the keys and a capacity, and gives the hits.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence

__all__ = ["lru", "s3fifo", "sieve"]


def lru(keys: Sequence[str], capacity: int) -> int:
    """What was not read for longest goes."""
    held: OrderedDict[str, None] = OrderedDict()
    hits = 0
    for key in keys:
        if key in held:
            hits += 1
            held.move_to_end(key)
            continue
        held[key] = None
        if len(held) > capacity:
            held.popitem(last=False)
    return hits


def sieve(keys: Sequence[str], capacity: int) -> int:
    """A hand walks from the oldest to the newest and takes the first that was not read since it last came by."""
    held: dict[str, bool] = {}
    older: OrderedDict[str, None] = OrderedDict()  # what the hand has passed, in order of age
    newer: OrderedDict[str, None] = OrderedDict()  # what it has yet to pass
    hits = 0
    for key in keys:
        if key in held:
            hits += 1
            held[key] = True
            continue
        while len(held) >= capacity:
            if not newer:
                older, newer = newer, older
            candidate, _ = newer.popitem(last=False)
            if held[candidate]:
                held[candidate] = False
                older[candidate] = None
            else:
                del held[candidate]
        held[key] = False
        newer[key] = None
    return hits


def s3fifo(keys: Sequence[str], capacity: int) -> int:
    """A small queue of a tenth, main, and as many ghosts as main has entries."""
    small: deque[str] = deque()
    main: deque[str] = deque()
    ghosts: OrderedDict[str, None] = OrderedDict()
    reads: dict[str, int] = {}
    most_small = max(1, capacity // 10)
    hits = 0
    for key in keys:
        if key in reads:
            hits += 1
            reads[key] = min(3, reads[key] + 1)
            continue
        while len(reads) >= capacity:
            _make_room(small, main, ghosts, reads, most_small)
            while len(ghosts) > capacity - most_small:
                ghosts.popitem(last=False)
        known = key in ghosts
        ghosts.pop(key, None)
        (main if known else small).append(key)
        reads[key] = 0
    return hits


def _make_room(
    small: deque[str], main: deque[str], ghosts: OrderedDict[str, None], reads: dict[str, int], most_small: int
) -> None:
    if small and (len(small) >= most_small or not main):
        key = small.popleft()
        if reads[key] > 1:
            reads[key] = 0
            main.append(key)
        else:
            del reads[key]
            ghosts[key] = None
    else:
        key = main.popleft()
        if reads[key]:
            reads[key] -= 1
            main.append(key)
        else:
            del reads[key]
