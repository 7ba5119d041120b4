"""Many keys in one call: get_many, set_many, delete_many."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pika_redis import BatchError, CacheItem, FullCacheService, SerializationError

from ..assertions import refuses
from .comparing import unlike
from .hooks import Hooks

__all__ = ["Batches"]


class Batches(Hooks):
    """A batch means what its items mean one by one."""

    async def test_values_align_with_keys(self, service: FullCacheService) -> None:
        await service.set_many({"a": 1, "b": None, "c": [3]})
        assert await service.get_many(["c", "x", "a", "b", "c"]) == [[3], None, 1, None, [3]]
        assert await service.get_many(("a", "x", "b"), default="-") == [1, "-", None]
        keys: Any = iter(["a", "c"])
        assert await service.get_many(keys) == [1, [3]]

    async def test_empty_batches_do_nothing(self, service: FullCacheService) -> None:
        await service.set("k", "v", tags=["t"])
        assert await service.get_many([]) == []
        assert await service.delete_many([]) == 0
        await service.set_many({})
        await service.set_many([])
        await service.set_many(iter(()))
        await service.invalidate_tags([])
        assert await service.get("k") == "v"

    async def test_items_come_as_a_mapping_as_items_or_as_dicts(self, service: FullCacheService) -> None:
        await service.set_many({"a": 1, "b": "two"}, ttl=500, tags=["m"])
        await service.set_many([CacheItem("c", 3.0, ttl=100, tags=["c"]), CacheItem("d", [4])], ttl="10m", tags=["m"])
        await service.set_many([{"key": "e", "value": None, "ttl": math.inf, "tags": ["e"]}, {"key": "f", "value": 6}])
        assert await service.get_many(["a", "b", "c", "d", "e", "f"], default="-") == [1, "two", 3.0, [4], None, 6]
        left = [await service.remaining_ttl(key) or 0 for key in "abcdef"]
        most = [500, 500, 100, 600, math.inf, 3600]
        assert [life <= limit for life, limit in zip(left, most, strict=True)] == [True] * 6
        assert left[4] == math.inf
        assert left[5] > 1000
        await service.invalidate_tags(["m"])
        assert await service.get_many(["a", "b", "c", "d"]) == [None, None, 3.0, None]
        await service.invalidate_tags(["c", "e"])
        assert await service.get_many(["c", "e", "f"], default="-") == ["-", "-", 6]

    async def test_items_may_come_from_a_generator(self, service: FullCacheService) -> None:
        def items() -> Iterator[CacheItem]:
            for number in range(3):
                yield CacheItem(f"k{number}", [number])

        await service.set_many(items())
        assert await service.get_many(["k0", "k1", "k2"]) == [[0], [1], [2]]

    async def test_the_last_of_several_items_of_one_key_counts(self, service: FullCacheService) -> None:
        await service.set_many([CacheItem("k", "first"), CacheItem("k", "last", tags=["t"])])
        assert await service.get("k") == "last"

    async def test_delete_many_counts_what_was_there(self, service: FullCacheService) -> None:
        await service.set_many({"a": 1, "b": [2], "c": None})
        assert await service.delete_many(["a", "x", "b", "a"]) == 2
        assert await service.get_many(["a", "b", "c"], default="-") == ["-", "-", None]

    async def test_what_cannot_be_stored_is_named_and_the_rest_is_stored(self, service: FullCacheService) -> None:
        wrong = {"inner": [object()]}
        with refuses(BatchError, "2 of 4", "$.inner[0]") as caught:
            await service.set_many({"a": 1, "bad": wrong, "b": [2], "worse": object()})
        failed = caught[0].failed
        assert set(failed) == {"bad", "worse"}
        assert all(isinstance(one, SerializationError) for one in failed.values())
        assert await service.get_many(["a", "bad", "b", "worse"], default="-") == [1, "-", [2], "-"]

    async def test_a_batch_with_a_wrong_key_stores_nothing(self, service: FullCacheService) -> None:
        with refuses(ValueError, "key"):
            await service.set_many({"a": 1, "": 2})
        with refuses(TypeError, "key"):
            await service.set_many([{"key": "a", "value": 1}, {"key": 5, "value": 2}])
        with refuses(ValueError, "ttl"):
            await service.set_many([CacheItem("a", 1), CacheItem("b", 2, ttl=0)])
        assert await service.get("a") is None

    async def test_thousands_of_keys_are_one_call(self, service: FullCacheService) -> None:
        names = [f"k{number}" for number in range(2500)]
        await service.set_many({name: [name] for name in names}, tags=["all"])
        assert unlike(await service.get_many([*names, "x"]), [*([name] for name in names), None]) == []
        assert await service.delete_many(names[:1200]) == 1200
        await service.invalidate_tags(["all"])
        assert unlike(await service.get_many(names), [None] * 2500) == []
