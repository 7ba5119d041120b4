"""What led to a violation: everything that touched the row from the load of the stale value to the read of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .history import Kind, Operation
from .judge import Violation

__all__ = ["trace_of"]

_OTHER_READS = frozenset({Kind.READ, Kind.MISS, Kind.MIXED, Kind.FAILED})
_MOST = 60


def trace_of(
    history: Iterable[Operation], violation: Violation, tags_of: Callable[[int], Iterable[int]]
) -> list[Operation]:
    """Loads, commits and changes that concern the row in that time, and the read itself, by their start.

    Of a long story the beginning and the end: the stale load stands at the one, the read at the other.
    """
    read = violation.read
    tags = frozenset(tags_of(read.subject))
    since = min(violation.as_of or read.start, read.start)
    found = [
        one
        for one in history
        if one.end >= since
        and one.start <= read.end
        and (one == read or (one.kind not in _OTHER_READS and _concerns(one, read.subject, tags)))
    ]
    found.sort(key=lambda one: one.start)
    return found if len(found) <= _MOST else found[: _MOST // 2] + found[-_MOST // 2 :]


def _concerns(one: Operation, row: int, tags: frozenset[int]) -> bool:
    if one.kind is Kind.CLEAR:
        return True
    return one.subject in tags if one.kind is Kind.TAG else one.subject == row
