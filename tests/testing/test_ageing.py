"""Data made older on a real server."""

from __future__ import annotations

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer, age_entries, refuses


async def test_keys_lose_life_and_end(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        await service.set("short", "v", ttl=100)
        await service.set("long", "v", ttl=1000)
        await service.increment("counter", ttl=100)
        await service.increment("for ever")
        assert await age_entries(service, prefix, 60) == 0
        assert 900_000 < await service.execute("PTTL", f"{prefix}long") <= 940_000
        assert 0 < await service.execute("PTTL", f"{prefix}counter") <= 40_000
        assert await age_entries(service, prefix, "40s") == 2
        assert await service.get_many(["short", "long", "counter", "for ever"]) == [None, "v", None, 1]
        assert await service.execute("PTTL", f"{prefix}for ever") == -1


async def test_entries_are_born_earlier_to_the_millisecond_and_otherwise_the_same(
    server: EmbeddedServer, prefix: str
) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        await service.set("k", ["value"], ttl=10_000, tags=["t"])
        for seconds in (0.001, 0.255, 0.256, 65.536, 1234.567, 8000):
            before = await service.execute("GET", f"{prefix}k")
            await age_entries(service, prefix, seconds)
            after = await service.execute("GET", f"{prefix}k")
            assert int.from_bytes(before[10:16], "big") - int.from_bytes(after[10:16], "big") == round(seconds * 1000)
            assert after[:10] + after[16:] == before[:10] + before[16:]
        assert await service.get("k") == ["value"]


async def test_what_is_no_entry_keeps_its_bytes(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        foreign = {"a": b"V" * 60, "b": b"V", "c": b"Vegetables are no entries", "d": b"12345678901234567890", "e": b""}
        for key, raw in foreign.items():
            await service.execute("SET", prefix + key, raw, "PX", 100_000)
        await service.execute("RPUSH", f"{prefix}list", "x")
        await service.execute("PEXPIRE", f"{prefix}list", 100_000)
        assert await age_entries(service, prefix, 50) == 0
        for key, raw in foreign.items():
            assert await service.execute("GET", prefix + key) == raw
            assert 0 < await service.execute("PTTL", prefix + key) <= 50_000
        assert 0 < await service.execute("PTTL", f"{prefix}list") <= 50_000
        assert await age_entries(service, prefix, 51) == 6


async def test_other_prefixes_stay_young_and_thousands_of_keys_age_once(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        other = service.with_options(key_prefix=f"other[a*]{prefix}")
        await other.set("k", "v", ttl=100)
        await service.set_many({f"k{number}": number for number in range(2100)}, ttl=100)
        await age_entries(service, prefix, 30)
        left = [await service.execute("PTTL", f"{prefix}k{number}") for number in range(0, 2100, 7)]
        assert min(left) > 50_000
        assert max(left) <= 70_000
        assert (await other.remaining_ttl("k") or 0) > 80
        assert await age_entries(service, other.prefix, 101) > 0
        assert await other.get("k") is None
        await service.clear()


async def test_time_does_not_go_back(valkey_server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(valkey_server.url, key_prefix=prefix) as service:
        with refuses(ValueError, "duration"):
            await age_entries(service, prefix, -1)
