"""Ending entries logically: invalidate_tags, clear, mark_stale."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

from pika_redis import FullCacheService

from .comparing import unlike
from .hooks import Hooks

__all__ = ["Tags"]


class Tags(Hooks):
    """What was ended is not served again, and nothing else is."""

    async def test_a_tag_ends_every_entry_that_carries_it(self, service: FullCacheService) -> None:
        await service.set_many({f"k{number}": [number] for number in range(100)}, tags=["all", "even"])
        await service.set("other", "v", tags=["other"])
        await service.set("plain", "v")
        await service.invalidate_tags(["all"])
        assert unlike(await service.get_many([f"k{number}" for number in range(100)]), [None] * 100) == []
        assert await service.exists("k0") is False
        assert await service.remaining_ttl("k0") is None
        assert await service.get_with_ttl("k0") == (None, None)
        assert await service.get_many(["other", "plain"]) == ["v", "v"]

    async def test_any_of_several_tags_ends_an_entry(self, service: FullCacheService) -> None:
        for tag in ("a", "b", "c"):
            await service.set("k", "v", tags=["a", "b", "c"])
            assert await service.get("k") == "v"
            await service.invalidate_tags([tag])
            assert await service.get("k") is None
        await service.set_many({"x": "v"}, tags=["a"])
        await service.set_many({"y": "v"}, tags=["b"])
        await service.invalidate_tags(["a", "b", "never used"])
        assert await service.get_many(["x", "y"]) == [None, None]

    async def test_what_is_stored_after_the_invalidation_lives(self, service: FullCacheService) -> None:
        for round_ in range(3):
            await service.invalidate_tags(["t"])
            await service.set("k", [round_], tags=["t"])
            assert await service.get("k") == [round_]

    async def test_any_text_is_a_tag(self, service: FullCacheService) -> None:
        for tag in ("a", "user:1", "*", "#e", "e", "☃", " ", "t" * 512, "{x}", "t" * 513, "t" * 100_000, "\ud800"):
            await service.set("k", "v", tags=[tag, tag, "common"])
            await service.invalidate_tags(["another"])
            assert await service.get("k") == "v"
            await service.invalidate_tags([tag])
            assert await service.get("k") is None

    async def test_tags_come_in_any_collection(self, service: FullCacheService) -> None:
        for tags in (["t"], ("t",), {"t"}, {"t": 1}, iter(["t"])):
            await service.set("k", "v", tags=tags)  # type: ignore[arg-type]
            await service.invalidate_tags(("t",))
            assert await service.get("k") is None

    async def test_an_entry_may_carry_many_tags(self, service: FullCacheService) -> None:
        tags = [f"tag {number}" for number in range(64)]
        await service.set("k", "v", tags=tags)
        assert await service.get("k") == "v"
        await service.invalidate_tags(tags[63:])
        assert await service.get("k") is None

    async def test_any_number_of_tags_may_be_invalidated_at_once(self, service: FullCacheService) -> None:
        await service.set("k", "v", tags=["tag 2999"])
        await service.invalidate_tags([f"tag {number}" for number in range(3000)])
        assert await service.get("k") is None

    async def test_a_tag_outlives_its_entries(self, service: FullCacheService) -> None:
        await service.set("short", "v", ttl=100, tags=["t"])
        await service.set("long", "v", ttl="30d", tags=["t"])
        await self.advance(29 * 86400)
        assert await service.get("long") == "v"
        await service.invalidate_tags(["t"])
        assert await service.get("long") is None

    async def test_a_tag_of_another_namespace_is_another_tag(self, service: FullCacheService) -> None:
        other = service.with_options(key_prefix="conformance:other:")
        await other.set("k", "other", tags=["t"])
        await service.set("k", "mine", tags=["t"])
        await service.invalidate_tags(["t"])
        assert await other.get("k") == "other"
        assert await service.get("k") is None
        await other.clear()

    async def test_clear_ends_everything_of_this_namespace(self, service: FullCacheService) -> None:
        other = service.with_options(key_prefix="conformance:other:")
        await other.set("k", "other")
        await service.set_many({"v": "v", "n": None, "i": 1})
        await service.set("tagged", "v", tags=["t"])
        await service.increment("counter")
        await service.clear()
        assert await service.get_many(["v", "n", "i", "tagged", "counter"], default="-") == ["-"] * 5
        assert (await service.get_stats(exact=True)).key_count == 0
        assert await other.get("k") == "other"
        await other.clear()

    async def test_clear_without_a_sweep_ends_entries_and_leaves_counters(self, service: FullCacheService) -> None:
        await service.set_many({"v": "v", "n": None, "list": [1]})
        await service.get_or_load("loaded", lambda: 5)
        await service.set("tagged", 7, tags=["t"])
        await service.increment("counter")
        await service.set("set", 5)
        await service.clear(sweep=False)
        assert await service.get_many(["v", "n", "list", "loaded", "tagged"], default="-") == ["-"] * 5
        assert await service.exists("v") is False
        assert await service.get_many(["counter", "set"]) == [1, 5]

    async def test_clear_without_a_sweep_ends_this_namespace_and_none_that_begins_like_it(
        self, service: FullCacheService
    ) -> None:
        parent = service.with_options(key_prefix="conformance:shop:")
        child = service.with_options(key_prefix="conformance:shop:eu:")
        for face in (parent, child):
            await face.set_many({"v": ["v"], "n": 1}, ttl=1000)
            assert await face.get_or_load("loaded", lambda: 5, tags=["t"]) == 5
        await parent.clear(sweep=False)
        assert await parent.get_many(["v", "n", "loaded"]) == [None, 1, None]
        assert await child.get_many(["v", "n", "loaded"]) == [["v"], 1, 5]
        await child.clear(sweep=False)
        assert await child.get_many(["v", "n", "loaded"]) == [None, 1, None]
        await parent.clear()

    async def test_an_entry_belongs_to_the_namespace_that_stored_it(self, service: FullCacheService) -> None:
        parent = service.with_options(key_prefix="conformance:shop:")
        child = service.with_options(key_prefix="conformance:shop:eu:")
        await parent.clear()
        await parent.set("eu:k", ["parent's"])
        await parent.increment("eu:n", 5)
        assert await child.get("k") is None
        assert await child.exists("k") is False
        assert await child.get_with_ttl("k") == (None, None)
        assert await child.touch("k", 60) is False
        assert await child.increment("n") == 6
        assert await parent.get("eu:k") == ["parent's"]
        assert await child.get_or_load("k", lambda: ["child's"]) == ["child's"]
        assert await parent.get("eu:k") is None
        assert await child.get("k") == ["child's"]
        assert await parent.add("eu:k", "new") is True
        assert await child.get("k") is None
        assert await child.delete("k") is True
        await parent.clear()

    async def test_what_is_stored_after_clear_lives(self, service: FullCacheService) -> None:
        await service.clear()
        await service.set("k", "v", tags=["t"])
        await service.clear(sweep=False)
        await service.clear(sweep=False)
        await service.set("k", "new", tags=["t"])
        assert await service.get("k") == "new"
        assert await service.get_or_load("l", lambda: "loaded") == "loaded"
        assert await service.get("l") == "loaded"

    async def test_a_stale_entry_is_a_miss_for_every_verb(self, service: FullCacheService) -> None:
        for value in (["v"], "text", None, 1.5):
            await service.set("k", value, ttl=1000, tags=["t"])
            assert await service.mark_stale("k") is True
            assert await service.get("k", default="-") == "-"
            assert await service.get_many(["k"], default="-") == ["-"]
            assert await service.exists("k") is False
            assert await service.remaining_ttl("k") is None
            assert await service.get_with_ttl("k") == (None, None)
            assert await service.mark_stale("k") is False
            await service.set("k", value)
            assert await service.get("k", default="-") == value

    async def test_what_is_absent_or_dead_cannot_be_marked_stale(self, service: FullCacheService) -> None:
        assert await service.mark_stale("absent") is False
        await service.set("k", "v", tags=["t"])
        await service.invalidate_tags(["t"])
        assert await service.mark_stale("k") is False
        await service.set("k", "v", ttl=10)
        await self.advance(11)
        assert await service.mark_stale("k") is False

    async def test_a_counter_cannot_be_stale_and_is_deleted(self, service: FullCacheService) -> None:
        await service.increment("n", 5)
        assert await service.mark_stale("n") is False
        assert await service.exists("n") is False

    async def test_a_stale_entry_is_loaded_anew(self, service: FullCacheService) -> None:
        await service.get_or_load("k", lambda: ["old"], tags=["t"])
        await service.mark_stale("k")
        assert await service.get_or_load("k", lambda: ["new"], tags=["t"]) == ["new"]
        assert await service.get("k") == ["new"]
