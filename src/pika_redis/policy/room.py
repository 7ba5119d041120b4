"""How many loads of one event loop may run at a time, so that a cold cache doesn't overrun the source."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Collection, Iterator
from contextvars import ContextVar
from typing import Final

from ..errors import OverloadedError

__all__ = ["MOST_FLIGHTS", "MOST_LOADS", "Guest", "Room", "batch"]

MOST_LOADS = 64
"""Loaders that run."""
MOST_FLIGHTS = 1_000
"""Loads under way: those whose loaders run, and those that take the right to load, wait for a place, or store."""
_inside: ContextVar[bool] = ContextVar("pika_redis_inside", default=False)
"""Whether the code that runs now is part of a load that has a place, or needs none."""
_in_batch: ContextVar[bool] = ContextVar("pika_redis_in_batch", default=False)


@contextlib.contextmanager
def batch() -> Iterator[None]:
    """Loads that begin within wait for each other, and take one place together."""
    token = _in_batch.set(True)
    try:
        yield
    finally:
        _in_batch.reset(token)


class Guest:
    """A load that may want a place."""

    __slots__ = ("in_batch", "needs_none", "turn")

    def __init__(self) -> None:
        self.needs_none = _inside.get()
        """Whether one that has a place waits for it, or it has one itself by now."""
        self.in_batch = not self.needs_none and _in_batch.get()
        """Whether it takes no place of its own."""
        self.turn: asyncio.Future[bool | None] | None = None
        """While it waits for a place: one comes (True), or is not needed any more, or its time is over (None)."""

    def awaited(self) -> None:
        """The code that runs now is going to wait for this load: if it has a place itself, then this one needs none."""
        if _inside.get() and not self.needs_none:
            self.needs_none = True
            if self.turn is not None and not self.turn.done():
                self.turn.set_result(False)


class Room:
    """Places for loads. Who finds none waits.

    A load that one with a place waits for needs none, or they could wait for each other: neither one that begins within
    it, in whatever context, nor one that it joins, which stands in line perhaps and then goes in at once.

    A place is handed on: who leaves gives it to the first who waits. (An `asyncio.Semaphore` looks for him among all
    whom it woke in the same turn.)
    """

    __slots__ = ("_line", "free")

    def __init__(self, most: int = MOST_LOADS) -> None:
        self.free = most
        """Places that nobody has; there are none while somebody waits."""
        self._line: deque[asyncio.Future[bool | None]] = deque()

    async def enter(self, seconds: float, key: str, guests: Collection[Guest]) -> bool:
        """Take one place for all of these within `seconds`; whether it was needed, and has to be given back.

        Raises OverloadedError.
        """
        if _inside.get() or any(guest.needs_none for guest in guests):
            return False
        if self.free:
            self.free -= 1
            return True
        loop = asyncio.get_running_loop()
        given: asyncio.Future[bool | None] = loop.create_future()
        self._line.append(given)
        for guest in guests:
            guest.turn = given
        limit = None if math.isinf(seconds) else loop.call_later(seconds, _end_waiting, given)
        try:
            placed = await given
        except BaseException:  # cancelled, or thrown away
            if not given.cancel() and not given.cancelled() and given.result():
                self.leave()
            raise
        finally:
            if limit is not None:
                limit.cancel()
            for guest in guests:
                guest.turn = None
        if placed is not None:
            return placed
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

    def place(self, seconds: float, key: str, guests: Collection[Guest]) -> _Place:
        """A place for all of these while their loader runs, taken as by `enter`."""
        return _Place(self, seconds, key, guests)

    def place_of(self, guest: Guest, seconds: float, key: str) -> _Place | contextlib.nullcontext[None]:
        """The same for one; none while it only waits for the loader of its batch."""
        return _NOTHING if guest.in_batch else _Place(self, seconds, key, (guest,))


class _Place:
    """No generator: one that is thrown away while it is suspended would not give its place back."""

    __slots__ = ("_around", "_guests", "_key", "_room", "_seconds", "_taken")

    def __init__(self, room: Room, seconds: float, key: str, guests: Collection[Guest]) -> None:
        self._room = room
        self._seconds = seconds
        self._key = key
        self._guests = guests

    async def __aenter__(self) -> None:
        self._taken = await self._room.enter(self._seconds, self._key, self._guests)
        for guest in self._guests:
            guest.needs_none = True
        self._around = _inside.get()
        _inside.set(True)

    async def __aexit__(self, *_: object) -> None:
        _inside.set(self._around)
        if self._taken:
            self._room.leave()


_NOTHING: Final = contextlib.nullcontext()


def _end_waiting(given: asyncio.Future[bool | None]) -> None:
    if not given.done():
        given.set_result(None)
