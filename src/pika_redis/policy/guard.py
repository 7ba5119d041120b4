"""A writer's guard: between entering and leaving nothing of what it names is served from the cache or stored there.

::

    async with service.guard(keys=["user:7"], tags=["user"]):
        await database.commit()

An invalidation after the commit leaves a gap: a writer that dies in between leaves old entries until their ttl. A hold
that is placed *before* the commit closes it: readers load from the source meanwhile, and store nothing; when the writer
dies, its hold ends by itself, and the old entry is gone already. Several writers may hold the same things.

The hold is made longer while the body runs. When it was lost nevertheless (the process slept past it, somebody deleted
or set the key), what stands there when the guard is left may be older than the write, and is deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from ..storage.store import Store
from .changes import Changes
from .renewal import Renewal

__all__ = ["Guard"]

_log = logging.getLogger("pika_redis")


class Guard:
    """The context manager. `keys` are full names."""

    def __init__(
        self, store: Store, changes: Changes, keys: Sequence[str], tags: Sequence[str], seconds: float
    ) -> None:
        self.lost = False
        """Whether a hold ended before the guard was left."""
        self._store = store
        self._changes = changes
        self._keys = keys
        self._tags = tags
        self._seconds = seconds
        self._token = b""
        self._renewal: Renewal | None = None

    async def __aenter__(self) -> Self:
        self._token = self._store.new_token()
        self._renewal = Renewal(self._seconds, self._hold_longer, self._note_loss)
        try:
            if not await self._changes.hold(self._keys, self._tags, self._token, self._seconds):
                self._note_loss()
        except BaseException:
            await self._changes.let_go(self._keys, self._tags, self._token)
            raise
        self._renewal.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._renewal is not None
        self._renewal.__exit__(kind, error, trace)
        await self._changes.let_go(self._keys, self._tags, self._token)

    async def _hold_longer(self) -> bool:
        return await self._store.hold(self._keys, self._tags, self._token, self._seconds, again=True)

    def _note_loss(self) -> None:
        self.lost = True
        _log.warning("a guard lost its hold on some of %s", ", ".join([*self._keys, *self._tags]))
