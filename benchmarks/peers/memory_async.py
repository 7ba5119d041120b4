"""Libraries in this process's memory, used from coroutines: their look-ups and their decorators.

All hold up to 10 000 entries with a time to live where they have one. Sources of the choices: the README of each.

- cashews: ``mem://`` keeps objects as they are, without pickling, which is its default.
- aiocache: SimpleMemoryCache with its default NullSerializer; `cached` defaults to it.
- fastapi-cache2: InMemoryBackend; its decorator stores JSON by default, which its pydantic results need.
- async-lru: alru_cache with a ttl. - cachebox: TTLCache. - moka-py, theine: with a ttl and their TinyLFU defaults;
  theine's async decorator gives the same awaitable to every caller.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import aiocache  # type: ignore[import-untyped]
import async_lru
import cachebox
import cashews
import moka_py
import theine
from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.decorator import cache as fastapi_cache

from pika_redis import MemoryCacheService, RedisService, cache

from ..result import OURS
from .server_peer import TTL

__all__ = ["ENTRIES", "LIBRARIES", "OURS_IN_MEMORY", "AsyncDecorator", "AsyncMemory", "decorators", "look_ups"]

ENTRIES = 10_000
OURS_IN_MEMORY = f"{OURS}, MemoryCacheService"
LIBRARIES = ("aiocache", "async-lru", "cachebox", "cashews", "fastapi-cache2", "moka-py", "theine")

AsyncFunction: TypeAlias = Callable[..., Awaitable[Any]]
AsyncDecorator: TypeAlias = Callable[[AsyncFunction], AsyncFunction]


@dataclass(frozen=True, slots=True)
class AsyncMemory:
    """A cache's look-up and store."""

    get: Callable[[str], Awaitable[object]]
    set: Callable[[str, object], Awaitable[object]]


@asynccontextmanager
async def look_ups(url: str, room: int = ENTRIES) -> AsyncIterator[dict[str, AsyncMemory]]:
    """Every library with awaitable look-ups; ours with copies of what is on the server at `url`, and without one."""
    async with AsyncExitStack() as stack:
        copied = await stack.enter_async_context(RedisService(url))
        alone = await stack.enter_async_context(MemoryCacheService())
        theirs = cashews.Cache()
        theirs.setup("mem://", size=room)
        other = aiocache.SimpleMemoryCache()
        stack.push_async_callback(theirs.close)
        stack.push_async_callback(other.clear)  # its timers would keep it
        backend = InMemoryBackend()
        yield {
            OURS: AsyncMemory(copied.get, lambda key, value: copied.set(key, value, TTL)),
            OURS_IN_MEMORY: AsyncMemory(alone.get, lambda key, value: alone.set(key, value, TTL)),
            "cashews": AsyncMemory(theirs.get, lambda key, value: theirs.set(key, value, expire=TTL)),
            "aiocache": AsyncMemory(other.get, lambda key, value: _awaitable(other.set(key, value, ttl=TTL))),
            "fastapi-cache2": AsyncMemory(backend.get, lambda key, value: backend.set(key, str(value).encode(), TTL)),
        }


@asynccontextmanager
async def decorators(url: str) -> AsyncIterator[dict[str, AsyncDecorator]]:
    """Every library that decorates coroutine functions."""
    async with AsyncExitStack() as stack:
        copied = await stack.enter_async_context(RedisService(url))
        alone = await stack.enter_async_context(MemoryCacheService())
        theirs = cashews.Cache()
        theirs.setup("mem://", size=ENTRIES)
        stack.push_async_callback(theirs.close)
        FastAPICache.reset()
        FastAPICache.init(InMemoryBackend(), expire=TTL)
        stack.callback(FastAPICache.reset)
        lifetime = dt.timedelta(seconds=TTL)
        yield {
            OURS: cache(ttl=TTL, service=copied),
            OURS_IN_MEMORY: cache(ttl=TTL, service=alone),
            "cashews": lambda function: cast("AsyncFunction", theirs(ttl=TTL)(cast("Any", function))),
            "aiocache": lambda function: cast("AsyncFunction", aiocache.cached(ttl=TTL)(function)),
            "fastapi-cache2": fastapi_cache(expire=TTL),
            "async-lru": lambda function: async_lru.alru_cache(maxsize=ENTRIES, ttl=TTL)(cast("Any", function)),
            "cachebox": cachebox.cached(cachebox.TTLCache(ENTRIES, TTL)),
            "moka-py": moka_py.cached(ENTRIES, ttl=TTL),
            "theine": lambda function: cast("AsyncFunction", theine.Memoize(ENTRIES, lifetime)(cast("Any", function))),
        }


def _awaitable(call: object) -> Awaitable[object]:
    return cast("Awaitable[object]", call)
