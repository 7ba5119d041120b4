"""Who is wanted first: the one that was kept, or the one that went for it?

That is what a clairvoyant would have asked, and for a sample of the evictions we wait for the answer. A *duel* has a
resident, which is in main, and a loser, which left while the resident stayed:

- An entry that came back entered main, and the unread head of main left for it. Subject: the band of its age.
- The small queue dropped an entry, and the head of main stayed. Subject: the small queue's share.

The loser wins the duel if its key comes back before the resident is read, the resident if it is read first, or is
itself the first to come back after both have gone. Hits tell nothing, so that the resident was read is seen when it is
looked at: at its next turn, when the loser comes back, or when the duel has lasted as long as ghosts are remembered.

Bounds: `_MOST` duels of each kind, and no more than a quarter of the entries; while there are as many, none begins. A
duel holds on to its resident only while that lives.
"""

from __future__ import annotations

from typing import Generic

from .leanings import BANDS, SHARE, Leanings
from .queues import DUELLING, MAIN, EntryT

__all__ = ["Duels"]

_MOST = 256
_SPARE = 8
_LASTS = int(BANDS[-1])
"""Departures per living entry after which a duel ends."""


class _Duel(Generic[EntryT]):
    __slots__ = ("began", "loser", "print_", "reads", "resident", "subject")

    def __init__(self, resident: EntryT, print_: int, loser: int, subject: int, began: int) -> None:
        self.resident: EntryT | None = resident
        self.reads = resident.reads
        """Of the resident, when it was last looked at."""
        self.print_ = print_
        self.loser = loser
        self.subject = subject
        self.began = began

    def was_read(self) -> bool:
        """Whether the resident is in main and was read since it was last looked at."""
        return self.resident is not None and self.resident.reads > self.reads


class Duels(Generic[EntryT]):
    """The duels that are under way. Verdicts go to `leanings`."""

    __slots__ = ("_counts", "_leanings", "full", "open")

    def __init__(self, leanings: Leanings) -> None:
        self._leanings = leanings
        self._counts = [0, 0]
        self.open: dict[int, _Duel[EntryT]] = {}
        """By hash, each under that of its resident and that of its loser; the oldest first."""
        self.full = [False, False]
        """Whether no further duel may begin about a band, about the share."""

    def __len__(self) -> int:
        return len(self.open) // 2

    def begin(self, resident: EntryT, loser: int, subject: int, now: int, living: int) -> None:
        """Watch a resident of main and the hash of who left. `now` in departures; `living` entries there are."""
        self._expire(now - living * _LASTS)
        print_ = hash(resident.key)
        if print_ == loser or print_ in self.open or loser in self.open:
            return
        self.open[print_] = self.open[loser] = _Duel(resident, print_, loser, subject, now)
        resident.queued = DUELLING
        kind = subject == SHARE
        self._counts[kind] += 1
        self.full[kind] = self._counts[kind] >= min(_MOST, living // 4 + _SPARE)

    def met(self, print_: int) -> None:
        """A key came (back) that is one side of a duel."""
        duel = self.open[print_]
        self._end(duel)
        self._leanings.learn(duel.subject, print_ == duel.print_ or duel.was_read())

    def turned(self, resident: EntryT) -> bool:
        """A resident is at its turn in main, before its reads are counted; gives whether its duel goes on."""
        duel = self.open[hash(resident.key)]
        if not duel.was_read():
            return True
        self._end(duel)
        self._leanings.learn(duel.subject, True)
        return False

    def looked(self, resident: EntryT, stays: bool) -> None:
        """Its reads were counted, and it goes round again, or leaves main, in a duel that goes on."""
        duel = self.open[hash(resident.key)]
        if stays:
            duel.reads = resident.reads
        else:
            duel.resident = None

    def dropped(self, resident: EntryT) -> None:
        """A resident was deleted or replaced: nobody wins."""
        self._end(self.open[hash(resident.key)])

    def _end(self, duel: _Duel[EntryT]) -> None:
        del self.open[duel.print_], self.open[duel.loser]
        kind = duel.subject == SHARE
        self._counts[kind] -= 1
        self.full[kind] = False
        if duel.resident is not None:
            duel.resident.queued = MAIN

    def _expire(self, before: int) -> None:
        while self.open:
            duel = next(iter(self.open.values()))
            if duel.began > before:
                return
            self._end(duel)
            if duel.was_read():
                self._leanings.learn(duel.subject, True)
