"""delete_pattern: the glob language of Redis."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

from pika_redis import FullCacheService, escape_glob

from .hooks import Hooks

__all__ = ["Patterns"]

NAMES = ("s:a", "s:b", "s:c", "s:ab", "s:*", "s:?", "s:[a]", "s:^", "s:-", "s:\\", "S:a", "t:a", "s:", "s:ä")
MATCHES: tuple[tuple[str, list[str]], ...] = (
    ("s:a", ["s:a"]),
    ("s:?", ["s:a", "s:b", "s:c", "s:*", "s:?", "s:^", "s:-", "s:\\"]),
    ("s:*", ["s:a", "s:b", "s:c", "s:ab", "s:*", "s:?", "s:[a]", "s:^", "s:-", "s:\\", "s:", "s:ä"]),
    ("*a", ["s:a", "S:a", "t:a"]),
    ("?:a", ["s:a", "S:a", "t:a"]),
    ("[st]:a", ["s:a", "t:a"]),
    ("s:[a-b]", ["s:a", "s:b"]),
    ("s:[b-a]", ["s:a", "s:b"]),
    ("s:[^a-c]", ["s:*", "s:?", "s:^", "s:-", "s:\\"]),
    ("s:[^x]", ["s:a", "s:b", "s:c", "s:*", "s:?", "s:^", "s:-", "s:\\"]),
    ("s:[*]", ["s:*"]),
    (r"s:[\-]", ["s:-"]),
    (r"s:\*", ["s:*"]),
    (r"s:\?", ["s:?"]),
    (r"s:\[a\]", ["s:[a]"]),
    (r"s:\\", ["s:\\"]),
    ("s:[a", ["s:a"]),
    ("s:[]", []),
    ("s", []),
    ("*:*b", ["s:b", "s:ab"]),
    ("s:??", ["s:ab", "s:ä"]),  # a question mark stands for one byte of UTF-8
    ("s:*ä*", ["s:ä"]),
    ("nothing*", []),
)


class Patterns(Hooks):
    """`*`, `?`, `[a-c]`, `[^x]` and backslashes mean in every store what they mean to the server."""

    async def test_a_pattern_deletes_what_the_server_would_match(self, service: FullCacheService) -> None:
        for pattern, matched in MATCHES:
            await service.set_many({name: [1] for name in NAMES})
            assert await service.delete_pattern(pattern) == len(matched), pattern
            left = await service.get_many(NAMES)
            assert [name for name, value in zip(NAMES, left, strict=True) if value is None] == matched, pattern

    async def test_an_escaped_key_matches_itself_alone(self, service: FullCacheService) -> None:
        for name in NAMES:
            await service.set_many(dict.fromkeys(NAMES, "v"))
            assert await service.delete_pattern(escape_glob(name)) == 1
            assert await service.get(name) is None
            assert await service.delete_pattern(escape_glob(name) + "*") >= 0
        await service.set_many({"user:*:1": 1, "user:x:1": 2})
        assert await service.delete_pattern(escape_glob("user:*") + ":*") == 1
        assert await service.get("user:x:1") == 2

    async def test_counters_and_entries_of_every_kind_are_deleted(self, service: FullCacheService) -> None:
        await service.increment("k:counter")
        await service.set("k:none", None)
        await service.set("k:tagged", "v", tags=["t"])
        await service.get_or_load("k:loaded", lambda: 1)
        assert await service.delete_pattern("k:*") == 4
        assert await service.get("k:counter") is None

    async def test_only_this_namespace_is_touched(self, service: FullCacheService) -> None:
        other = service.with_options(key_prefix="conformance:[a]*:")
        await other.clear()
        await other.set("k", "other")
        await service.set("k", "mine")
        assert await service.delete_pattern("*") == 1
        assert await other.get("k") == "other"
        assert await other.delete_pattern("*") == 1
        await other.clear()

    async def test_no_pattern_reaches_the_caches_own_keys(self, service: FullCacheService) -> None:
        await service.set("kept", "v", tags=["t"])
        assert await service.delete_pattern("#*") == 0
        assert await service.delete_pattern("[#x]*") == 0
        assert await service.delete_pattern("gone*") == 0
        assert await service.get("kept") == "v"

    async def test_thousands_of_keys_are_found(self, service: FullCacheService) -> None:
        await service.set_many({f"k:{number}": number for number in range(3000)})
        await service.set("other", "v")
        assert await service.delete_pattern("k:*") == 3000
        assert await service.delete_pattern("k:*") == 0
        assert await service.get("other") == "v"
