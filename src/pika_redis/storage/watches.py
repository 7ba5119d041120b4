"""Waiting until a key changes: woken by the server's push, in the parser."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

__all__ = ["Watches"]


class Watches:
    """Who waits for which keys, in one event loop."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    @contextlib.contextmanager
    def on(self, keys: Sequence[str]) -> Iterator[asyncio.Future[None]]:
        """A future that is done when one of the keys changes after now."""
        change: asyncio.Future[None] = self._loop.create_future()
        for key in keys:
            self._waiting.setdefault(key, set()).add(change)
        try:
            yield change
        finally:
            for key in keys:
                waiting = self._waiting.get(key)
                if waiting is not None:
                    waiting.discard(change)
                    if not waiting:
                        self._waiting.pop(key, None)

    def wake(self, key: str) -> None:
        """The key changed."""
        for change in self._waiting.pop(key, ()):
            if not change.done():
                change.set_result(None)

    def wake_all(self) -> None:
        """Any key may have changed."""
        for key in list(self._waiting):
            self.wake(key)
