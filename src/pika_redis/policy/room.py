"""How many loads of one event loop may run at a time, so that a cold cache doesn't overrun the source."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

from ..errors import OverloadedError

__all__ = ["MOST_LOADS", "Room", "exempt"]

MOST_LOADS = 64
_inside: ContextVar[bool] = ContextVar("pika_redis_inside", default=False)
"""Whether the code that runs now is part of a load that has a place."""


@contextlib.contextmanager
def exempt() -> Iterator[None]:
    """Loads that begin within need no place."""
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


class Room:
    """Places for loads. Who finds none waits. A load within a load needs none, or they could wait for each other."""

    __slots__ = ("_places",)

    def __init__(self, most: int = MOST_LOADS) -> None:
        self._places = asyncio.Semaphore(most)

    @contextlib.asynccontextmanager
    async def place(self, seconds: float, key: str) -> AsyncIterator[None]:
        """A place within `seconds`. Raises OverloadedError."""
        if _inside.get():
            yield
            return
        if self._places.locked():
            try:
                async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                    await self._places.acquire()
            except TimeoutError as error:
                raise OverloadedError(f"no room to load {key!r} within {seconds:g} s: too many loads run") from error
        else:
            await self._places.acquire()
        _inside.set(True)
        try:
            yield
        finally:
            _inside.set(False)
            self._places.release()
