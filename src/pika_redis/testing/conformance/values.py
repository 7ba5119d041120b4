"""One key at a time: get, set, add, delete, exists, and what comes back."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import asyncio
import datetime as dt
import enum
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from pika_redis import MISSING, FullCacheService

from .comparing import unlike
from .hooks import Hooks

__all__ = ["Values"]


class Color(enum.Enum):
    """A member is cached by its name."""

    RED = "red"


@dataclass
class Point:
    """A model as users have them."""

    x: int
    y: int
    names: list[str] = field(default_factory=list[str])


VALUES: tuple[object, ...] = (
    *(None, True, False, 0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**70), 1.5, -0.0, float("inf")),
    *("", "text", "ünïcode ☃ 𝄞", "007", "12", "\ud800", "x" * 100_000, b"", b"\x00\xff", b"12"),
    *([], [1, [2, [3]]], (), (1, (2,)), {}, {"a": [1, None]}, {1: "int", "1": "str", (1, 2): "tuple", None: 0}),
    *({1, 2}, frozenset({"a"}), [(1, "a"), (2, "b")] * 50, {"rows": [{"id": n} for n in range(1000)]}),
    *(dt.date(2026, 2, 28), dt.time(1, 2, 3), dt.timedelta(days=-1, microseconds=1)),
    *(dt.datetime.fromisoformat("2026-01-02T03:04:05"), dt.datetime(2026, 1, 2, tzinfo=dt.UTC)),
    *(Decimal("1.10"), UUID(int=7), Color.RED, Point(1, 2, ["a"])),
)  # fmt: skip
LONG = "a key may be long:" * 100
KEYS = (
    *("k", "a:b:c", "with space", "line\nbreak", "ünï:☃:𝄞", "a*b?c[d]e\\f", "{tag}", "1", ":", "a#b", "'\"`$"),
    *(LONG, LONG + "1", LONG + "2", "☃" * 300, "0" + LONG, "x" * 250, "x" * 251),
)  # fmt: skip


class Values(Hooks):
    """What `get` gives is what `set` was given."""

    async def test_a_value_comes_back_equal_and_of_the_same_types(self, service: FullCacheService) -> None:
        for value in VALUES:
            await service.set("k", value)
            found = await service.get("k", default=MISSING)
            assert unlike([found], [value]) == []
            assert repr(found) == repr(value) or isinstance(value, set | frozenset)
            assert type(found) is type(value)

    async def test_values_in_a_batch_come_back_as_single_ones_do(self, service: FullCacheService) -> None:
        await service.set_many({f"k{at}": value for at, value in enumerate(VALUES)})
        found = await service.get_many([f"k{at}" for at in range(len(VALUES))], default=MISSING)
        assert unlike(found, VALUES) == []
        assert unlike(map(type, found), map(type, VALUES)) == []

    async def test_an_absent_key_gives_none_or_the_default(self, service: FullCacheService) -> None:
        assert await service.get("k") is None
        assert await service.get("k", default="none") == "none"
        assert await service.get("k", 0) == 0
        assert await service.get("k", default=MISSING) is MISSING
        assert await service.exists("k") is False
        assert await service.delete("k") is False
        assert await service.get_with_ttl("k") == (None, None)

    async def test_none_is_a_value(self, service: FullCacheService) -> None:
        await service.set("k", None, tags=["t"])
        assert await service.get("k", default="absent") is None
        assert await service.get_many(["k", "x"], default="absent") == [None, "absent"]
        assert await service.exists("k") is True
        value, left = await service.get_with_ttl("k")
        assert value is None
        assert left is not None
        assert await service.add("k", 1) is False
        assert await service.delete("k") is True

    async def test_any_text_is_a_key(self, service: FullCacheService) -> None:
        for number, key in enumerate(KEYS):
            await service.set(key, [number])
        for number, key in enumerate(KEYS):
            assert await service.get(key) == [number]
        assert await service.get_many(KEYS) == [[number] for number in range(len(KEYS))]
        for key in KEYS:
            assert await service.exists(key)
            assert await service.delete(key) is True
            assert await service.exists(key) is False
        assert await service.delete_many(KEYS) == 0

    async def test_long_keys_count_and_load_like_short_ones(self, service: FullCacheService) -> None:
        assert await service.increment(LONG) == 1
        assert await service.increment(LONG) == 2
        assert await service.get_or_load(LONG + "x", lambda: "loaded") == "loaded"
        assert await service.get(LONG + "x") == "loaded"
        assert await service.touch(LONG, 60)

    async def test_set_replaces_value_and_tags(self, service: FullCacheService) -> None:
        await service.set("k", "old", tags=["old"])
        await service.set("k", ["new"], tags=["new"])
        await service.invalidate_tags(["old"])
        assert await service.get("k") == ["new"]
        await service.invalidate_tags(["new"])
        assert await service.get("k") is None

    async def test_delete_tells_whether_there_was_a_value(self, service: FullCacheService) -> None:
        await service.set("k", "v")
        assert await service.delete("k") is True
        assert await service.delete("k") is False
        assert await service.get("k") is None

    async def test_add_stores_only_what_is_absent(self, service: FullCacheService) -> None:
        assert await service.add("k", [1], ttl=100, tags=["t"]) is True
        assert await service.add("k", [2]) is False
        assert await service.get("k") == [1]
        assert await service.add("n", 5) is True
        assert await service.add("n", 6) is False
        assert await service.increment("n") == 6

    async def test_add_takes_the_place_of_what_is_dead(self, service: FullCacheService) -> None:
        await service.set("k", "tagged", tags=["t"])
        await service.invalidate_tags(["t"])
        assert await service.add("k", "cleared", tags=["t"]) is True
        await service.clear(sweep=False)
        assert await service.add("k", "stale") is True
        await service.mark_stale("k")
        assert await service.add("k", "expired", ttl=10) is True
        await self.advance(11)
        assert await service.add("k", "last", tags=["t"]) is True
        assert await service.get("k") == "last"
        await service.invalidate_tags(["t"])
        assert await service.get("k") is None

    async def test_of_many_who_add_at_once_one_succeeds(self, service: FullCacheService) -> None:
        added = await asyncio.gather(*[service.add("k", [number], tags=["t"]) for number in range(50)])
        assert added.count(True) == 1
        assert await service.get("k") == [added.index(True)]

    async def test_a_reader_cannot_change_what_others_read(self, service: FullCacheService) -> None:
        given = {"rows": [1]}
        await service.set("k", given)
        given["rows"].append(2)
        (await service.get("k"))["rows"].append(3)
        (await service.get_many(["k", "k"]))[0]["rows"].append(4)
        (await service.get_with_ttl("k"))[0]["rows"].append(5)
        (await service.get_or_load("k", dict[str, list[int]]))["rows"].append(6)
        assert await service.get("k") == {"rows": [1]}
        await service.set("p", (Point(1, 2),))
        (await service.get("p"))[0].names.append("changed")
        assert await service.get("p") == (Point(1, 2),)

    async def test_plain_data_becomes_the_type_that_is_asked_for(self, service: FullCacheService) -> None:
        await service.set("k", {"x": 1, "y": 2, "names": ["a"]})
        assert await service.get("k", type=Point) == Point(1, 2, ["a"])
        assert await service.get_many(["k", "x"], type=Point) == [Point(1, 2, ["a"]), None]
        await service.set("c", "red")
        assert await service.get("c", type=Color) is Color.RED
        await service.set("p", Point(3, 4))
        assert await service.get("p", type=Point) == Point(3, 4)
        assert await service.get("x", "none", type=Point) == "none"

    async def test_data_that_does_not_fit_the_type_is_a_miss(self, service: FullCacheService) -> None:
        await service.set("k", {"x": "no number"})
        before = await service.get_stats()
        assert await service.get("k", "miss", type=Point) == "miss"
        after = await service.get_stats()
        assert (after.misses, after.undecodable) == (before.misses + 1, before.undecodable + 1)
        assert await service.get("k") == {"x": "no number"}

    async def test_registering_a_model_class_is_harmless_when_repeated(self, service: FullCacheService) -> None:
        service.register(Point, Color)
        service.register(Point)
        await service.set("k", [Point(1, 2), Color.RED])
        assert await service.get("k") == [Point(1, 2), Color.RED]
