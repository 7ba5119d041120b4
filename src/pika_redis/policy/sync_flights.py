"""Flights for threads: at most one load of a key at a time among synchronous callers.

A load runs in the thread of the caller that leads, so every load is attached: when its thread is told to go
(KeyboardInterrupt, SystemExit and whatever else is no Exception), the flight is handed over and its joiners start
anew. A thread can't be interrupted from outside: after the hard timeout a flight that has not landed is *overdue*, its
joiners get LoadTimeoutError, and the next caller leads anew.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable

from ..errors import LoadTimeoutError
from ..model.forks import forget_after_fork
from .flights import Load

__all__ = ["SyncFlight", "SyncFlights"]

_MOST_REFRESHES = 32


class SyncFlight(Load):
    """A load in some thread, for which others may wait."""

    __slots__ = ("ends", "landing")

    def __init__(
        self, family: object, key: str, tags: Iterable[str], hard_timeout: float, *, background: bool = False
    ) -> None:
        super().__init__(family, key, tags, background=background)
        self.ends = time.monotonic() + hard_timeout
        self.landing = threading.Event()

    @property
    def overdue(self) -> bool:
        """Whether the load takes longer than its leader allowed."""
        return time.monotonic() >= self.ends

    def join(self, hard_timeout: float) -> object:
        """Wait for the result; `HANDED_OVER` when the leader went away.

        Raises what the load raised, LoadTimeoutError after `hard_timeout` seconds or the flight's own.
        """
        left = min(hard_timeout, self.ends - time.monotonic())
        if not self.landing.wait(None if math.isinf(left) else max(0.0, left)):
            raise LoadTimeoutError(f"the load of {self.key!r} took longer than {hard_timeout:g} s")
        return self.share()


class SyncFlights:
    """The flights of one service's synchronous callers, on all threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._flights: dict[str, SyncFlight] = {}
        self._refreshes = 0
        forget_after_fork(self)

    # -- under the lock -----------------------------------------------------------------------------------------

    def get(self, key: str) -> SyncFlight | None:
        """The flight of a key that may be joined."""
        flight = self._flights.get(key)
        return None if flight is None or flight.overdue else flight

    def lead(self, flight: SyncFlight) -> None:
        """Register a flight that begins. The caller must `leave` it and set its `landing`."""
        self._flights[flight.key] = flight

    def leave(self, flight: SyncFlight) -> None:
        """Later callers find no flight."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def detach_keys(self, keys: Iterable[str]) -> None:
        """Let go of the flights of these keys, whose results must not be stored."""
        for key in keys:
            flight = self._flights.pop(key, None)
            if flight is not None:
                flight.detached = True

    def detach(self, concerned: Callable[[str, frozenset[str]], bool]) -> None:
        """Let go of flights, chosen by key and tags."""
        self.detach_keys([key for key, flight in self._flights.items() if concerned(key, flight.tags)])

    def begin_refresh(self) -> bool:
        """Take one of the places for loads in threads of our own; False when all are taken."""
        if self._refreshes >= _MOST_REFRESHES:
            return False
        self._refreshes += 1
        return True

    # -- without it ---------------------------------------------------------------------------------------------

    def end_refresh(self) -> None:
        """Give the place back."""
        with self.lock:
            self._refreshes -= 1

    def forget_all_after_fork(self) -> None:
        """The loads under way belong to the parent."""
        self.lock = threading.Lock()
        self._flights = {}
        self._refreshes = 0
