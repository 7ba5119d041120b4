"""Many who wait for one thing, each for a time of its own."""

from __future__ import annotations

import asyncio

__all__ = ["Crowd"]


class Crowd:
    """Those who wait. Coming and leaving costs the same however many they are.

    (A shared future doesn't do: who stops waiting for it is looked for among all the others.)
    """

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[asyncio.Future[None], None] = {}

    async def wait(self, seconds: float) -> None:
        """Wait until all are woken, at most so long."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        timer = self._loop.call_later(seconds, _wake, waiter)
        self._waiting[waiter] = None
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiting.pop(waiter, None)

    def wake(self) -> None:
        """What they wait for is there."""
        for waiter in self._waiting:
            _wake(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
