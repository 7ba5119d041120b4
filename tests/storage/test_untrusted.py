"""While the server has not been told of what this process ended, late replies bring nothing of it back.

A server that was stopped answers, when it goes on, what it was asked before: with entries that were ended in this
process meanwhile, and of whose end it hears a moment later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer, until_healthy

from ..wire.timing import turned
from .conftest import StartOwn
from .tap import is_served, near_of

ENDS: dict[str, Callable[[RedisService], Awaitable[object]]] = {
    "delete": lambda service: service.delete("k"),
    "mark_stale": lambda service: service.mark_stale("k"),
    "set": lambda service: service.set("k", "new"),
}


@pytest.fixture
def own(start_own: StartOwn) -> EmbeddedServer:
    return start_own({})


@pytest.fixture
async def service(own: EmbeddedServer) -> AsyncIterator[RedisService]:
    """Copies are made of what it reads; of what it wrote there are none."""
    async with RedisService(own.url, stall_timeout=0.1) as service:
        await until_healthy(service)
        await service.set("k", "old")
        assert await service.get("absent") is None
        yield service


async def stopped(service: RedisService, own: EmbeddedServer) -> None:
    """The server has been asked for the key, and will answer when it goes on."""
    own.pause()
    assert await service.get("k") is None
    assert near_of(service).standing.cut


async def served_until_back(service: RedisService, own: EmbeddedServer) -> list[bool]:
    """Turn by turn whether a copy of the key is served, from when the server goes on until it is trusted."""
    own.resume()
    seen: list[bool] = []

    def is_back() -> bool:
        seen.append(is_served(service))
        return not near_of(service).standing.cut

    await turned(is_back)
    return seen


@pytest.mark.parametrize("end", ENDS)
async def test_no_copy_is_made_of_a_late_reply(service: RedisService, own: EmbeddedServer, end: str) -> None:
    await stopped(service, own)
    await ENDS[end](service)
    assert not any(await served_until_back(service, own))
    assert await service.get("k") is None


async def test_copies_are_made_again_when_the_server_is_trusted(service: RedisService, own: EmbeddedServer) -> None:
    await stopped(service, own)
    await served_until_back(service, own)
    assert await service.get("k") == "old"
    assert await service.get("k") == "old"
    assert is_served(service)
