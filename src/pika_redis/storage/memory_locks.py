"""Locks of one process: for tasks of any loop, on any thread."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

__all__ = ["MemoryLocks"]


class MemoryLocks:
    """Who holds which lock until when, and who waits for it. Times in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: dict[str, tuple[bytes, float]] = {}
        self._waiting: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]]] = {}

    async def take(self, key: str, token: bytes, now: float, ttl: float, patience: float) -> bool:
        """Take a lock; when another has it, wait at most `patience` for its release, and give False."""
        with self._guard:
            holder, ends = self._held.get(key, (b"", now))
            if holder == token or now >= ends:
                self._held[key] = token, now + ttl
                return True
            if not patience:
                return False
            loop = asyncio.get_running_loop()
            change: asyncio.Future[None] = loop.create_future()
            waiter = (loop, change)
            self._waiting.setdefault(key, []).append(waiter)
        try:
            await asyncio.wait({change}, timeout=min(patience, ends - now))
        finally:
            with self._guard:
                waiting = self._waiting.get(key, [])
                if waiter in waiting:
                    waiting.remove(waiter)
        return False

    def renew(self, key: str, token: bytes, now: float, ttl: float) -> bool:
        """Hold it longer; False when it is another's, or ended."""
        with self._guard:
            holder, ends = self._held.get(key, (b"", now))
            if holder != token or now >= ends:
                return False
            self._held[key] = token, now + ttl
            return True

    def release(self, key: str, token: bytes, now: float) -> bool:
        """Give it back; False when it is another's, or ended."""
        with self._guard:
            holder, ends = self._held.get(key, (b"", now))
            if holder != token:
                return False
            del self._held[key]
            waiting = self._waiting.pop(key, [])
        for loop, change in waiting:
            with suppress(RuntimeError):  # its loop is closed
                loop.call_soon_threadsafe(_wake, change)
        return now < ends


def _wake(change: asyncio.Future[None]) -> None:
    if not change.done():
        change.set_result(None)
