"""What the suite needs to know of the service under test, and how its tests come to their service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from pika_redis import FullCacheService

__all__ = ["Hooks"]


class Hooks:
    """The base of all parts of the suite."""

    time_limit = 60.0
    """Seconds a test may take: with a service that never calls a loader, the test fails and the others go on."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, test in list(vars(cls).items()):
            if name.startswith("test_") and iscoroutinefunction(test):
                setattr(cls, name, _within_the_limit(test))

    async def make_service(self) -> FullCacheService:
        """A service that holds nothing yet, with the default options. The suite opens and closes it."""
        raise NotImplementedError("say which service to test: override make_service(), or the fixture `service`")

    async def advance(self, seconds: float) -> None:
        """Let so much time pass for what the service holds: move its `FakeClock`, or call `age_entries`."""
        raise NotImplementedError("say how time passes for the service under test: override advance(seconds)")

    async def opened(self) -> AsyncIterator[FullCacheService]:
        """The fixture `service`."""
        async with await self.make_service() as service:
            yield service


def _within_the_limit(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(test)
    async def limited(self: Hooks, *args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(self.time_limit):
            await test(self, *args, **kwargs)

    return limited
