"""S3-FIFO by bytes that learns from its evictions: which entries memory drops for room.

Strategy. New entries enter a *small* queue, which gives way first when it holds more than its share of the room. Those
that were read at least twice before they reach its head move to the *main* queue; the others leave, and a *ghost*
remembers that they were here, and when. In main, an entry at the head that was read since its last turn goes round
again. A hit only bumps a small counter on the entry: no list is reordered, no lock is taken.

Plain S3-FIFO lets every entry whose ghost is still known into main, and gives the small queue a tenth. In a loop that
is larger than the room this drops each entry shortly before it is wanted: no hits at all. Where popularity drifts, a
tenth is too little. So both are learnt, from *duels* (`duels.py`): for a sample of the evictions it is watched who is
wanted first, the one that was kept or the one that went. By how long they had been away, those that come back are
welcome in main or not; the share of the small queue shrinks when the head of main outlasts what the small queue
drops, and grows when it doesn't. In a loop nobody is welcome, and the part of the loop that is in main stays there
and is hit each time.

While there is room, what the small queue has above its share goes to main for nothing, unread too.

Invariants:

1. `bytes` is exactly the size of the living entries, and never above the capacity.
2. Dropping is O(1), and what dropped entries keep in memory is bounded (`queues.py`).
3. Ghosts take at most 144 bytes for each entry of the most there ever were at one time; duels are a few hundred.
4. Making room looks at no more than `_MOST_TURNS` entries that were read before one has to go after all, so that no
   single write pays for all the reads since the last one.

Sources: Yang and others, "FIFO queues are all you need for cache eviction", SOSP 2023; the figures behind each number
are in docs/decisions/016-eviction.md.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Generic

from .duels import Duels
from .ghosts import Ghosts
from .leanings import BANDS, SHARE, Leanings
from .queues import DUELLING, GONE, MAIN, SMALL, EntryT, Evictable, Queue

__all__ = ["Evictable", "S3Fifo"]

_MOST_READS = 3
_READS_TO_STAY = 2
_MOST_TURNS = 128
_HUSK_SHARE = 0.125
_SAMPLE = 3
"""One in four of those that leave the small queue is watched: these bits of its number are not set."""
_FEW, _MOST_READS_OF_FEW = 64, 15
"""Among fewer entries than that, turns come so often that only more reads tell favourites from passers-by."""


class S3Fifo(Generic[EntryT]):
    """The queues. `add` gives the entries that must go. Not for several threads at once."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._small: Queue[EntryT] = Queue(capacity * _HUSK_SHARE / 2)
        self._main: Queue[EntryT] = Queue(capacity * _HUSK_SHARE / 2)
        self._begin()

    def _begin(self) -> None:
        self._ghosts = Ghosts()
        self._leanings = Leanings()
        self._duels: Duels[EntryT] = Duels(self._leanings)
        self._still = 0
        """How many left the small queue since main last took a turn."""

    @property
    def bytes(self) -> int:
        """Bytes of all living entries."""
        return self._small.bytes + self._main.bytes

    def add(self, entry: EntryT) -> list[EntryT]:
        """Take an entry in; gives the entries that no longer have room, `entry` itself when it never fits."""
        if entry.size > self._capacity:
            return [entry]
        small, main, duels, print_ = self._small, self._main, self._duels, hash(entry.key)
        if print_ in duels.open:
            duels.met(print_)
        living = small.living + main.living
        away = self._ghosts.pop(print_)
        band = self._band(away / living) if away and living else -1
        free = self._capacity - entry.size
        most_small = self._leanings.share * self._capacity
        if band >= 0:
            most_small += entry.size  # who enters main is paid for by main
        rival: EntryT | None = None
        evicted: list[EntryT] = []
        while small.bytes + main.bytes > free:
            gone = self._evict(most_small, _MOST_READS if living >= _FEW else _MOST_READS_OF_FEW)
            if gone.queued != SMALL:
                rival = gone
            gone.queued = GONE
            evicted.append(gone)
        if small.bytes > most_small:
            main.push(small.pop(), MAIN)
        if band < 0:
            small.push(entry, SMALL)
            return evicted
        main.push(entry, MAIN)
        if rival is not None and not duels.full[False]:
            duels.begin(entry, hash(rival.key), band, self._ghosts.departures, living)
        return evicted

    def drop(self, entry: EntryT) -> None:
        """Forget an entry that was deleted or replaced."""
        if entry.queued == DUELLING:
            self._duels.dropped(entry)
        if entry.queued:
            (self._small if entry.queued == SMALL else self._main).drop(entry)

    def clear(self) -> None:
        """Forget everything."""
        self._small.clear()
        self._main.clear()
        self._begin()

    def _band(self, away: float) -> int:
        """The band of one that has been away for so many departures per living entry, if it is welcome; else -1."""
        band = bisect_left(BANDS, away)
        return band if band < len(BANDS) and self._leanings.welcomes(band) else -1

    def _evict(self, most_small: float, most_reads: int) -> EntryT:
        """Take out the entry that goes next; there is one. `queued` still tells where it was.

        `most_small` = bytes above which the small queue gives way; `most_reads` = turns that reads can buy.
        """
        small, main = self._small, self._main
        turns = 0
        while True:
            if small.living and (small.bytes > most_small or not main.living):
                entry = small.pop()
                if entry.reads < _READS_TO_STAY or turns >= _MOST_TURNS:
                    self._outlived(entry)
                    return entry
                entry.reads = 0
                main.push(entry, MAIN)
            else:
                entry = main.pop()
                self._still = 0
                watched = entry.queued == DUELLING and self._duels.turned(entry)
                reads = entry.reads
                stays = reads > 0 and turns < _MOST_TURNS
                if stays:
                    entry.reads = reads - 1 if reads < most_reads else most_reads - 1
                    main.push(entry, entry.queued)
                if watched:
                    self._duels.looked(entry, stays=stays)
                if not stays:
                    self._ghosts.learn(hash(entry.key), small.living + main.living)
                    return entry
            turns += 1

    def _outlived(self, entry: EntryT) -> None:
        """An entry goes from the small queue while the head of main stays: watch who is wanted first."""
        main, ghosts, print_ = self._main, self._ghosts, hash(entry.key)
        living = self._small.living + main.living
        ghosts.learn(print_, living)
        self._still += 1
        if ghosts.departures & _SAMPLE or self._duels.full[True] or not main.living:
            return
        head = main.head()
        # a head that was read will stay; it is a measure of main only while main takes no turns
        if head.queued == MAIN and (not head.reads or self._still > living):
            self._duels.begin(head, print_, SHARE, ghosts.departures, living)
