"""What the suite needs to know of the service under test, and how its tests come to their service."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pika_redis import FullCacheService

__all__ = ["Hooks"]


class Hooks:
    """The base of all parts of the suite."""

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
