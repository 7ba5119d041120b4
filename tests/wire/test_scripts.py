"""What the scripts give back, beyond what the verbs show."""

from __future__ import annotations

from typing import Any

from pika_redis import RedisService
from pika_redis.codec.envelope import Header, Kind, render
from pika_redis.model.entry import MAX_TAG_BYTES, MAX_TAGS
from pika_redis.testing.server import EmbeddedServer
from pika_redis.wire.scripts import COUNT

NONCE = bytes(range(8))
TAGS = tuple((f"{number:02}".ljust(MAX_TAG_BYTES, "t"), NONCE) for number in range(MAX_TAGS))
LONGEST = Header(Kind.VALUE, NONCE, 2**48 - 1, NONCE, 2**56 - 1, 2**56 - 1, compressed=True, tags=TAGS)


async def test_counting_on_a_large_entry_gives_nothing_of_it_back(server: EmbeddedServer, prefix: str) -> None:
    header = render(LONGEST, b"")
    async with RedisService(server.url, key_prefix=prefix) as service:
        await service.execute("SET", f"{prefix}k", header + bytes(5_000_000))
        assert await _count(service, f"{prefix}k", b"") == [2]
        assert await _count(service, f"{prefix}k", header[:9]) == [1, b"5"]


async def test_an_empty_value_is_told_from_an_absent_one(server: EmbeddedServer, prefix: str) -> None:
    async with RedisService(server.url, key_prefix=prefix) as service:
        await service.execute("SET", f"{prefix}empty", "")
        assert await _count(service, f"{prefix}empty", b"") == [2]
        assert await _count(service, f"{prefix}absent", b"") == [1, b"5"]
        await service.execute("SET", f"{prefix}digits", b"1" * 100_000)
        assert await _count(service, f"{prefix}digits", b"") == [2]
        await service.execute("LPUSH", f"{prefix}list", "a")
        assert await _count(service, f"{prefix}list", b"") == [4]


async def _count(service: RedisService, key: str, dead: bytes) -> Any:
    return await service.execute("EVAL", COUNT.source, 1, key, 5, "", "1", dead)
