"""Invalidations that a server does not know, or may have forgotten.

Two lists of full keys, entries, tags and epochs alike, since all of them are ended by deleting a key:

- *waiting*: the server could not be reached, or refused. They are deleted before anything it holds is trusted again.
- *acknowledged*: those of the last minute. Replication is asynchronous, so a server that takes another's place, or one
  that was restarted from a file, may not have heard of them; then they are deleted once more, but not what is no entry
  of ours by then: somebody may be counting there.

Beside them stand leases and claims that this process could not give back, by what they hold: nobody in the fleet would
load until they end. They are given back on the same way, and forgotten when there are too many: others wait then. The
last that the server has seen end are remembered too: one that takes its place may hold them still.

Both lists are bounded. What no longer fits ends the epoch of its namespace: every entry of it, in one key. (Counters
carry no epoch; a counter whose delete did not fit stays.)
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ..model.forks import forget_after_fork

__all__ = ["MINUTE", "MOST", "Journal"]

MINUTE: Final = 60.0
"""Seconds for which what was acknowledged is remembered."""
MOST: Final = 10_000
"""Keys in each of the two lists."""
_MOST_ENDED: Final = 1_000
_LAG: Final = 5.0
"""Seconds: what ended longer ago has reached the replicas, or is over by itself."""


class Journal:
    """The journal of one service in this process. From any thread."""

    def __init__(self, now: Callable[[], float], most: int = MOST) -> None:
        self._now = now
        self._most = most
        self.forget_all_after_fork()
        forget_after_fork(self)

    def forget_all_after_fork(self) -> None:
        """A child has invalidated nothing; its parent sees to what it has."""
        self._lock = threading.Lock()
        self._waiting: dict[str, str] = {}  # key -> the epoch's key of its namespace
        self._acknowledged: dict[str, tuple[float, str]] = {}  # key -> when, and the same
        self.acknowledged = 0
        """How often something was acknowledged, ever."""
        self._kept_from = math.inf
        self._leases: dict[tuple[str, bytes], None] = {}  # their key, and what stands there
        self._ended: deque[tuple[float, str, bytes]] = deque(maxlen=_MOST_ENDED)  # leases: when, their key, what stood
        self._dropped: dict[str, float] = {}  # epochs whose acknowledged keys did not all fit -> when the last one was

    @property
    def waiting(self) -> int:
        """How many keys wait to be deleted."""
        return len(self._waiting)

    @property
    def owes(self) -> bool:
        """Whether there is anything that the server should be told."""
        return bool(self._waiting or self._leases)

    def keep_lease(self, place: str, held: bytes) -> None:
        """A lease or claim could not be given back."""
        with self._lock:
            if len(self._leases) >= self._most:
                self._leases.clear()
            self._leases[place, held] = None

    def leases(self) -> list[tuple[str, bytes]]:
        """The leases and claims to give back: where they stand, and what stands there."""
        with self._lock:
            return list(self._leases)

    def given_back(self, place: str, held: bytes) -> None:
        """This one is ours no more."""
        with self._lock:
            self._leases.pop((place, held), None)

    def ended(self, place: str, held: bytes) -> None:
        """The server says that this lease or claim of ours has ended."""
        self._ended.append((self._now(), place, held))

    def doubt_ends(self, heard: float) -> None:
        """Another server answers than the one that was heard of then: leases that ended since, or shortly before, are
        given back again.
        """
        for at, place, held in self._ended.copy():
            if at >= heard - _LAG:
                self.keep_lease(place, held)

    def miss(self, keys: Iterable[str], epoch_key: str) -> None:
        """These could not be deleted."""
        with self._lock:
            self._waiting.update(dict.fromkeys(keys, epoch_key))
            if len(self._waiting) > self._most:
                self._waiting = {epoch: epoch for epoch in self._waiting.values()}

    def done(self, keys: Sequence[str], epoch_key: str) -> None:
        """The server deleted these."""
        done, now = self._acknowledged, self._now()
        kept = min(now, self._kept_from)
        with self._lock:
            self.acknowledged += 1
            for key in keys:
                done.pop(key, None)
                done[key] = (now, epoch_key)
            while done:  # the oldest first
                oldest = next(iter(done))
                at, epoch = done[oldest]
                if kept - at <= MINUTE and len(done) <= self._most:
                    return
                del done[oldest]
                if kept - at <= MINUTE:
                    self._dropped[epoch] = at

    def keep_from(self, heard: float) -> None:
        """What was acknowledged in the minute before `heard` is needed still: a server was last heard of then.

        `math.inf` = all are there.
        """
        self._kept_from = heard if math.isinf(heard) else min(self._kept_from, heard)

    def forget(self, keys: Iterable[str]) -> None:
        """These were written since: what stands there now is newer than their delete."""
        done = self._acknowledged
        if done:
            with self._lock:
                for key in keys:
                    done.pop(key, None)

    def to_delete(self) -> list[str]:
        """The keys that wait."""
        with self._lock:
            return list(self._waiting)

    def to_repeat(self, since: float) -> list[str]:
        """What was acknowledged after `since`, less a minute, and may be unknown to another server."""
        oldest = since - MINUTE
        with self._lock:
            keys = [key for key, (at, _) in self._acknowledged.items() if at >= oldest]
            return [*keys, *(epoch for epoch, at in self._dropped.items() if at >= oldest)]

    def settled(self, keys: Iterable[str]) -> None:
        """The server has deleted these at last: from now on they count as acknowledged, for it may be replaced."""
        told: dict[str, list[str]] = {}
        with self._lock:
            for key in keys:
                epoch = self._waiting.pop(key, None)
                if epoch is not None:
                    told.setdefault(epoch, []).append(key)
        for epoch, deleted in told.items():
            self.done(deleted, epoch)
