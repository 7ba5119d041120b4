"""The slot map of a cluster, kept up to date within one event loop.

Strategy. The map is read from one node, at once when there is none, when a node sends us elsewhere or is lost, and
every half minute while the cluster is used; never twice at a time, and not more often than a bucket allows, however
many calls ask for it. Asked is who is likely to know: the node that we were sent to, then those that are connected,
then the others, and the places from the URL last. While a node that serves slots is down the map is read again and
again, in growing pauses: its successor takes over without telling us.

Where a node sends us is written into the map before it is read anew: gossip may take a second, and meanwhile all calls
of the slot would go the long way.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Sequence
from typing import Protocol

from ..errors import AccessDeniedError, CacheError, CacheUnavailableError
from .address import HostPort
from .backoff import Bucket
from .crowd import Crowd
from .slot_map import SlotMap

__all__ = ["Atlas"]

_REREAD = 30.0
_FIRST_LOOK, _LAST_LOOK = 0.2, 2.0  # seconds between looks while a node is down


class Surveyed(Protocol):
    """The nodes of a cluster, as far as the map is concerned."""

    async def survey(self, place: HostPort) -> SlotMap:
        """The map as a node has it. Raises CacheUnavailableError, AccessDeniedError."""
        ...

    def whom(self) -> Sequence[HostPort]:
        """Who can be asked, the best first."""
        ...

    def remap(self, now: SlotMap) -> None:
        """The map was read: from now on it is this one."""
        ...

    def move(self, slot: int, place: HostPort) -> None:
        """From now on one slot is served there."""
        ...

    def troubled(self) -> bool:
        """Whether a node that serves slots is down."""
        ...

    def sent(self) -> int:
        """A number that grows while the cluster is used."""
        ...


class Atlas:
    """Holds `map` and reads it anew."""

    def __init__(self, loop: asyncio.AbstractEventLoop, nodes: Surveyed) -> None:
        self.map: SlotMap | None = None
        """As it was read last; single slots may have moved since."""
        self.failure: CacheError = CacheUnavailableError("no node of the cluster was asked yet")
        """Why the map could not be read last time."""
        self._loop = loop
        self._nodes = nodes
        self._sent_before = 0
        self._waiting = Crowd(loop)
        self._readings = Bucket(3, per_second=2)
        self._reading: asyncio.Task[None] | None = None
        self._hint: HostPort | None = None
        self._looks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def fresh(self, seconds: float) -> None:
        """Wait until the map was read anew, at most so long. `map` and `failure` tell what came of it."""
        self.refresh()
        if self._reading is not None:
            await self._waiting.wait(seconds)

    async def now(self) -> None:
        """Read it now, however often it was read lately. Raises CacheUnavailableError when no node tells."""
        for place in self._nodes.whom():
            try:
                self._adopt(await self._nodes.survey(place))
                return
            except (AccessDeniedError, CacheUnavailableError) as error:
                self.failure = error
        raise CacheUnavailableError(str(self.failure))

    def refresh(self, hint: HostPort | None = None) -> None:
        """Have it read anew, by `hint` if it can be. Waits for nothing."""
        self._hint = hint or self._hint
        if self._closed or self._reading is not None:
            return
        if self._readings.take(self._loop.time()):
            reading = self._read()
            self._reading = self._loop.create_task(reading, name="pika-redis slots", context=contextvars.Context())
        else:
            self._look_later()

    def moved(self, slot: int, place: HostPort) -> None:
        """A node said who serves a slot now."""
        if self.map is not None:
            self._nodes.move(slot, place)
        self.refresh(place)

    def suspect(self) -> None:
        """A node is down."""
        self._looks = min(self._looks, 1)
        self.refresh()

    async def aclose(self) -> None:
        """Read no more."""
        self.abandon()
        self._waiting.wake()
        if self._timer is not None:
            self._timer.cancel()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})

    def abandon(self) -> None:
        """In a forked child, or when the loop is closed."""
        self._closed = True

    # -- reading ------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        hint, self._hint = self._hint, None
        try:
            places: list[HostPort] = [*([hint] if hint else []), *self._nodes.whom()]
            for place in dict.fromkeys(places):
                try:
                    found = await self._nodes.survey(place)
                except CacheError as error:  # its node may have been parted with meanwhile
                    self.failure = error
                    continue
                if not self._closed:
                    self._adopt(found)
                break
        finally:
            self._reading = None
            self._waiting.wake()
            if not self._closed:
                self._look_later()

    def _adopt(self, found: SlotMap) -> None:
        self.map = found
        self._nodes.remap(found)

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        pause = _REREAD
        if self.map is None or self._hint is not None or self._nodes.troubled():
            pause = min(_LAST_LOOK, _FIRST_LOOK * 2.0**self._looks)
            self._looks = min(self._looks + 1, 10)
        else:
            self._looks = 0
        pause *= random.uniform(0.7, 1.0)  # noqa: S311 (jitter, not a secret)
        self._timer = self._loop.call_later(pause, self._look, context=contextvars.Context())

    def _look(self) -> None:
        self._timer = None
        before, self._sent_before = self._sent_before, self._nodes.sent()
        if self._closed:
            return
        if self.map is None or before != self._sent_before or self._hint is not None or self._nodes.troubled():
            self.refresh()
        else:
            self._look_later()
