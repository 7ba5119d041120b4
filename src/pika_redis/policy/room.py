"""How many loads of one event loop may run at a time, so that a cold cache doesn't overrun the source."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar

from ..errors import OverloadedError

__all__ = ["MOST_FLIGHTS", "MOST_LOADS", "Room", "exempt", "is_inside"]

MOST_LOADS = 64
"""Loaders that run."""
MOST_FLIGHTS = 1_000
"""Loads under way: those whose loaders run, and those that take the right to load, wait for a place, or store."""
_inside: ContextVar[bool] = ContextVar("pika_redis_inside", default=False)
"""Whether the code that runs now is part of a load that has a place."""


def is_inside() -> bool:
    """Whether the code that runs now is part of a load that has a place: it must not wait for one that has none."""
    return _inside.get()


@contextlib.contextmanager
def exempt() -> Iterator[None]:
    """Loads that begin within need no place."""
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


class Room:
    """Places for loads. Who finds none waits. A load within a load needs none, or they could wait for each other.

    A place is handed on: who leaves gives it to the first who waits. (An `asyncio.Semaphore` looks for him among all
    whom it woke in the same turn.)
    """

    __slots__ = ("_line", "free")

    def __init__(self, most: int = MOST_LOADS) -> None:
        self.free = most
        """Places that nobody has; there are none while somebody waits."""
        self._line: deque[asyncio.Future[bool]] = deque()

    async def enter(self, seconds: float, key: str) -> bool:
        """Take a place within `seconds`; whether one was needed, and has to be given back. Raises OverloadedError."""
        if _inside.get():
            return False
        if self.free:
            self.free -= 1
            return True
        loop = asyncio.get_running_loop()
        given: asyncio.Future[bool] = loop.create_future()
        self._line.append(given)
        limit = None if math.isinf(seconds) else loop.call_later(seconds, _end_waiting, given)
        try:
            if await given:
                return True
        except BaseException:  # cancelled, or thrown away
            if not given.cancel() and not given.cancelled() and given.result():
                self.leave()
            raise
        finally:
            if limit is not None:
                limit.cancel()
        while self._line and self._line[0].done():
            del self._line[0]
        raise OverloadedError(f"no room to load {key!r} within {seconds:.3g} s: too many loads run")

    def leave(self) -> None:
        """Give a place back."""
        while self._line:
            first = self._line.popleft()
            if not first.done():
                first.set_result(True)
                return
        self.free += 1

    def place(self, seconds: float, key: str) -> _Place:
        """A place for a loader, taken within `seconds`. Raises OverloadedError."""
        return _Place(self, seconds, key)


class _Place:
    """No generator: one that is thrown away while it is suspended would not give its place back."""

    __slots__ = ("_key", "_room", "_seconds", "_taken")

    def __init__(self, room: Room, seconds: float, key: str) -> None:
        self._room = room
        self._seconds = seconds
        self._key = key

    async def __aenter__(self) -> None:
        self._taken = await self._room.enter(self._seconds, self._key)
        if self._taken:
            _inside.set(True)

    async def __aexit__(self, *_: object) -> None:
        if self._taken:
            _inside.set(False)
            self._room.leave()


def _end_waiting(given: asyncio.Future[bool]) -> None:
    if not given.done():
        given.set_result(False)
