"""S3-FIFO by bytes: which entries memory drops for room.

Strategy. New entries enter a *small* queue of a tenth of the room. Those that were read at least twice before they
reach its head move to the *main* queue; the others leave, and a *ghost* remembers that they were here. An entry whose
ghost is still known enters main at once. In main, an entry at the head that was read since its last turn goes round
again. A hit only bumps a small counter on the entry: no list is reordered, no lock is taken.

Invariants: `small_bytes` and `main_bytes` count exactly the entries that are in the queues and not dropped; a dropped
entry stays in its deque as a husk until it reaches the head or husks outnumber the living, whichever is first, so
that dropping is O(1) and the deques stay within twice the number of living entries.

Source: Yang and others, "FIFO queues are all you need for cache eviction", SOSP 2023.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

__all__ = ["Evictable", "S3Fifo"]

_SMALL_SHARE = 0.1
_MOST_READS = 3
_READS_TO_STAY = 2
_HUSKS_ALLOWED = 64


class Evictable(Protocol):
    """What the queues need to know of an entry."""

    key: str
    size: int
    reads: int
    queued: int
    """0 = in no queue, 1 = small, 2 = main. Written by `S3Fifo` alone."""


EntryT = TypeVar("EntryT", bound=Evictable)


class S3Fifo(Generic[EntryT]):
    """The queues. `add` gives the entries that must go."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._queues: tuple[deque[EntryT], deque[EntryT], deque[EntryT]] = (deque(), deque(), deque())
        self._bytes = [0, 0, 0]
        self._living = [0, 0, 0]
        self._ghost: dict[int, None] = {}

    @property
    def bytes(self) -> int:
        """Bytes of all living entries."""
        return self._bytes[1] + self._bytes[2]

    def add(self, entry: EntryT) -> list[EntryT]:
        """Take an entry in; gives the entries that no longer have room, `entry` itself when it never fits."""
        if entry.size > self._capacity:
            return [entry]
        ghost = self._ghost
        print_ = hash(entry.key)
        if print_ in ghost:
            del ghost[print_]
            self._push(entry, 2)
        else:
            self._push(entry, 1)
        evicted: list[EntryT] = []
        while self.bytes > self._capacity:
            gone = self._evict_one()
            if gone is not None:
                evicted.append(gone)
        return evicted

    def drop(self, entry: EntryT) -> None:
        """Forget an entry that was deleted or replaced."""
        queue = entry.queued
        if not queue:
            return
        entry.queued = 0
        self._bytes[queue] -= entry.size
        self._living[queue] -= 1
        husks = len(self._queues[queue]) - self._living[queue]
        if husks > self._living[queue] + _HUSKS_ALLOWED:
            living = [one for one in self._queues[queue] if one.queued == queue]
            self._queues[queue].clear()
            self._queues[queue].extend(living)

    def clear(self) -> None:
        """Forget everything."""
        for queue in self._queues:
            queue.clear()
        self._bytes = [0, 0, 0]
        self._living = [0, 0, 0]
        self._ghost.clear()

    def _push(self, entry: EntryT, queue: int) -> None:
        entry.queued = queue
        self._queues[queue].append(entry)
        self._bytes[queue] += entry.size
        self._living[queue] += 1

    def _pop(self, queue: int) -> EntryT:
        """The oldest living entry; there is one."""
        while True:
            entry = self._queues[queue].popleft()
            if entry.queued == queue:
                entry.queued = 0
                self._bytes[queue] -= entry.size
                self._living[queue] -= 1
                return entry

    def _evict_one(self) -> EntryT | None:
        """One step: an entry that goes, or None when one was moved instead."""
        if self._living[1] and (self._bytes[1] > self._capacity * _SMALL_SHARE or not self._living[2]):
            entry = self._pop(1)
            if entry.reads >= _READS_TO_STAY:
                entry.reads = 0
                self._push(entry, 2)
                return None
            self._remember(entry)
            return entry
        entry = self._pop(2)
        if entry.reads > 0:
            entry.reads = min(entry.reads, _MOST_READS) - 1
            self._push(entry, 2)
            return None
        return entry

    def _remember(self, entry: EntryT) -> None:
        ghost = self._ghost
        ghost[hash(entry.key)] = None
        if len(ghost) > self._living[1] + self._living[2] + _HUSKS_ALLOWED:
            oldest = list(ghost)[: len(ghost) // 2]
            for print_ in oldest:
                del ghost[print_]
