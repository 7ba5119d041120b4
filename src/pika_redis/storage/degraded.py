"""What one service of this process knows while its server is gone: the journal, and what was loaded meanwhile.

Event loops have connections of their own, so one may be cut off while another is not; the memory that stands in is
theirs together. It is empty when the first of them is cut off, and emptied when the last one is back: what is in it was
loaded since the cut. It begins and ends with one line in the log.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from ..model.counters import Counters
from ..model.forks import forget_after_fork
from ..model.report import HealthReport, HealthStatus
from .journal import Journal
from .shelf import Shelf

__all__ = ["Degraded"]

_log = logging.getLogger("pika_redis")
_QUIET = 60.0


class Degraded:
    """The degraded mode of one service. From any thread."""

    def __init__(self, shelf: Shelf, counters: Counters, now: Callable[[], float], ttl: float = 30.0) -> None:
        """`ttl` = seconds for which what is at hand may be served in place of what the server would say."""
        self.journal = Journal(now)
        self.shelf = shelf
        """Values that were loaded since the cut."""
        self.counters = counters
        self.now = now
        self.ttl = ttl
        self.epochs: set[str] = set()
        """The epochs' keys of the namespaces that were used."""
        self.reason = ""
        self.forget_all_after_fork()
        forget_after_fork(self)

    def forget_all_after_fork(self) -> None:
        """A child has connections of its own, and none yet."""
        self._lock = threading.Lock()
        self._loops = 0
        self._since = 0.0
        self._told = False
        self._quiet_until = 0.0
        self.counters.degraded = False

    @property
    def seconds(self) -> float:
        """For how long it has lasted; 0.0 when nothing is cut off."""
        return self.now() - self._since if self._loops else 0.0

    def amend(self, report: HealthReport, *, cut: bool) -> HealthReport:
        """What the server says of itself, and what stands in for it; `cut` = memory does."""
        waiting = self.journal.waiting
        lasts = f"; for {self.seconds:.0f} s values come from this process's memory" if cut else ""
        owed = f", {waiting} invalidations wait for the server" if waiting else ""
        detail = self.reason if report.connected else report.detail
        return replace(report, status=HealthStatus.DEGRADED, detail=f"{detail}{lasts}{owed}")

    def enter(self, reason: str, *, quiet: bool = False) -> None:
        """An event loop is cut off; `quiet` = for a moment, nothing has failed."""
        with self._lock:
            self._loops += 1
            if self._loops > 1:
                return
            self._since = self.now()
            self._told = not quiet
        self.counters.degraded = True
        self.shelf.clear()
        if not quiet:
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        self.reason = reason
        self.counters.outages += 1
        _log.warning("the server can't be used, the cache answers from this process's memory: %s", reason)

    def worsen(self, reason: str) -> None:
        """What was to last for a moment does not end: a call failed."""
        with self._lock:
            if self._told or not self._loops:
                return
            self._told = True
        self._tell(reason)

    def could_not_store(self, error: Exception) -> None:
        """The server is there and has no room; told at most once a minute."""
        self.counters.errors += 1
        now = self.now()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET
            _log.warning("values can't be stored, what stood in their place is deleted: %s", error)

    def leave(self, *, told: bool = True) -> None:
        """An event loop is back, or at its end."""
        with self._lock:
            self._loops = max(0, self._loops - 1)
            if self._loops:
                return
            lasted, self._told, was_told = self.now() - self._since, False, self._told
        self.counters.degraded = False
        self.shelf.clear()
        if told and was_told:
            _log.info("the server answers again, after %.3g s", lasted)
