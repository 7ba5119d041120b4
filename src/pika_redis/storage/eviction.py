"""S3-FIFO by bytes: which entries memory drops for room.

Strategy. New entries enter a *small* queue, which gives way first when it holds more than a tenth of the room. Those
that were read at least twice before they reach its head move to the *main* queue; the others leave, and a *ghost*
remembers that they were here. An entry whose ghost is still known enters main at once. In main, an entry at the head
that was read since its last turn goes round again. A hit only bumps a small counter on the entry: no list is
reordered, no lock is taken.

Invariants:

1. `bytes` is exactly the size of the living entries, and never above the capacity.
2. A dropped entry stays in its deque as a *husk*, so that dropping is O(1). Husks are swept when they outnumber the
   living or hold more than an eighth of the room: what they keep in memory is bounded, and a sweep is paid for by the
   drops before it.
3. The ghost remembers at most as many keys as there are living entries (and a few). It forgets one for each it learns.
4. Making room looks at no more than `_MOST_TURNS` entries that were read before one has to go after all, so that no
   single write pays for all the reads since the last one.

Source: Yang and others, "FIFO queues are all you need for cache eviction", SOSP 2023.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

__all__ = ["Evictable", "S3Fifo"]

_SMALL_SHARE = 0.1
_MOST_READS = 3
_READS_TO_STAY = 2
_MOST_TURNS = 128
_SPARE = 64
_HUSK_SHARE = 0.125


class Evictable(Protocol):
    """What the queues need to know of an entry. An object is added at most once."""

    key: str
    size: int
    reads: int
    queued: int
    """0 = in no queue, 1 = small, 2 = main. Written by `S3Fifo` alone."""


EntryT = TypeVar("EntryT", bound=Evictable)


class _Queue(Generic[EntryT]):
    """First in, first out, with dropping from the middle."""

    __slots__ = ("_husk_bytes", "_items", "_most_husk_bytes", "_number", "bytes", "living")

    def __init__(self, number: int, most_husk_bytes: float) -> None:
        self._number = number
        self._most_husk_bytes = most_husk_bytes
        self._items: deque[EntryT] = deque()
        self._husk_bytes = 0
        self.bytes = 0
        self.living = 0

    def push(self, entry: EntryT) -> None:
        entry.queued = self._number
        self._items.append(entry)
        self.bytes += entry.size
        self.living += 1

    def pop(self) -> EntryT:
        """Take out the oldest living entry; there is one."""
        while True:
            entry = self._items.popleft()
            if entry.queued == self._number:
                entry.queued = 0
                self.bytes -= entry.size
                self.living -= 1
                return entry
            self._husk_bytes -= entry.size

    def drop(self, entry: EntryT) -> None:
        """Turn a living entry into a husk."""
        entry.queued = 0
        self.bytes -= entry.size
        self.living -= 1
        self._husk_bytes += entry.size
        if self.husks > self.living + _SPARE or self._husk_bytes > self._most_husk_bytes:
            self._items = deque(one for one in self._items if one.queued == self._number)
            self._husk_bytes = 0

    def clear(self) -> None:
        for entry in self._items:
            entry.queued = 0
        self._items.clear()
        self.bytes = self.living = self._husk_bytes = 0

    @property
    def husks(self) -> int:
        return len(self._items) - self.living

    @property
    def husk_bytes(self) -> int:
        return self._husk_bytes


class _Ghost:
    """The hashes of the keys that left last. It may take one key for another, at the cost of a worse choice."""

    __slots__ = ("_first", "_order", "_serials")

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._serials: dict[int, int] = {}  # hash -> where it stands in `_order`, counted from the beginning of time
        self._first = 0

    def __len__(self) -> int:
        return len(self._order)

    def learn(self, key: str, most: int) -> None:
        """Remember a key, at most `most` of them."""
        print_ = hash(key)
        self._serials[print_] = self._first + len(self._order)
        self._order.append(print_)
        while len(self._order) > most:
            oldest = self._order.popleft()
            if self._serials.get(oldest) == self._first:
                del self._serials[oldest]
            self._first += 1

    def forget(self, key: str) -> bool:
        """Whether the key was known; it no longer is."""
        return self._serials.pop(hash(key), None) is not None

    def clear(self) -> None:
        self._order.clear()
        self._serials.clear()


class S3Fifo(Generic[EntryT]):
    """The queues. `add` gives the entries that must go. Not for several threads at once."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._small: _Queue[EntryT] = _Queue(1, capacity * _HUSK_SHARE / 2)
        self._main: _Queue[EntryT] = _Queue(2, capacity * _HUSK_SHARE / 2)
        self._ghost = _Ghost()

    @property
    def bytes(self) -> int:
        """Bytes of all living entries."""
        return self._small.bytes + self._main.bytes

    def add(self, entry: EntryT) -> list[EntryT]:
        """Take an entry in; gives the entries that no longer have room, `entry` itself when it never fits."""
        if entry.size > self._capacity:
            return [entry]
        queue = self._main if self._ghost.forget(entry.key) else self._small
        evicted: list[EntryT] = []
        while self.bytes + entry.size > self._capacity:
            evicted.append(self._evict())
        queue.push(entry)
        return evicted

    def drop(self, entry: EntryT) -> None:
        """Forget an entry that was deleted or replaced."""
        if entry.queued:
            (self._small if entry.queued == 1 else self._main).drop(entry)

    def clear(self) -> None:
        """Forget everything."""
        self._small.clear()
        self._main.clear()
        self._ghost.clear()

    def _evict(self) -> EntryT:
        """Take out the entry that goes next; there is one."""
        small, main = self._small, self._main
        turns = 0
        while True:
            if small.living and (small.bytes > self._capacity * _SMALL_SHARE or not main.living):
                entry = small.pop()
                if entry.reads < _READS_TO_STAY or turns >= _MOST_TURNS:
                    self._ghost.learn(entry.key, small.living + main.living + _SPARE)
                    return entry
                entry.reads = 0
            else:
                entry = main.pop()
                if not entry.reads or turns >= _MOST_TURNS:
                    return entry
                entry.reads = min(entry.reads, _MOST_READS) - 1
            main.push(entry)
            turns += 1
