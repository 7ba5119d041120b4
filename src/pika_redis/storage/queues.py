"""First in, first out, by bytes, with dropping from the middle.

A dropped entry stays in the deque as a *husk*, so that dropping is O(1). Husks are swept when they outnumber the living
or hold more than their share of the room: what they keep in memory is bounded, and a sweep is paid for by the drops
before it.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

__all__ = ["DUELLING", "GONE", "MAIN", "SMALL", "EntryT", "Evictable", "Queue"]

GONE, SMALL, MAIN, DUELLING = 0, 1, 2, 3
"""Where an entry is: in no queue, in the small one, in main, in main as one side of a duel."""
_SPARE = 64


class Evictable(Protocol):
    """What the queues need to know of an entry. An object is added at most once."""

    key: str
    size: int
    """In bytes."""
    reads: int
    """Hits. Whoever reads adds one; the queues take away what they have counted."""
    queued: int
    """`GONE`, `SMALL`, `MAIN` or `DUELLING`. Written by `S3Fifo` alone; a new entry has `GONE`."""


EntryT = TypeVar("EntryT", bound=Evictable)


class Queue(Generic[EntryT]):
    """A queue of entries that are not `GONE`, oldest first."""

    __slots__ = ("_husk_bytes", "_items", "_most_husk_bytes", "bytes", "living")

    def __init__(self, most_husk_bytes: float) -> None:
        self._most_husk_bytes = most_husk_bytes
        self._items: deque[EntryT] = deque()
        self._husk_bytes = 0
        self.bytes = 0
        """Of the living."""
        self.living = 0

    def push(self, entry: EntryT, queued: int) -> None:
        entry.queued = queued
        self._items.append(entry)
        self.bytes += entry.size
        self.living += 1

    def head(self) -> EntryT:
        """The oldest living entry; there is one."""
        items = self._items
        while not items[0].queued:
            self._husk_bytes -= items.popleft().size
        return items[0]

    def pop(self) -> EntryT:
        """Take out the oldest living entry; there is one. Where it goes is up to the caller."""
        items = self._items
        entry = items.popleft()
        while not entry.queued:
            self._husk_bytes -= entry.size
            entry = items.popleft()
        self.bytes -= entry.size
        self.living -= 1
        return entry

    def drop(self, entry: EntryT) -> None:
        """Turn a living entry into a husk."""
        entry.queued = GONE
        self.bytes -= entry.size
        self.living -= 1
        self._husk_bytes += entry.size
        if self.husks > self.living + _SPARE or self._husk_bytes > self._most_husk_bytes:
            self._items = deque(one for one in self._items if one.queued)
            self._husk_bytes = 0

    def clear(self) -> None:
        for entry in self._items:
            entry.queued = GONE
        self._items.clear()
        self.bytes = self.living = self._husk_bytes = 0

    @property
    def husks(self) -> int:
        return len(self._items) - self.living

    @property
    def husk_bytes(self) -> int:
        return self._husk_bytes
