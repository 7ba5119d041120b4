"""Waiting for what other processes bring about, with a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pika_redis import FullCacheService, HealthStatus

from ..errors import CacheUnavailableError

__all__ = ["until_healthy", "wait_until"]

_PAUSE = 0.02


def wait_until(condition: Callable[[], bool], what: str, timeout: float) -> None:
    """Ask again and again whether it is so. Raises CacheUnavailableError, which says what, after `timeout` seconds.

    A server that can't answer meanwhile counts as no.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            if condition():
                return
        except CacheUnavailableError:
            pass
        if time.monotonic() > deadline:
            raise CacheUnavailableError(f"{what} did not happen within {timeout:g} s")
        time.sleep(_PAUSE)


async def until_healthy(service: FullCacheService, *, within: float = 30.0) -> None:
    """Wait until the service says that it is healthy: after an outage, that it uses its server again.

    Raises CacheUnavailableError, with what the service says instead, after `within` seconds.
    """
    report = await service.health_check()
    deadline = time.monotonic() + within
    while report.status is not HealthStatus.HEALTHY:
        if time.monotonic() > deadline:
            raise CacheUnavailableError(f"the service is {report.status} after {within:g} s: {report.detail}")
        await asyncio.sleep(_PAUSE)
        report = await service.health_check()
