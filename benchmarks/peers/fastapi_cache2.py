"""fastapi-cache2's Redis backend, over redis-py.

Its coder belongs to its decorator, so that the backend takes and gives bytes. It has no batches.
https://github.com/long2ice/fastapi-cache
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from fastapi_cache.backends.redis import RedisBackend

from .redis_py import client_of
from .server_peer import TTL, Address, ServerPeer

__all__ = ["LIBRARY", "opened"]

LIBRARY = "fastapi-cache2"


@asynccontextmanager
async def opened(address: Address, tasks: int) -> AsyncIterator[ServerPeer]:
    """fastapi-cache2 for so many tasks."""
    client = client_of(address, tasks)
    backend = RedisBackend(client)

    def write(key: str, value: str) -> Awaitable[object]:
        return backend.set(key, value.encode(), TTL)

    try:
        yield ServerPeer(backend.get, write)
    finally:
        await client.aclose()
