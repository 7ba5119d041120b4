"""The hot paths, each as a coroutine function that goes through it once, and how often to go for one count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pika_redis import MemoryCacheService, RedisService, cache

__all__ = ["CROWD", "REFERENCE", "Path", "opened"]

CROWD = 100
"""Tasks at once where a path is measured for a crowd."""
REFERENCE = "a bare coroutine around dict.get"
"""What all others are expressed in, so that a figure says something on another machine too."""
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Path:
    """One path: `step` is awaited `times` times, which makes `times * operations` operations."""

    name: str
    step: Callable[[], Awaitable[object]]
    times: int
    operations: int = 1


def _crowd(step: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    async def together() -> None:
        await asyncio.gather(*[step() for _ in range(CROWD)])

    return together


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[list[Path]]:
    """All paths, over a server."""
    near = RedisService(url, key_prefix="guard:")
    far = RedisService(url, key_prefix="guard:", l1=False)
    memory = MemoryCacheService()
    plain = {"k": "value"}
    many = {f"k{number}": f"value {number}" for number in range(_BATCH)}
    number = 0

    async def bare(key: str) -> str | None:
        return plain.get(key)

    @cache(ttl=600, service=near)
    async def one(name: str) -> str:
        return name

    @cache(ttl=600, service=near)
    async def five(a: int, b: str, c: float, *, d: bool = False, e: str = "e") -> str:
        return f"{a} {b} {c} {d} {e}"

    async def loaded() -> str:
        return "value"

    async def missed() -> object:
        nonlocal number
        number += 1
        return await near.get_or_load(f"new{number}", loaded, ttl=600)

    for service in (near, memory):
        await service.set("k", "value", tags=["t"])
    await far.set("s", "value")
    await far.set_many(many)
    try:
        yield [
            Path(REFERENCE, lambda: bare("k"), 5_000),
            Path("get, copy in memory", lambda: near.get("k"), 3_000),
            Path("get_or_load, copy in memory", lambda: near.get_or_load("k", loaded, tags=["t"]), 2_000),
            Path("get_or_load with ttl, copy in memory", lambda: near.get_or_load("k", loaded, 600, tags=["t"]), 2_000),
            Path("get, MemoryCacheService", lambda: memory.get("k"), 3_000),
            Path("@cache with one argument, copy in memory", lambda: one("name"), 2_000),
            Path("@cache with five arguments, copy in memory", lambda: five(1, "b", 2.5, d=True), 1_000),
            Path(f"get from the server, {CROWD} tasks", _crowd(lambda: far.get("s")), 15, CROWD),
            Path(f"set, {CROWD} tasks", _crowd(lambda: far.set("s", "value", ttl=600)), 10, CROWD),
            Path(f"get_or_load that loads, {CROWD} tasks", _crowd(missed), 3, CROWD),
            Path(f"get_many of {_BATCH:,}, an item", lambda: far.get_many(list(many)), 2, _BATCH),
            Path(f"set_many of {_BATCH:,}, an item", lambda: far.set_many(many, ttl=600), 2, _BATCH),
        ]
    finally:
        for service in (near, far):
            await service.aclose()
        await memory.aclose()
