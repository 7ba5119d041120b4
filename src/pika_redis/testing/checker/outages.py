"""What a service tells of itself when its server is gone: which reads memory answered, which changes it still owes.

A change that returns while the service is degraded is known to its own process alone. The service journals it and
tells the server before it trusts it again; only then it binds the others. So such a change is logged twice: when it
returned, as DEGRADED, and when the service is well again, as made good.
"""

from __future__ import annotations

from time import monotonic_ns

from pika_redis import FullCacheService

from ...model.counters import Counters
from .history import Kind, Operation, Tier
from .log import Log

__all__ = ["Outages"]


class Outages:
    """The outages of one service; for one of somebody else's, which doesn't tell, there are none."""

    def __init__(self, service: FullCacheService, log: Log) -> None:
        counts = getattr(service, "counts", None)
        self._counts = counts if isinstance(counts, Counters) else Counters()
        self._log = log
        self._owed: list[Operation] = []

    def copies_read(self) -> int:
        """How many reads were answered by copies that the server keeps true."""
        return self._counts.l1_hits

    @property
    def seen(self) -> int:
        """What `since` wants to know: odd while it is degraded."""
        return 2 * self._counts.outages - self._counts.degraded

    def since(self, seen: int) -> bool:
        """Whether the service was degraded at any moment since then."""
        return self._counts.degraded or seen % 2 == 1 or self.seen != seen

    def log_change(self, done: Operation) -> None:
        """Log a change that has returned just now."""
        if self._counts.degraded:
            self._log.write(done._replace(tier=Tier.DEGRADED))
            self._owed.append(done)
        else:
            self._log.write(done)

    def settle(self) -> None:
        """If the service is well again, what it owed is paid."""
        if self._owed and not self._counts.degraded:
            paid = monotonic_ns()
            for done in self._owed:
                kind = Kind.DELETE if done.kind is Kind.SET else done.kind
                self._log.write(Operation(kind, done.start, paid, done.subject, version=1))
            self._owed.clear()
