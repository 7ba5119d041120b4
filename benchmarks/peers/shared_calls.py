"""Decorated calls whose results are shared over the server: how each library protects a slow loader, and invalidates.

- cashews: ``lock=True`` is its protection, a lock on the server. - aiocache: `cached_stampede`, a lock with a lease on
  the server, and `PickleSerializer`. - fastapi-cache2 has none. - redis-py: get, load, set, as a user would write it.
  - async-lru shares a load within its process and knows no server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import aiocache  # type: ignore[import-untyped]
import async_lru
from aiocache.serializers import PickleSerializer  # type: ignore[import-untyped]
from fastapi_cache import FastAPICache
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache as fastapi_cache
from redis.asyncio import BlockingConnectionPool

from pika_redis import RedisService, cache

from ..result import OURS
from .cashews_cache import cache_of
from .redis_py import client_of
from .server_peer import POOL, TTL, Address

__all__ = ["LIBRARIES", "SHARED_CALLS", "Loader", "SharedCalls", "tasks_of_pool"]

LIBRARIES = ("aiocache", "async-lru", "cashews", "fastapi-cache2", "redis")

Loader: TypeAlias = Callable[[str], Awaitable[str]]
tasks_of_pool = 10 * POOL
"""So many that pools wait instead of raising."""


@dataclass(frozen=True, slots=True)
class SharedCalls:
    """A cached loader, and how the result of an argument is ended for all processes (None where that can't be done)."""

    call: Loader
    invalidate: Callable[[str], Awaitable[object]] | None


@asynccontextmanager
async def ours(address: Address, load: Loader) -> AsyncIterator[SharedCalls]:
    async with RedisService(address.url, compression_enabled=False) as service:

        @cache(ttl=TTL, key_generator=lambda name: name, prefix="ours", service=service)
        async def call(name: str) -> str:
            return await load(name)

        yield SharedCalls(call, call.invalidate)


@asynccontextmanager
async def with_cashews(address: Address, load: Loader) -> AsyncIterator[SharedCalls]:
    theirs = cache_of(address, tasks_of_pool)
    await theirs.init()

    async def loading(name: str) -> str:
        return await load(name)

    call: Any = theirs(ttl=TTL, key="cashews:{name}", lock=True)(cast("Any", loading))
    try:
        yield SharedCalls(call, lambda name: theirs.delete(f"cashews:{name}"))
    finally:
        await theirs.close()


@asynccontextmanager
async def with_aiocache(address: Address, load: Loader) -> AsyncIterator[SharedCalls]:
    protected = aiocache.cached_stampede(
        lease=2,
        ttl=TTL,
        key_builder=lambda _, name: f"aiocache:{name}",
        cache=aiocache.RedisCache,
        serializer=PickleSerializer(),
        endpoint=address.host,
        port=address.port,
        pool_max_size=POOL,
        connection_pool_class=BlockingConnectionPool,
        timeout=60,  # its 5 s pass on a busy machine, and then it loads and logs
    )

    async def loading(name: str) -> str:
        return await load(name)

    call: Any = protected(loading)
    try:
        yield SharedCalls(call, lambda name: cast("Awaitable[object]", call.cache.delete(f"aiocache:{name}")))
    finally:
        await call.cache.close()


@asynccontextmanager
async def with_fastapi_cache2(address: Address, load: Loader) -> AsyncIterator[SharedCalls]:
    client = client_of(address, tasks_of_pool)
    backend = RedisBackend(client)
    FastAPICache.reset()
    FastAPICache.init(backend, expire=TTL, key_builder=_fastapi_key)

    @fastapi_cache(expire=TTL)
    async def call(name: str) -> str:
        return await load(name)

    try:
        yield SharedCalls(cast("Loader", call), lambda name: backend.clear(key=f"fastapi:{name}"))
    finally:
        FastAPICache.reset()
        await client.aclose()


def _fastapi_key(*_: object, args: tuple[str, ...], **__: object) -> str:
    return f"fastapi:{args[0]}"


@asynccontextmanager
async def by_hand(address: Address, load: Loader) -> AsyncIterator[SharedCalls]:
    client = client_of(address, tasks_of_pool)

    async def call(name: str) -> str:
        found = await client.get(f"hand:{name}")
        if found is not None:
            return cast("bytes", found).decode()
        loaded = await load(name)
        await client.set(f"hand:{name}", loaded, ex=TTL)
        return loaded

    try:
        yield SharedCalls(call, lambda name: client.delete(f"hand:{name}"))
    finally:
        await client.aclose()


@asynccontextmanager
async def with_async_lru(address: Address, load: Loader) -> AsyncIterator[SharedCalls]:
    @async_lru.alru_cache(maxsize=None)
    async def call(name: str) -> str:
        return await load(name)

    yield SharedCalls(cast("Loader", call), None)


SHARED_CALLS = {
    OURS: ours,
    "cashews, lock=True": with_cashews,
    "aiocache, cached_stampede": with_aiocache,
    "fastapi-cache2": with_fastapi_cache2,
    "redis-py, by hand": by_hand,
    "async-lru, no server": with_async_lru,
}
