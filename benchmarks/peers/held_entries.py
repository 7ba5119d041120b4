"""Run as a program: how much does this process grow when a library holds so many entries in memory?

Prints resident bytes for each entry after each of the counts, beyond the keys and values themselves, which are made
beforehand and which every library but ours keeps as they are.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from pika_redis import RedisService

from ..result import OURS
from . import memory_async, memory_sync
from .presence import resident
from .server_peer import TTL

__all__ = ["main"]

Store = Callable[[str, str], Awaitable[None]]
_ROOM = 1 << 30


async def _grown(store: Store, counts: list[int]) -> list[float]:
    items = [(f"key:{number:08}", f"{number:0100}") for number in range(counts[-1])]
    for number in range(100):
        await store(f"warm:{number}", "up")
    before, stored, grown = resident(), 0, []
    for count in counts:
        for key, value in items[stored:count]:
            await store(key, value)
        stored = count
        grown.append((resident() - before) / count)
    return grown


async def _measure(library: str, url: str, counts: list[int]) -> list[float]:
    room = counts[-1] + 1_000
    if library == OURS:
        async with RedisService(url, l1=_ROOM, compression_enabled=False) as service:

            async def copy(key: str, value: str) -> None:
                await service.get(key) if key.startswith("key:") else await service.set(key, value, TTL)

            return await _grown(copy, counts)
    plain = memory_sync.look_ups(room)
    if library in plain and library != OURS:

        async def put(key: str, value: str) -> None:
            plain[library].set(key, value)

        return await _grown(put, counts)
    async with memory_async.look_ups(url, room) as awaited:

        async def store(key: str, value: str) -> None:
            await awaited[library].set(key, value)

        return await _grown(store, counts)


def main() -> None:
    """Library, server and counts come from the command line."""
    library, url, *counts = sys.argv[1:]
    print(*asyncio.run(_measure(library, url, [int(count) for count in counts])))


if __name__ == "__main__":
    main()
