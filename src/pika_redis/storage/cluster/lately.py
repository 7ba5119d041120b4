"""What was invalidated within the last minute, by slot: whoever takes a slot over may not have heard of it.

A primary that gives single slots away takes their keys along, deletions included. One that is lost, that has said that
it does not serve, or that has no slot left (its replica may have taken over on command, without asking it) does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from ...wire.address import HostPort
from ...wire.slot_map import Owners, slot_of
from ..journal import Journal

__all__ = ["Lately"]

Steady: TypeAlias = Callable[[HostPort | None], bool]
"""Whether a node has been a primary that answers all the time."""
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
        self._handed: dict[int, HostPort] = {}  # whose the slots were that moved one by one since the map was read

    def moved(self, slot: int, before: HostPort, steady: Steady, heard: float) -> Sequence[str]:
        """What the new owner of one slot is to be told."""
        self._handed.setdefault(slot, before)
        return () if steady(before) else self.by_slot(heard).get(slot, ())

    def taken_over(self, before: Owners, now: Owners, steady: Steady, heard: float) -> list[str]:
        """What the new owners are to be told after the map was read anew."""
        handed, self._handed = self._handed, {}
        gone = {*before, *handed.values()}.difference(now)
        found: list[str] = []
        for slot, keys in self.by_slot(heard).items():
            held = handed.get(slot, before[slot])
            if held != now[slot] and (held in gone or not steady(held)):
                found += keys
        return found

    def by_slot(self, heard: float) -> Mapping[int, list[str]]:
        """The keys that were ended, by slot, in the minute before `heard` and since."""
        now, as_of = self._now(), self._journal.acknowledged
        if now > self._until or as_of != self._as_of:
            self._sorted = {}
            for key in self._journal.to_repeat(heard):
                self._sorted.setdefault(slot_of(key), []).append(key)
            self._until, self._as_of = now + _TOGETHER, as_of
        return self._sorted
