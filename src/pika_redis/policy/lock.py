"""A lock for the whole fleet, with an owner, that is renewed while it is held and says when it was lost.

It keeps processes out of each other's way; it is no proof of correctness by itself. A process that sleeps past the
ttl loses the lock without noticing until it wakes: what must not happen twice needs a check of its own where it
happens, such as a version in the database.
"""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import Self

from ..errors import CacheError, LockLostError, LockNotAcquiredError
from ..storage.store import Store
from .renewal import Renewal

__all__ = ["Lock"]


class Lock:
    """The context manager. `key` is a full name, times are in seconds."""

    def __init__(self, store: Store, key: str, ttl: float, wait: float) -> None:
        self.lost = False
        """Whether another may hold it by now."""
        self._store = store
        self._key = key
        self._ttl = ttl
        self._wait = wait
        self._token = b""
        self._renewal: Renewal | None = None

    def ensure(self) -> None:
        """Raise LockLostError when the lock was lost."""
        if self.lost:
            raise LockLostError(f"the lock {self._key!r} was lost: it was not renewed within {self._ttl:g} s")

    async def __aenter__(self) -> Self:
        self.lost = False
        self._token = self._store.new_token()
        ends = time.monotonic() + self._wait
        try:
            while not await self._store.take_lock(self._key, self._token, self._ttl, self._patience(ends)):
                if time.monotonic() >= ends:
                    raise LockNotAcquiredError(f"the lock {self._key!r} was not free within {self._wait:g} s")
        except CacheError:
            raise
        except BaseException:  # cancelled while it waited: it may have been given to us meanwhile
            await self._store.release_lock(self._key, self._token)
            raise
        self._renewal = Renewal(self._ttl, self._renew, self._note_loss)
        self._renewal.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._renewal is not None
        self._renewal.__exit__(kind, error, trace)
        if not await self._store.release_lock(self._key, self._token):
            self.lost = True
        if error is None:
            self.ensure()

    def _patience(self, ends: float) -> float:
        return max(0.0, min(ends - time.monotonic(), self._ttl)) if not math.isinf(ends) else self._ttl

    async def _renew(self) -> bool:
        return await self._store.renew_lock(self._key, self._token, self._ttl)

    def _note_loss(self) -> None:
        self.lost = True
