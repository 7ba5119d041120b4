"""Loads of a batch on real servers: leases that are let go of, tags that live long enough."""

from __future__ import annotations

import asyncio

from pika_redis import RedisService

from ..wire.timing import turned
from .raw import Raw

DAY = 86400


async def load_many(keys: list[str]) -> dict[str, str]:
    return dict.fromkeys(keys, "bulk")


async def load() -> str:
    return "one"


async def test_a_batch_that_is_cancelled_while_it_takes_its_leases_leaves_nobody_waiting(
    near: RedisService, far: RedisService
) -> None:
    flights = near._reads.flights.get()
    for keys in (["a"], ["a", "b", "c"]):
        names = [near.name_of(key) for key in keys]
        batch = asyncio.create_task(near.get_or_load_many(keys, load_many))
        await turned(lambda: all(flights.get(name) for name in names))  # noqa: B023 (called at once)
        batch.cancel()
        async with asyncio.timeout(20):
            for key in keys:
                assert await near.get_or_load(key, load) in ("bulk", "one")
                assert await far.get_or_load(key, load) in ("bulk", "one")
            while flights._tasks:
                await asyncio.wait(flights._tasks)
        assert batch.cancelled()
        await near.delete_many(keys)


async def test_a_tag_that_another_process_made_lives_as_long_as_a_batch_needs(
    near: RedisService, far: RedisService, shell: Raw
) -> None:
    await far.set("x", 1.5, ttl=10, tags=["t"])
    tag = near._store._tags.keys(["t"])[1]  # type: ignore[attr-defined]
    assert shell("PTTL", tag) <= DAY * 1000
    await near.get_or_load_many(["k"], load_many, ttl=30 * DAY, tags=["t"])
    await near.execute("PING")  # what was sent without waiting has run
    assert shell("PTTL", tag) > 59 * DAY * 1000
