"""Reading through for many items at once."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pika_redis import ArgumentTypeError, FullCacheService

from ..assertions import refuses
from .comparing import unlike
from .hooks import Hooks

__all__ = ["BulkLoading"]


def _key(number: int) -> str:
    return f"item:{number}"


class Source:
    """A loader of many that notes what it was asked for."""

    def __init__(self, *, absent: Sequence[int] = (), error: Exception | None = None) -> None:
        self.asked: list[list[int]] = []
        self.absent = absent
        self.error = error

    async def load(self, numbers: list[int]) -> dict[int, list[int]]:
        """A mapping from numbers, without those that are absent."""
        self.asked.append(list(numbers))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return {number: [number] for number in numbers if number not in self.absent}


class BulkLoading(Hooks):
    """`get_or_load_many`."""

    async def test_what_is_missing_is_loaded_in_one_call(self, service: FullCacheService) -> None:
        source = Source()
        await service.set_many({_key(2): [2], _key(4): [4]})
        assert await service.get_or_load_many(range(6), source.load, key=_key) == [[n] for n in range(6)]
        assert source.asked == [[0, 1, 3, 5]]
        assert await service.get_or_load_many([5, 1], source.load, key=_key) == [[5], [1]]
        assert len(source.asked) == 1
        assert await service.get_many([_key(0), _key(5)]) == [[0], [5]]

    async def test_more_than_run_at_a_time_are_loaded_in_one_call(self, service: FullCacheService) -> None:
        source = Source()
        values = await service.get_or_load_many(range(500), source.load, key=_key)
        assert unlike(values, ([n] for n in range(500))) == []
        (asked,) = source.asked
        assert unlike(asked, range(500)) == []

    async def test_a_loader_may_give_a_sequence_and_be_a_plain_function(self, service: FullCacheService) -> None:
        assert await service.get_or_load_many(["a", "b"], lambda names: [name * 2 for name in names]) == ["aa", "bb"]
        assert await service.get_many(["a", "b"]) == ["aa", "bb"]
        assert await service.get_or_load_many([], lambda names: names) == []

    async def test_an_absent_item_is_a_none_that_is_remembered(self, service: FullCacheService) -> None:
        source = Source(absent=[1])
        assert await service.get_or_load_many([0, 1], source.load, key=_key, none_ttl=10) == [[0], None]
        assert await service.get_or_load_many([0, 1], source.load, key=_key) == [[0], None]
        assert len(source.asked) == 1
        await self.advance(11)
        await service.get_or_load_many([0, 1], source.load, key=_key)
        assert source.asked[1:] == [[1]]

    async def test_an_item_that_is_asked_for_twice_is_loaded_once_and_shared_by_nobody(
        self, service: FullCacheService
    ) -> None:
        source = Source()
        first, second = await service.get_or_load_many([1, 1], source.load, key=_key)
        assert source.asked == [[1]]
        assert first is not None
        first.append(2)
        assert second == [1]

    async def test_batches_and_single_calls_at_the_same_time_share_their_loads(self, service: FullCacheService) -> None:
        source = Source()

        async def single() -> list[int]:
            return (await source.load([3]))[3]

        one, left, right = await asyncio.gather(
            service.get_or_load(_key(3), single),
            service.get_or_load_many(range(5), source.load, key=_key),
            service.get_or_load_many(range(3, 8), source.load, key=_key),
        )
        assert one == [3]
        assert left == [[n] for n in range(5)]
        assert right == [[n] for n in range(3, 8)]
        asked = [number for numbers in source.asked for number in numbers]
        assert sorted(asked) == list(range(8))

    async def test_tags_of_each_item_end_its_entry_alone(self, service: FullCacheService) -> None:
        source = Source()
        await service.get_or_load_many(range(3), source.load, key=_key, tags=lambda number: [f"t{number}", "all"])
        await service.invalidate_tags(["t1"])
        assert await service.get_many([_key(n) for n in range(3)]) == [[0], None, [2]]
        await service.get_or_load_many(range(3), source.load, key=_key, tags=["all"])
        await service.invalidate_tags(["all"])
        assert await service.get_many([_key(n) for n in range(3)]) == [None] * 3

    async def test_a_failure_of_the_loader_is_that_of_the_batch(self, service: FullCacheService) -> None:
        source = Source(error=LookupError("no"))
        ended = await asyncio.gather(service.get_or_load_many(range(3), source.load, key=_key), return_exceptions=True)
        assert [str(one) for one in ended] == ["no"]
        source.error = None
        assert await service.get_or_load_many(range(3), source.load, key=_key) == [[0], [1], [2]]

    async def test_what_is_invalidated_during_the_load_of_a_batch_is_not_stored(
        self, service: FullCacheService
    ) -> None:
        async def load(numbers: list[int]) -> list[str]:
            await service.delete(_key(0))
            await service.invalidate_tags(["t1"])
            return ["old" for _ in numbers]

        assert (
            await service.get_or_load_many(range(3), load, key=_key, tags=lambda number: [f"t{number}"]) == ["old"] * 3
        )
        assert await service.get_many([_key(n) for n in range(3)]) == [None, None, "old"]

    async def test_bad_input_for_batches(self, service: FullCacheService) -> None:
        source = Source()
        with refuses(ArgumentTypeError, "several items", "'abc'"):
            await service.get_or_load_many("abc", lambda letters: letters)
        with refuses(ArgumentTypeError, "2 items", "1 values"):
            await service.get_or_load_many([1, 2], lambda _: [1], key=_key)
        with refuses(ArgumentTypeError, "mapping"):
            await service.get_or_load_many([1, 2], lambda _: "ab", key=_key)
        with refuses(ArgumentTypeError):
            await service.get_or_load_many([1], source.load, key=lambda number: number)  # type: ignore[arg-type,return-value]
