"""What happened in a run: operations with their beginning and end, from all processes, on one clock.

`CLOCK_MONOTONIC` is one clock for every process of a machine, so a comparison of stamps from two processes says which
came first. A stamp before a call is taken before anything else is done for it and the one after it when it has
returned: an interval holds the moment at which the operation took effect, and is never too short. All doubt is
therefore in favour of the cache: what merely overlaps is no violation.

Rows of the counter database and their tags are numbers here. What a value says of itself travels in the value
(`Stamped`): which row it belongs to, the version that was read, and `as_of`, the moment at which its load began. A
cached None can say nothing; the judge finds the newest load that it may have come from.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

__all__ = [
    "CHANGES",
    "Kind",
    "Operation",
    "Stamped",
    "Target",
    "Tier",
    "first_origin",
    "process_of",
    "target_of",
    "targets_of",
]

_ORIGINS = 1 << 40  # so many loads no process has

Stamped: TypeAlias = tuple[int, int, int, int]
"""A cached value: row, version, `as_of` in nanoseconds (0 when it was `set`), origin (the id of its load or set)."""


class Kind(enum.IntEnum):
    """What was done. Only what returned is logged by its kind; what raised is FAILED and promises nothing."""

    READ = 1
    """A read that gave a value."""
    MISS = 2
    """A look-up that found nothing."""
    LOAD = 3
    """A run of the loader; `version` 0 = it gave None."""
    COMMIT = 4
    """A change in the database; `version` is the new one."""
    SET = 5
    """A `set` of the row's entry; `origin` is the id that its value carries."""
    DELETE = 6
    """A delete of the row's entry."""
    MARK_STALE = 7
    """A `mark_stale` of the row's entry."""
    TAG = 8
    """An invalidation of a tag; `subject` is the tag."""
    CLEAR = 9
    """An end of everything."""
    MIXED = 10
    """A read that gave something else than a value of the row that was asked for."""
    FAILED = 11
    """A call that raised an error of the cache, or a load that failed as planned."""
    ADD = 12
    """An `add` that stored the row's entry; `origin` is the id that its value carries. It ends no earlier value."""
    HOLD = 13
    """The time that a `guard` was held on the row: readers may load side by side."""


class Tier(enum.IntEnum):
    """Who answered a read. The promise differs from tier to tier."""

    SERVER = 0
    """An entry of the server."""
    LOADED = 1
    """The read's own run of the loader."""
    JOINED = 2
    """Another caller's load, under way when this read began."""
    L1 = 3
    """The memory of the process."""
    STRICT = 4
    """The server, under ``consistency="strict"``."""
    DEGRADED = 5
    """The memory of a process that is cut off from the server."""

    @property
    def label(self) -> str:
        """As reports print it."""
        return self.name if self is Tier.L1 else self.name.lower()


class Operation(NamedTuple):
    """One operation; stamps in nanoseconds of the monotonic clock."""

    kind: Kind
    start: int
    end: int
    subject: int = 0
    """The row; the tag of a TAG; nothing of a CLEAR."""
    process: int = 0
    tier: Tier = Tier.SERVER
    """Of a READ or MIXED. DEGRADED for a change: it returned without the server, and binds its own process alone."""
    version: int = 0
    """The version that a READ gave, a LOAD read or a COMMIT wrote; 0 = the value was None.

    1 for a change: it was made good after an outage, its call is told of elsewhere. 1 for a FAILED: it was an `add`,
    which never guesses.
    """
    as_of: int = 0
    """When the load of the READ value began, 0 when it was `set`, or None; when a LOAD was asked for."""
    origin: int = 0
    """The load or set that the value came from."""


def first_origin(process: int) -> int:
    """The first of the ids that a process, counted from 0, gives to its loads and sets; 0 is none."""
    return 1 + process * _ORIGINS


def process_of(origin: int) -> int:
    """The process that gave an id."""
    return (origin - 1) // _ORIGINS


Target: TypeAlias = tuple[str, int]
"""What a change ends: the entry of a row, all with a tag, everything."""


def target_of(change: Operation) -> Target:
    """What a change ends."""
    if change.kind is Kind.CLEAR:
        return "all", 0
    return ("tag" if change.kind is Kind.TAG else "row"), change.subject


def targets_of(row: int, tags: Iterable[int]) -> tuple[Target, ...]:
    """All that a change may end in order to end the entry of a row with these tags."""
    return ("row", row), *[("tag", tag) for tag in tags], ("all", 0)


CHANGES = frozenset({Kind.SET, Kind.DELETE, Kind.MARK_STALE, Kind.TAG, Kind.CLEAR})
"""After one of these has returned, nothing that was loaded before it may be read."""
