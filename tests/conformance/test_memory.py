"""The contract, kept by the process's own memory."""

from __future__ import annotations

from pika_redis import MemoryCacheService
from pika_redis.testing import ConformanceSuite, FakeClock

from .ancestor import AncestorExamples


class TestMemory(AncestorExamples, ConformanceSuite):
    async def make_service(self) -> MemoryCacheService:
        self.clock = FakeClock()
        return MemoryCacheService(clock=self.clock)

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
