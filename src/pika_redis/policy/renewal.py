"""Keeping a lease or claim alive while the loader runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

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
        self._pause = seconds / _SHARE
        self._renew = renew
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(self._pause, self._begin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._keep(), name="pika-redis lease")

    async def _keep(self) -> None:
        while True:
            try:
                if not await self._renew():
                    self._lost()
                    return
            except (*UNREACHABLE, CacheClosedError):
                pass  # the lease lives for two thirds yet; the store will tell whether it was enough
            await asyncio.sleep(self._pause)
