"""redis-py, the asyncio client.

Its C parser is on: ``redis[hiredis]`` is installed and chosen by itself. A pool as large as the tasks never waits;
where it is smaller, the documented BlockingConnectionPool waits for a connection instead of raising. Replies stay
bytes.
https://redis.readthedocs.io/en/stable/connections.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis

from .server_peer import POOL, TTL, Address, ServerPeer

__all__ = ["LIBRARY", "client_of", "opened"]

LIBRARY = "redis"


def client_of(address: Address, tasks: int) -> Redis:
    """A client whose pool suits so many tasks."""
    kind = BlockingConnectionPool if tasks > POOL else ConnectionPool
    return Redis.from_pool(kind(host=address.host, port=address.port, max_connections=min(tasks, POOL)))


@asynccontextmanager
async def opened(address: Address, tasks: int) -> AsyncIterator[ServerPeer]:
    """redis-py for so many tasks."""
    client = client_of(address, tasks)

    def write(key: str, value: str) -> Awaitable[object]:
        return client.set(key, value, ex=TTL)

    async def write_many(items: Mapping[str, bytes]) -> object:
        async with client.pipeline(transaction=False) as pipeline:
            for key, value in items.items():
                _ = pipeline.set(key, value, ex=TTL)  # queued, not sent
            return await pipeline.execute()

    async def read_many(keys: Sequence[str]) -> Sequence[object]:
        found: Sequence[object] = await client.mget(keys)
        return found

    try:
        yield ServerPeer(client.get, write, read_many, write_many)
    finally:
        await client.aclose()
