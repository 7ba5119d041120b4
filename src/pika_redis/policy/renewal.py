"""Keeping a lease or claim alive while the loader runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Self

from ..errors import CacheClosedError
from .outage import UNREACHABLE

__all__ = ["Renewal"]

_SHARE = 3


class Renewal:
    """Within the block, `renew` is called at each third of `seconds`, until it says that there is nothing to renew.

    `renew` gives False when the lease is no longer ours; `lost` is then called. No task is made for a load that is
    over before the first renewal.
    """

    def __init__(self, seconds: float, renew: Callable[[], Awaitable[bool]], lost: Callable[[], None]) -> None:
        self.overslept = False
        """Whether it was not renewed for longer than it lives, as when the loop was blocked. Said after the block."""
        self._seconds = seconds
        self._renew = renew
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._since = 0.0
        self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        self._since = self._loop.time()
        self._timer = self._loop.call_later(self._seconds / _SHARE, self._begin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._look()
        self._stop()

    def give_back(self, release: Callable[[], Coroutine[object, object, object]]) -> None:
        """Nothing that the load gives is wanted any more: `release` the lease now, and renew it no longer."""
        if not self._over:
            self._stop()
            self._task = self._loop.create_task(release(), name="pika-redis lease")

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._keep(), name="pika-redis lease")

    def _look(self) -> None:
        if not self._over and self._loop.time() - self._since > self._seconds:
            self.overslept = True

    def _stop(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _keep(self) -> None:
        while True:
            self._look()
            asked_at = self._loop.time()
            try:
                if not await self._renew():
                    self._over = True
                    self._lost()
                    return
                self._since = asked_at
            except (*UNREACHABLE, CacheClosedError):
                pass  # the lease lives for two thirds yet; the store will tell whether it was enough
            await asyncio.sleep(self._seconds / _SHARE)
