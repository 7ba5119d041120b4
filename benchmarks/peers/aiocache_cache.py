"""aiocache, a cache library over redis-py.

The pool is set as for redis-py. Its timeout of 5 s, which wraps every call into `asyncio.wait_for`, stays at its
default: nobody would go without. Values pass through as bytes (NullSerializer without an encoding).
https://aiocache.aio-libs.org/en/latest/caches.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

from aiocache import RedisCache  # type: ignore[import-untyped]
from aiocache.serializers import BaseSerializer, NullSerializer  # type: ignore[import-untyped]
from redis.asyncio import BlockingConnectionPool, ConnectionPool

from .server_peer import POOL, TTL, Address, ServerPeer

__all__ = ["LIBRARY", "cache_of", "opened"]

LIBRARY = "aiocache"


def cache_of(address: Address, tasks: int, serializer: BaseSerializer) -> RedisCache:
    """A cache on the server whose pool suits so many tasks."""
    return RedisCache(
        endpoint=address.host,
        port=address.port,
        pool_max_size=min(tasks, POOL),
        connection_pool_class=BlockingConnectionPool if tasks > POOL else ConnectionPool,
        serializer=serializer,
    )


@asynccontextmanager
async def opened(address: Address, tasks: int) -> AsyncIterator[ServerPeer]:
    """aiocache for so many tasks."""
    cache = cache_of(address, tasks, NullSerializer(encoding=None))

    def write(key: str, value: str) -> Awaitable[object]:
        return cast("Awaitable[object]", cache.set(key, value, ttl=TTL))

    def write_many(items: Mapping[str, bytes]) -> Awaitable[object]:
        return cast("Awaitable[object]", cache.multi_set(items.items(), ttl=TTL))

    async def read_many(keys: Sequence[str]) -> Sequence[object]:
        found: Sequence[object] = await cache.multi_get(keys)
        return found

    try:
        yield ServerPeer(cache.get, write, read_many, write_many)
    finally:
        await cache.close()
