"""coredis.

Since 6.0 its pool sends most commands of all tasks over a few shared connections, its parser is compiled, and a client
must be entered as a context. 16 connections were its best at 100 and at 1 000 tasks (of 2, 4, 16 and one each).
https://coredis.readthedocs.io/en/stable/handbook/connections.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager

import coredis

from .server_peer import TTL, Address, ServerPeer

__all__ = ["LIBRARY", "opened"]

LIBRARY = "coredis"
_CONNECTIONS = 16


@asynccontextmanager
async def opened(address: Address, tasks: int) -> AsyncIterator[ServerPeer]:
    """coredis for so many tasks."""
    async with coredis.Redis(address.host, address.port, max_connections=_CONNECTIONS) as client:

        def write(key: str, value: str) -> Awaitable[object]:
            return client.set(key, value, ex=TTL)

        async def write_many(items: Mapping[str, bytes]) -> None:
            async with client.pipeline(transaction=False) as pipeline:
                for key, value in items.items():
                    _ = pipeline.set(key, value, ex=TTL)  # queued, not sent

        async def read_many(keys: Sequence[str]) -> Sequence[object]:
            return await client.mget(keys)

        yield ServerPeer(client.get, write, read_many, write_many)
