"""valkey-glide: a Rust core with one multiplexed connection, which its documentation recommends for speed.

The limit of requests in flight (1 000 by default, more are refused) is raised with the tasks; the timeout of 250 ms
too, because a noisy machine isn't an outage.
https://valkey.io/valkey-glide-docs/concepts/architecture/multiplexing
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager

from glide import Batch, ExpirySet, ExpiryType, GlideClient, GlideClientConfiguration, NodeAddress

from .server_peer import TTL, Address, ServerPeer

__all__ = ["LIBRARY", "opened"]

LIBRARY = "valkey-glide"


@asynccontextmanager
async def opened(address: Address, tasks: int) -> AsyncIterator[ServerPeer]:
    """valkey-glide for so many tasks."""
    client = await GlideClient.create(
        GlideClientConfiguration(
            [NodeAddress(address.host, address.port)],
            request_timeout=10_000,
            inflight_requests_limit=max(1_000, 2 * tasks),
        )
    )
    expiry = ExpirySet(ExpiryType.SEC, TTL)

    def write(key: str, value: str) -> Awaitable[object]:
        return client.set(key, value, expiry=expiry)

    async def write_many(items: Mapping[str, bytes]) -> object:
        batch = Batch(is_atomic=False)
        for key, value in items.items():
            batch.set(key, value, expiry=expiry)
        return await client.exec(batch, raise_on_error=True)

    async def read_many(keys: Sequence[str]) -> Sequence[object]:
        return await client.mget(list(keys))

    try:
        yield ServerPeer(client.get, write, read_many, write_many)
    finally:
        await client.close()
