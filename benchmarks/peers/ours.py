"""pika-redis, with and without copies in memory.

Compression is off: the peers have none by default, and the same bytes should go over the wire for all. Everything
else is as a user gets it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager

from pika_redis import RedisService

from .server_peer import TTL, Address, ServerPeer

__all__ = ["opened", "opened_with_copies"]


@asynccontextmanager
async def opened(address: Address, tasks: int) -> AsyncIterator[ServerPeer]:
    """Every read asks the server."""
    async with RedisService(address.url, l1=False, compression_enabled=False) as service:
        yield _peer(service)


@asynccontextmanager
async def opened_with_copies(address: Address, tasks: int) -> AsyncIterator[ServerPeer]:
    """As a user gets it: reads are answered by copies that the server keeps true."""
    async with RedisService(address.url, compression_enabled=False) as service:
        yield _peer(service)


def _peer(service: RedisService) -> ServerPeer:
    def write(key: str, value: str) -> Awaitable[object]:
        return service.set(key, value, TTL)

    def write_many(items: Mapping[str, bytes]) -> Awaitable[object]:
        return service.set_many(items, TTL)

    async def read_many(keys: Sequence[str]) -> Sequence[object]:
        return await service.get_many(keys)

    return ServerPeer(service.get, write, read_many, write_many)
