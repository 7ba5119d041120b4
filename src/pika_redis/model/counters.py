"""The running counts behind `CacheStats`: plain integers, one object a service, cheap to bump on the hot path."""

from __future__ import annotations

from .forks import forget_after_fork

__all__ = ["Counters"]


class Counters:
    """Counts of what happened since the service was made. Bumped without a lock; a race may lose a count, no more."""

    __slots__ = (
        "__weakref__",
        "degraded",
        "deletes",
        "errors",
        "evictions",
        "hits",
        "joined",
        "l1_hits",
        "load_failures",
        "loads",
        "misses",
        "outages",
        "refreshes",
        "replayed",
        "sets",
        "stale",
        "undecodable",
    )

    def __init__(self) -> None:
        self.forget_all_after_fork()
        forget_after_fork(self)

    def forget_all_after_fork(self) -> None:
        """A child counts from the beginning."""
        self.hits = 0
        self.l1_hits = 0
        self.misses = 0
        self.sets = 0
        self.stale = 0
        self.deletes = 0
        self.loads = 0
        self.load_failures = 0
        self.joined = 0
        self.refreshes = 0
        self.errors = 0
        self.undecodable = 0
        self.evictions = 0
        self.outages = 0
        self.replayed = 0
        self.degraded = False
