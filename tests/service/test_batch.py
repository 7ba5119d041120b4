"""`@cache.batch`: functions of many items."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pika_redis import ArgumentTypeError, ConfigurationError, MemoryCacheService, bypass_cache, cache, use_service


class Source:
    """A database that notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def rows(self, ids: list[int]) -> dict[int, list[str]]:
        self.asked.append(list(ids))
        return {id: [f"row {id}"] for id in ids if id < 100}


@pytest.fixture
def service() -> MemoryCacheService:
    return MemoryCacheService()


@pytest.fixture
def source() -> Source:
    return Source()


async def test_the_function_is_called_with_what_is_missing_and_the_order_is_kept(
    service: MemoryCacheService, source: Source
) -> None:
    @cache.batch(key=lambda id: f"user:{id}", service=service)
    async def users(ids: list[int]) -> Mapping[int, list[str]]:
        return source.rows(ids)

    assert list((await users([3, 1])).items()) == [(3, ["row 3"]), (1, ["row 1"])]
    assert list((await users([2, 1, 2, 3])).items()) == [(2, ["row 2"]), (1, ["row 1"]), (3, ["row 3"])]
    assert source.asked == [[3, 1], [2]]
    assert await service.get("user:2") == ["row 2"]
    assert await users([]) == {}
    assert getattr(users, "__name__", "") == "users"


async def test_an_item_that_is_absent_is_a_none_that_is_remembered(service: MemoryCacheService, source: Source) -> None:
    @cache.batch(key=str, prefix="user", service=service)
    async def users(ids: list[int]) -> Mapping[int, list[str]]:
        return source.rows(ids)

    assert await users([1, 200]) == {1: ["row 1"], 200: None}
    assert await users([200]) == {200: None}
    assert await users.one(200) is None
    assert source.asked == [[1, 200]]
    assert users.key_for(200) == "user:200"


async def test_single_calls_of_the_same_tick_are_one_call(service: MemoryCacheService, source: Source) -> None:
    @cache.batch(key=str, service=service)
    async def users(ids: list[int]) -> Sequence[list[str]]:
        return list(source.rows(ids).values())

    answers = await asyncio.gather(*[users.one(id) for id in (5, 7, 5, 6)])
    assert answers == [["row 5"], ["row 7"], ["row 5"], ["row 6"]]
    assert source.asked == [[5, 7, 6]]
    answers[0].append("mine")
    assert answers[2] == ["row 5"]
    assert list(await asyncio.gather(users.one(5), users.one(8))) == [["row 5"], ["row 8"]]
    assert source.asked[1:] == [[8]]


async def test_one_caller_that_is_cancelled_takes_nothing_from_the_others(
    service: MemoryCacheService, source: Source
) -> None:
    go = asyncio.Event()

    @cache.batch(key=str, service=service)
    async def users(ids: list[int]) -> Mapping[int, list[str]]:
        await go.wait()
        return source.rows(ids)

    first, second = (asyncio.create_task(users.one(id)) for id in (1, 2))
    for _ in range(5):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await second == ["row 2"]
    assert first.cancelled()


async def test_a_failure_reaches_all_who_asked_in_the_tick(service: MemoryCacheService) -> None:
    @cache.batch(key=str, service=service)
    async def users(ids: list[int]) -> Mapping[int, str]:
        raise LookupError(ids)

    ended = await asyncio.gather(users.one(1), users.one(2), return_exceptions=True)
    assert [type(one) for one in ended] == [LookupError, LookupError]


async def test_methods_are_batches_of_their_instance(source: Source) -> None:
    class Repository:
        def __init__(self, name: str) -> None:
            self.name = name
            self.cache_service = MemoryCacheService()

        @cache.batch(key=lambda id: f"user:{id}")
        async def users(self, ids: list[int]) -> Mapping[int, str]:
            source.asked.append(ids)
            return {id: f"{self.name} {id}" for id in ids}

    one, other = Repository("one"), Repository("other")
    assert await one.users([1]) == {1: "one 1"}
    answers = await asyncio.gather(one.users.one(2), other.users.one(2), one.users.one(3))
    assert list(answers) == ["one 2", "other 2", "one 3"]
    assert sorted(map(sorted, source.asked)) == [[1], [2], [2, 3]]
    assert await one.cache_service.get("user:1") == "one 1"


async def test_tags_and_invalidate_end_items_one_by_one(service: MemoryCacheService, source: Source) -> None:
    @cache.batch(key=str, tags=["user:{id}", "users"], service=service)
    async def users(ids: list[int]) -> Mapping[int, list[str]]:
        return source.rows(ids)

    await users([1, 2, 3])
    await service.invalidate_tags(["user:1"])
    assert await users.invalidate(2, 77) == 1
    await users([1, 2, 3])
    assert source.asked == [[1, 2, 3], [1, 2]]
    await service.invalidate_tags(["users"])
    await users([1, 2, 3])
    assert source.asked[2:] == [[1, 2, 3]]


async def test_the_service_is_found_when_it_is_called(service: MemoryCacheService, source: Source) -> None:
    @cache.batch(key=str, tags=lambda id: [f"of {id}"])
    async def users(ids: list[int]) -> Mapping[int, list[str]]:
        return source.rows(ids)

    with use_service(service):
        await users([1])
        assert await service.get("1") == ["row 1"]
        with bypass_cache():
            assert await users([1]) == {1: ["row 1"]}
            assert await users.one(1) == ["row 1"]
    assert await users.uncached([1]) == {1: ["row 1"]}
    assert source.asked == [[1], [1], [1], [1]]


async def test_calls_of_one_tick_stay_with_their_service(service: MemoryCacheService, source: Source) -> None:
    """Or a caller would get what somebody else's cache holds, and leave his own there."""

    @cache.batch(key=str)
    async def users(ids: list[int]) -> Mapping[int, list[str]]:
        return source.rows(ids)

    async def ask(of: MemoryCacheService, *items: int) -> list[list[str] | None]:
        with use_service(of):
            return list(await asyncio.gather(*[users.one(item) for item in items]))

    async def ask_bypassing(item: int) -> list[str] | None:
        with use_service(service), bypass_cache():
            return await users.one(item)

    other = MemoryCacheService()
    await other.set("2", ["of the other"])
    await service.set("3", ["cached"])
    here, there, past, again = await asyncio.gather(
        ask(service, 1, 2), ask(other, 2, 4), ask_bypassing(3), ask(service, 3)
    )
    assert (here, there) == ([["row 1"], ["row 2"]], [["of the other"], ["row 4"]])
    assert (past, again) == (["row 3"], [["cached"]])
    assert sorted(source.asked) == [[1, 2], [3], [4]]
    assert await service.get_many(["1", "2", "3", "4"]) == [["row 1"], ["row 2"], ["cached"], None]
    assert await other.get_many(["1", "2", "4"]) == [None, ["of the other"], ["row 4"]]


async def test_ticks_leave_nothing_behind(service: MemoryCacheService, source: Source) -> None:
    @cache.batch(key=str, service=service)
    async def users(ids: list[int]) -> Mapping[int, list[str]]:
        return source.rows(ids)

    for id in range(20):
        await users.one(id)
    gc.collect()
    assert not users._core.ticks


def test_wrong_decorations_are_refused_at_once(service: MemoryCacheService) -> None:
    def two(ids: list[int], more: int) -> dict[int, str]:
        return {}

    wrong: Any = two
    with pytest.raises(ArgumentTypeError, match="one list of items"):
        cache.batch(key=str, service=service)(wrong)
    with pytest.raises(ArgumentTypeError, match="key must be a function"):
        cache.batch(key="user")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        cache.batch(key=str, refresh_ahead=10, ttl=5)(lambda ids: {})  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigurationError, match="name"):
        cache.batch(key=str, tags=["user:{name}"])


async def test_a_key_that_is_no_text_is_refused(service: MemoryCacheService) -> None:
    @cache.batch(key=lambda id: id, service=service)
    async def users(ids: list[int]) -> Mapping[int, str]:
        return {}

    with pytest.raises(ArgumentTypeError, match="must return a str"):
        await users([1])
