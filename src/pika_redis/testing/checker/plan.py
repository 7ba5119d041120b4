"""What a run shall be: how long, how many, which mix. Plain data that travels to the processes as JSON."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Literal

from pika_redis import ArgumentError

from .history import CHANGES, Kind

__all__ = ["Plan"]

_ROWS_OF_A_GROUP = 20
_MOST_PROCESSES = 64
_MOST_ROWS = 1_000_000


def _any_seed() -> int:
    return random.SystemRandom().randrange(2**32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run. Raises ArgumentError for a value that makes no sense."""

    seconds: float = 60.0
    """How long the processes work."""
    operations: int | None = None
    """How many operations each task does at most; None = as many as the seconds allow."""
    processes: int = 4
    tasks: int = 8
    """Tasks in the event loop of each process."""
    keys: int = 200
    """Rows of the database, each cached under one key; low ones are asked for more often."""
    invalidate: Literal["tags", "keys", "both"] = "both"
    """By what the writers invalidate. "tags" leaves out every deletion by key."""
    control: bool = False
    """Read by a naive cache-aside, which breaks the promise, instead of through the cache."""
    ttl: float = 600.0
    """Seconds that entries live."""
    stale: float = 0.0
    """Seconds past their time for which entries are served while they are loaded again, or when loading fails."""
    refresh_ahead: float = 0.0
    """Seconds before their end from which entries are loaded again in the background."""
    fail_rate: float = 0.0
    """The share of loads that fail."""
    load_ms: float = 2.0
    """The longest time that a load takes before and after it reads its row, in milliseconds."""
    think_ms: float = 2.0
    """The longest pause of a task between two operations, in milliseconds."""
    uvloop: bool = False
    seed: int = field(default_factory=_any_seed)
    """The same seed gives each task the same operations; how they interleave is up to the machine."""
    url: str | None = None
    """The server; None = an embedded one of the run's own."""
    service: str | None = None
    """``module:factory`` for a service of your own, made in each process by ``factory(url, key_prefix)``."""

    def __post_init__(self) -> None:
        _within("seconds", self.seconds, 0.001, 86400)
        _within("operations", 1 if self.operations is None else self.operations, 1, math.inf)
        _within("processes", self.processes, 1, _MOST_PROCESSES)
        _within("tasks", self.tasks, 1, 10_000)
        _within("keys", self.keys, 1, _MOST_ROWS)
        _within("ttl", self.ttl, 0.001, 365 * 86400)
        _within("stale", self.stale, 0, 86400)
        _within("refresh_ahead", self.refresh_ahead, 0, self.ttl)
        _within("fail_rate", self.fail_rate, 0, 1)
        _within("load_ms", self.load_ms, 0, 60_000)
        _within("think_ms", self.think_ms, 0, 60_000)
        if self.invalidate not in ("tags", "keys", "both"):
            raise ArgumentError(f"invalidate must be 'tags', 'keys' or 'both', not {self.invalidate!r}")
        if self.service is not None and not all(self.service.partition(":")):
            raise ArgumentError(f"service must be 'module:factory', not {self.service!r}")

    @property
    def loading(self) -> dict[str, float]:
        """The options that every load is called with."""
        stale = {"stale_while_revalidate": self.stale, "stale_if_error": self.stale} if self.stale else {}
        return stale | ({"refresh_ahead": self.refresh_ahead} if self.refresh_ahead else {})

    @property
    def lives_ns(self) -> int:
        """The longest time that a stored value may be served, in nanoseconds."""
        return int((self.ttl + self.stale) * 1e9)

    @property
    def changes(self) -> frozenset[Kind]:
        """What ends values: where stale ones are served on purpose, `mark_stale` does not."""
        return CHANGES - {Kind.MARK_STALE} if self.stale else CHANGES

    def tags_of(self, row: int) -> tuple[int, int]:
        """The tags of a row: its own, and the one that it shares with every `keys / groups`-th row."""
        return row, self.keys + row % self.groups

    @property
    def groups(self) -> int:
        """How many tags there are that end several rows at once."""
        return math.ceil(self.keys / _ROWS_OF_A_GROUP)

    def tag_name(self, tag: int) -> str:
        """The tag as the cache knows it."""
        return f"row-{tag}" if tag < self.keys else f"group-{tag - self.keys}"


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ArgumentError(f"{name} must be from {low:g} to {high:g}, not {value:g}")
