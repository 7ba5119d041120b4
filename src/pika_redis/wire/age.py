"""When a connection has grown old, so that it is replaced: names are resolved, and credentials asked for, anew."""

from __future__ import annotations

import asyncio
import contextvars
import math
import random
from collections.abc import Callable, Coroutine

__all__ = ["Age"]

_SPREAD = 0.2
_AGAIN = 0.1  # of the age: when to try again what failed


class Age:
    """Counts from the last `begin`; then `replace` is run, once at a time. One timer, and none without a limit."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limit: float, replace: Callable[[], Coroutine[None, None, None]]
    ) -> None:
        self._loop = loop
        self._limit = limit
        self._replace = replace
        self._timer: asyncio.TimerHandle | None = None
        self._replacing: asyncio.Task[None] | None = None
        self._ended = False

    def begin(self) -> None:
        """A connection is young."""
        self._wait(self._limit * random.uniform(1 - _SPREAD, 1 + _SPREAD))  # noqa: S311 (jitter, not a secret)

    def begin_again(self) -> None:
        """It could not be replaced: try again after a while."""
        self._wait(self._limit * _AGAIN * random.uniform(0.5, 1))  # noqa: S311 (jitter, not a secret)

    async def aclose(self) -> None:
        """Count no more, and end what runs."""
        self.abandon()
        if self._timer is not None:
            self._timer.cancel()
        if self._replacing is not None and not self._replacing.done():
            self._replacing.cancel()
            await asyncio.wait({self._replacing})

    def abandon(self) -> None:
        """In a forked child, or when the loop is closed."""
        self._ended = True

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if math.isfinite(seconds) and not self._ended:
            self._timer = self._loop.call_later(seconds, self._run, context=contextvars.Context())

    def _run(self) -> None:
        self._timer = None
        if not self._ended:
            replace = self._replace()
            self._replacing = self._loop.create_task(replace, name="pika-redis replace", context=contextvars.Context())
