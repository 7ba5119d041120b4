"""Many who wait for one thing, each for a time of its own.

Coming and leaving costs the same however many they are: a shared future doesn't do, since who stops waiting for it is
looked for among all the others. And those whose patience ends at about the same time share one timer, but for one who
waits alone. A hundred thousand callers of a server that is gone would else spend most of their time on the loop's heap.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from typing import TypeAlias

__all__ = ["Crowd"]

_TICKS = 64  # a second: nobody is kept longer than one of them above his patience
_Group: TypeAlias = dict[asyncio.Future[None], None]


class Crowd:
    """Those who wait."""

    __slots__ = ("_groups", "_loop", "_size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._groups: dict[float, tuple[_Group, asyncio.TimerHandle | None]] = {}  # by the time when they give up
        self._size = 0

    def __len__(self) -> int:
        return self._size

    async def wait(self, seconds: float) -> None:
        """Wait until all are woken, at most so long."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        due = self._loop.time() + seconds
        if self._size and math.isfinite(due):
            due = math.ceil(due * _TICKS) / _TICKS
        waiter: asyncio.Future[None] = self._loop.create_future()
        group = self._group(due)
        group[waiter] = None
        self._size += 1
        try:
            await waiter
        finally:
            self._size -= 1
            del group[waiter]
            if not group and due in self._groups and self._groups[due][0] is group:
                self._part(due)

    def wake(self) -> None:
        """What they wait for is there."""
        for group, _ in self._groups.values():
            _wake(group)

    def _group(self, due: float) -> _Group:
        found = self._groups.get(due)
        if found is not None:
            return found[0]
        group: _Group = {}
        timer = None
        if due != math.inf:
            timer = self._loop.call_at(due, self._end, due, context=contextvars.Context())
        self._groups[due] = group, timer
        return group

    def _end(self, due: float) -> None:
        """Their patience is over. A loop may say so a little early: who comes now with as much is none of them."""
        group, _ = self._groups.pop(due)
        _wake(group)

    def _part(self, due: float) -> None:
        """The last of a group has left."""
        _, timer = self._groups.pop(due)
        if timer is not None:
            timer.cancel()


def _wake(group: _Group) -> None:
    for waiter in group:
        if not waiter.done():
            waiter.set_result(None)
