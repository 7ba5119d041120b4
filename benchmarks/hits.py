"""What does a hit in this process's memory cost, in units of a bare coroutine around `dict.get`?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pika_redis import MemoryCacheService, RedisService, cache
from pika_redis.testing import EmbeddedServer

from .rounds import ratios, rounds, show

CALLS = 100_000
ROUNDS = 7


@dataclass(frozen=True)
class Row:
    """A small immutable result."""

    name: str
    count: int


def _called(function: Callable[..., Awaitable[object]], *args: object) -> Callable[[], Awaitable[float]]:
    async def measure() -> float:
        began = time.perf_counter()
        for _ in range(CALLS):
            await function(*args)
        return CALLS / (time.perf_counter() - began)

    return measure


def _load() -> str:
    raise LookupError("it was there")


async def _run(server: EmbeddedServer) -> None:
    service = MemoryCacheService()
    copied = RedisService(server.url, key_prefix="hits:")
    plain = {"key": "value"}

    async def bare(key: str) -> str | None:
        return plain.get(key)

    @cache(service=service)
    async def one(name: str) -> str:
        return name

    @cache(service=service)
    async def five(a: int, b: int, c: str, d: str, *, e: bool = False) -> Row:
        return Row(c + d, a + b + e)

    await service.set("key", "value")
    await service.set("list", [1, 2, 3])
    await copied.set("key", "value", tags=["tag"])
    await copied.get("key")
    results = await rounds(
        {
            "bare": _called(bare, "key"),
            "get": _called(service.get, "key"),
            "get a list": _called(service.get, "list"),
            "one": _called(one, "x"),
            "five": _called(five, 1, 2, "c", "d"),
            "copied": _called(copied.get, "key"),
            "copied, load": _called(lambda: copied.get_or_load("key", _load, tags=["tag"])),
        },
        ROUNDS,
    )
    await service.aclose()
    await copied.aclose()
    rows = []
    for name, shown, bar in (
        ("get", "get, an immutable value", 8.0),
        ("get a list", "get, a list (decoded afresh)", None),
        ("one", "@cache, one str argument", 16.0),
        ("five", "@cache, five arguments", None),
        ("copied", "get over Redis, a tagged entry's copy", 6.0),
        ("copied, load", "get_or_load of the same", None),
    ):
        ratio = ratios(results, "bare", name)
        rows.append((shown, ratio, f"<= {bar:g}" if bar else "none", bar is None or ratio[1] <= bar))
    show("hits in memory, in bare coroutines around dict.get (cost ratios)", rows)


def main() -> None:
    """Run the contest, print the table."""
    with EmbeddedServer.start() as server:
        asyncio.run(_run(server))
