"""What the cache says of itself: frozen records in which every value is a real field."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass

__all__ = ["CacheStats", "HealthReport", "HealthStatus"]


class HealthStatus(enum.StrEnum):
    """`healthy` serves as designed, `degraded` serves with something missing, `unhealthy` can't serve."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counts of one service object in this process since it was made, and what its store holds now."""

    hits: int
    """Look-ups that gave a value (a cached None is one)."""
    l1_hits: int
    """Hits that a copy in this process's memory answered, without asking the server."""
    misses: int
    """Look-ups that gave none."""
    hit_rate: float
    """`hits / (hits + misses)`, from 0.0 to 1.0; 0.0 without look-ups."""
    sets: int
    """Entries written."""
    deletes: int
    """Entries that delete verbs removed."""
    loads: int
    """Loader calls that returned."""
    load_failures: int
    """Loader calls that raised or passed their hard timeout."""
    joined: int
    """Callers that were served by another caller's load."""
    refreshes: int
    """Loads that ran ahead of expiry."""
    stale: int
    """Values served past their time, under an option that allows it; those of `stale_while_revalidate` are hits too."""
    errors: int
    """Calls that the store could not answer."""
    undecodable: int
    """Keys that held foreign, corrupted or outdated bytes; each also counts as a miss."""
    evictions: int
    """Entries that the process's own memory dropped for room."""
    outages: int
    """Times that the server was gone and this process's memory stood in for it."""
    degraded: bool
    """Whether it does so now."""
    replayed: int
    """Invalidations made meanwhile that the server was told of when it was back."""
    key_count: int
    """Keys in the store: of this namespace in memory or with `exact=True`, else of the whole database."""
    memory_usage: int
    """Bytes in the store, counted in the same way as `key_count`; 0 when it can't be told."""
    exact: bool
    """Whether `key_count` and `memory_usage` were counted key by key."""

    def to_dict(self) -> dict[str, int | float | bool]:
        """The fields by name, ready for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The outcome of one health check."""

    status: HealthStatus
    backend: str
    """``redis``, ``memory`` or ``null``."""
    connected: bool
    latency_ms: float | None
    """Round trip of a PING in milliseconds; None without an answer."""
    server: str | None
    """Name and version of the server, such as ``valkey 9.1.2``; None in memory or without an answer."""
    role: str | None
    """``master`` or ``replica`` as the server says; None in memory or without an answer."""
    detail: str
    """One line for people: what is wrong, or ``ok``."""

    def to_dict(self) -> dict[str, str | float | bool | None]:
        """The fields by name, ready for JSON; `status` as plain text."""
        return {**dataclasses.asdict(self), "status": str(self.status)}
