"""What was invalidated within the last minute, by slot: whoever takes a slot over may not have heard of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from ...wire.slot_map import slot_of
from ..journal import Journal

__all__ = ["Lately"]

_TOGETHER: Final = 0.1
"""Seconds for which the order of a journal that does not change is used again: slots move together."""


class Lately:
    """The acknowledged part of a journal, sorted by slot."""

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now
        self._sorted: dict[int, list[str]] = {}
        self._until = -math.inf
        self._as_of = -1

    def by_slot(self) -> Mapping[int, list[str]]:
        """The keys that were ended, by slot."""
        now, as_of = self._now(), self._journal.acknowledged
        if now > self._until or as_of != self._as_of:
            self._sorted = {}
            for key in self._journal.to_repeat(now):
                self._sorted.setdefault(slot_of(key), []).append(key)
            self._until, self._as_of = now + _TOGETHER, as_of
        return self._sorted
