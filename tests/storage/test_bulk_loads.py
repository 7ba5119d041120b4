"""Loads of a batch on real servers: leases that are let go of, tags that live long enough."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pika_redis import RedisService, cache

from ..wire.timing import turned
from .raw import Raw
from .tap import Tap, heard, server_of

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
    tag = server_of(near)._tags.keys(["t"])[1]
    assert shell("PTTL", tag) <= DAY * 1000
    await near.get_or_load_many(["k"], load_many, ttl=30 * DAY, tags=["t"])
    await near.execute("PING")  # what was sent without waiting has run
    assert shell("PTTL", tag) > 59 * DAY * 1000


# -- costs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "trips"), [(1, 3), (10, 3), (1000, 3), (3000, 5)])
@pytest.mark.parametrize("tags", [[], ["t"]], ids=["untagged", "tagged"])
async def test_a_batch_of_misses_is_three_round_trips_however_many_they_are(
    near: RedisService, far: RedisService, tap: Tap, count: int, trips: int, tags: list[str]
) -> None:
    """Up to a thousand: what is looked up or read with more is cut into pieces. No lease is renewed meanwhile."""
    keys = [f"k{number}" for number in range(count)]
    await near.get_or_load_many(["warm"], load_many, tags=tags, lease=600)
    with tap.on(near) as asked:
        assert len(await near.get_or_load_many(keys, load_many, tags=tags, lease=600)) == count
    assert asked.trips <= trips
    with tap.on(near) as asked:
        assert set(await near.get_or_load_many(keys, load_many, tags=tags, lease=600)) == {"bulk"}
    assert asked.nothing
    await far.get("warm")
    with tap.on(far) as asked:
        assert set(await far.get_or_load_many(keys, load_many, tags=tags, lease=600)) == {"bulk"}
    assert asked.trips <= max(1, count // 1000) + len(tags)


async def test_a_thousand_single_calls_of_one_tick_are_one_batch(near: RedisService, tap: Tap) -> None:
    asked_for: list[list[int]] = []

    @cache.batch(key=str, prefix="item", tags=["item:{id}"], service=near)
    async def items(ids: list[int]) -> dict[int, str]:
        asked_for.append(ids)
        return {id_: f"item {id_}" for id_ in ids}

    await items([-1])
    asked_for.clear()
    with tap.on(near) as asked:
        values = await asyncio.gather(*[items.one(number % 1000) for number in range(3000)])
    assert values == [f"item {number % 1000}" for number in range(3000)]
    assert asked_for == [list(range(1000))]
    assert asked.trips == 3


# -- between two processes --------------------------------------------------------------------------------------------


async def test_batches_that_overlap_load_each_item_once(near: RedisService, far: RedisService) -> None:
    loaded: list[str] = []
    gate, reached = asyncio.Event(), asyncio.Event()

    async def slowly(keys: list[str]) -> dict[str, str]:
        loaded.extend(keys)
        reached.set()
        await gate.wait()
        return {key: f"value of {key}" for key in keys}

    def keys(first: int, last: int) -> list[str]:
        return [f"k{number}" for number in range(first, last)]

    first = asyncio.create_task(near.get_or_load_many(keys(0, 60), slowly, tags=["t"]))
    await reached.wait()
    others = [
        asyncio.create_task(service.get_or_load_many(keys(start, start + 50), slowly, tags=["t"]))
        for service in (near, far)
        for start in (40, 55)
    ]
    for _ in range(20):
        await far.exists("another")
    gate.set()
    assert await first == [f"value of {key}" for key in keys(0, 60)]
    starts = (40, 55, 40, 55)
    for start, values in zip(starts, await asyncio.gather(*others), strict=True):
        assert values == [f"value of {key}" for key in keys(start, start + 50)]
    assert sorted(loaded) == sorted(keys(0, 105))


async def test_what_is_invalidated_in_one_process_is_loaded_anew_in_the_batch_of_another(
    near: RedisService, far: RedisService
) -> None:
    prices = {1: 10, 2: 20, 3: 30}
    asked_for: list[tuple[str, list[int]]] = []

    def reader(name: str, service: RedisService) -> object:
        @cache.batch(key=str, prefix="price", tags=["price:{id}", "prices"], service=service)
        async def read(ids: list[int]) -> list[int]:
            asked_for.append((name, ids))
            return [prices[id_] for id_ in ids]

        return read

    @cache.invalidates(tags=["price:{id}"], service=near)
    async def change(id: int, price: int) -> None:
        prices[id] = price

    here: Any = reader("near", near)
    there: Any = reader("far", far)
    assert await here([1, 2, 3]) == await there([1, 2, 3]) == {1: 10, 2: 20, 3: 30}
    await change(2, 21)
    await heard(far)
    assert await there([3, 2, 1]) == await here([3, 2, 1]) == {3: 30, 2: 21, 1: 10}
    await there.invalidate(1)
    await heard(near)
    assert await here([1]) == {1: 10}
    assert asked_for == [("near", [1, 2, 3]), ("far", [2]), ("near", [1])]
