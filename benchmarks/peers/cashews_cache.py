"""cashews, a cache library over redis-py.

Client-side copies are off where reads from the server are measured. The pool is set as for redis-py, the timeout of 1 s
raised, because a noisy machine isn't an outage. Values go through its pickle, its default: without it, it gives back
integers and bytes alone. It adds a few microseconds at most.
https://github.com/Krukov/cashews#redis
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager

from cashews import Cache
from redis.asyncio import BlockingConnectionPool, ConnectionPool

from .server_peer import POOL, TTL, Address, ServerPeer

__all__ = ["LIBRARY", "cache_of", "opened"]

LIBRARY = "cashews"


def cache_of(address: Address, tasks: int) -> Cache:
    """A cache on the server whose pool suits so many tasks."""
    cache = Cache()
    cache.setup(
        address.url,
        client_side=False,
        max_connections=min(tasks, POOL),
        connection_pool_class=BlockingConnectionPool if tasks > POOL else ConnectionPool,
        socket_timeout=10,
    )
    return cache


@asynccontextmanager
async def opened(address: Address, tasks: int) -> AsyncIterator[ServerPeer]:
    """cashews for so many tasks."""
    cache = cache_of(address, tasks)
    await cache.init()

    def write(key: str, value: str) -> Awaitable[object]:
        return cache.set(key, value, expire=TTL)

    def write_many(items: Mapping[str, bytes]) -> Awaitable[object]:
        return cache.set_many(items, expire=TTL)

    async def read_many(keys: Sequence[str]) -> Sequence[object]:
        return await cache.get_many(*keys)

    try:
        yield ServerPeer(cache.get, write, read_many, write_many)
    finally:
        await cache.close()
