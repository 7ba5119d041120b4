"""All libraries that are measured over a server, by the name that tables give them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack

from ..result import OURS
from . import aiocache_cache, bare_wire, cashews_cache, coredis_client, fastapi_cache2, glide_client, ours, redis_py
from .server_peer import Address, Opened, ServerPeer

__all__ = ["BARE", "COPIES", "LIBRARIES", "SERVER_PEERS", "open_all"]

BARE = "the bare multiplexed wire"
COPIES = f"{OURS}, copies in memory"

SERVER_PEERS: Mapping[str, Opened] = {
    OURS: ours.opened,
    COPIES: ours.opened_with_copies,
    BARE: bare_wire.opened,
    "valkey-glide": glide_client.opened,
    "redis-py": redis_py.opened,
    "coredis": coredis_client.opened,
    "aiocache": aiocache_cache.opened,
    "cashews": cashews_cache.opened,
    "fastapi-cache2": fastapi_cache2.opened,
}

LIBRARIES = tuple(
    module.LIBRARY for module in (glide_client, redis_py, coredis_client, aiocache_cache, cashews_cache, fastapi_cache2)
)
"""The distributions behind them."""


async def open_all(stack: AsyncExitStack, address: Address, tasks: int) -> dict[str, ServerPeer]:
    """Every library, connected for so many tasks until the stack is left."""
    return {name: await stack.enter_async_context(opened(address, tasks)) for name, opened in SERVER_PEERS.items()}
