"""Writers' guards and locks on the server.

A *hold* stands in the place of an entry or a tag while a writer commits: nothing can be served from there, and no load
can store there, since the hold is not what it saw before. It is a list of tokens, one a writer, so that a writer that
dies leaves the others' holds in place; its own ends by its time to live. Our own deletes leave holds alone.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence

from ..errors import CacheServerError
from ..wire.connection import Reply
from ..wire.loops import LoopLocal
from ..wire.node import Repeat
from ..wire.scripts import HOLD, INVAL, RELEASE, RENEW, UNHOLD
from ..wire.slots import Observer
from .namespace import Namespace
from .near import Near

__all__ = ["RemoteGuards"]

_POLL = 0.1


class RemoteGuards:
    """Holds and locks in one namespace. Keys are full names; tokens come from `new_token`."""

    def __init__(self, nears: LoopLocal[Near], namespace: Namespace) -> None:
        self._nears = nears
        self._namespace = namespace

    @staticmethod
    def new_token() -> bytes:
        """A token that nobody else has."""
        return b"\xff" + os.urandom(15)

    # -- holds ------------------------------------------------------------------------------------------------

    async def hold(self, places: Sequence[str], token: bytes, seconds: float, *, again: bool = False) -> bool:
        """Hold keys, or hold them longer (`again`); False when one of them could not be held, or is no longer.

        What could not be held for want of memory is deleted. Raises CacheUnavailableError, CacheServerError.
        """
        held = await asyncio.gather(*[self._hold(place, token, seconds, again) for place in places])
        return all(held)

    async def _hold(self, place: str, token: bytes, seconds: float, again: bool) -> bool:
        near = self._nears.get()
        ends = near.ends_copies((place,))
        limit = max(1, round(seconds * 1000))
        try:
            arguments = (token, limit, "1" if again else "")
            return bool(await near.node.run(HOLD, place, arguments, Repeat.ALWAYS, ends))
        except CacheServerError as error:
            if error.code != "OOM":
                raise
            await near.node.run(INVAL, place, (), Repeat.ALWAYS, self._deleted(near, place))
            return False

    async def let_go(self, places: Sequence[str], token: bytes) -> None:
        """End the holds, and what stands in their places without one. Raises as `hold`."""
        near = self._nears.get()
        await asyncio.gather(
            *[near.node.run(UNHOLD, place, (token,), Repeat.ALWAYS, self._deleted(near, place)) for place in places]
        )

    def _deleted(self, near: Near, place: str) -> Observer:
        return near.ends_deleted((place,), self._namespace.epoch_key)

    # -- locks ------------------------------------------------------------------------------------------------

    async def take_lock(self, key: str, token: bytes, ttl: float, patience: float) -> bool:
        """Take a lock; when another has it, wait at most `patience` seconds for a change, and give False.

        Raises CacheUnavailableError, CacheServerError.
        """
        near = self._nears.get()
        place = self._namespace.lock_key(key)
        with near.watches.on([place]) as change:
            taken, held = await near.node.call_many(
                [("SET", place, token, "NX", "PX", max(1, round(ttl * 1000))), ("GET", place)]
            )
            for reply in (taken, held):
                if isinstance(reply, Exception):
                    raise reply
            if held == token:  # also when a repeat finds its own
                return True
            if patience:
                if near.tracks:
                    await near.wait_for(change, min(patience, ttl), ("GET", place))
                else:
                    limit = min(patience, _POLL * random.uniform(0.5, 1))  # noqa: S311 (jitter, not a secret)
                    await asyncio.wait({change}, timeout=limit)
        return False

    async def renew_lock(self, key: str, token: bytes, ttl: float) -> bool:
        """Hold a lock longer; False when it is ours no more. Raises as `take_lock`."""
        arguments = (token, max(1, round(ttl * 1000)))
        return bool(await self._nears.get().node.run(RENEW, self._namespace.lock_key(key), arguments))

    async def release_lock(self, key: str, token: bytes) -> bool:
        """Give a lock back; False when it was ours no more. Raises as `take_lock`."""
        released: Reply = await self._nears.get().node.run(RELEASE, self._namespace.lock_key(key), (token,))
        return bool(released)
