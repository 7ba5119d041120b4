"""What the tests of leases and marks share: loaders that wait, and short names for what a service does inside."""

from __future__ import annotations

import asyncio
from typing import Any

from pika_redis import RedisService
from pika_redis.model.entry import Draft, Failure, Hold, Outcome, Terms
from pika_redis.policy.loading import Plan
from pika_redis.policy.rules.options import Options
from pika_redis.storage.store import Store

TERMS = Terms((), 100.0, 5.0, 0.0)
OURS, THEIRS = Failure(b"process1", 1), Failure(b"process2", 2)
FOUND = ["absent", "marked stale", "ended by its tag"]


class Source:
    """A loader that stops at its gate. An exception as value is raised."""

    def __init__(self, value: object, *, shut: bool = False) -> None:
        self.value = value
        self.calls = 0
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        if not shut:
            self.gate.set()

    async def __call__(self) -> Any:
        self.calls += 1
        self.reached.set()
        await self.gate.wait()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def key(service: RedisService) -> str:
    return service.name_of("k")


def claim(service: RedisService) -> str:
    return service._namespace.claim_key(key(service))


async def begin(service: RedisService, terms: Terms = TERMS) -> Hold | None:
    store: Store = service._store
    return await store.begin(key(service), await store.fetch(key(service), terms.tags), terms)


async def held(service: RedisService, terms: Terms = TERMS) -> Hold:
    hold = await begin(service, terms)
    assert hold is not None
    return hold


async def replace(service: RedisService, hold: Hold, value: object) -> Outcome:
    return await service._store.replace(key(service), hold, Draft(value, 100.0, plain_integers=False))


def refresh(service: RedisService, source: Source) -> asyncio.Task[object]:
    plan = Plan(Options(ttl=100.0))
    return asyncio.create_task(service.reads.refresh(key(service), source, plan))


async def prepare(service: RedisService, found: str) -> None:
    if found == "absent":
        return
    await service.set("k", ["old"], tags=["t"])
    await (service.mark_stale("k") if found == "marked stale" else service.invalidate_tags(["t"]))
