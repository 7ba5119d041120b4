"""Who waits for a load elsewhere, with nothing on the wire, hears of it when the server turns out to be gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pika_redis import CacheUnavailableError, RedisService
from pika_redis.testing import EmbeddedServer, FaultyWire

from ..wire.timing import turned
from .tap import near_of

HERE, ELSEWHERE = "loaded here", "loaded elsewhere"


async def here() -> str:
    return HERE


@pytest.mark.parametrize("others", [False, True], ids=["alone", "beside others"])
@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
async def test_a_load_elsewhere_is_not_waited_for_once_the_server_is_given_up(
    server: EmbeddedServer, prefix: str, *, several: bool, others: bool
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def long_load() -> str:
        begun.set()
        await may_end.wait()
        return ELSEWHERE

    async def all_here(items: list[str]) -> list[str]:
        return [HERE for _ in items]

    async with (
        FaultyWire(server.url) as wire,
        RedisService(server.url, key_prefix=prefix) as other,
        RedisService(wire.url, key_prefix=prefix, stall_timeout=0.05, command_timeout=100) as service,
    ):
        elsewhere = asyncio.create_task(other.get_or_load("k", long_load, lease=60, hard_timeout=100))
        await begun.wait()
        load = (
            service.get_or_load_many(["k"], all_here, lease=60, hard_timeout=100)
            if several
            else service.get_or_load("k", here, lease=60, hard_timeout=100)
        )
        waiting = asyncio.create_task(load)
        await turned(lambda: bool(near_of(service).watches._waiting))
        await near_of(service).hear()  # it has its answer, and waits for a push
        wire.stall()
        if others:
            assert await service.get("another") is None
        async with asyncio.timeout(20):
            assert await waiting == ([HERE] if several else HERE)
        may_end.set()
        assert await elsewhere == ELSEWHERE


async def test_who_waits_for_a_lock_is_told_when_the_server_falls_silent(server: EmbeddedServer, prefix: str) -> None:
    async with (
        FaultyWire(server.url) as wire,
        RedisService(server.url, key_prefix=prefix) as other,
        RedisService(wire.url, key_prefix=prefix, stall_timeout=0.05, command_timeout=100) as service,
        other.lock("l", ttl=100),
    ):

        async def locked() -> None:
            async with service.lock("l", ttl=100, wait=100):
                raise AssertionError("another has it")

        waiting = asyncio.create_task(locked())
        await turned(lambda: bool(near_of(service).watches._waiting))
        await near_of(service).hear()
        wire.stall()
        async with asyncio.timeout(20):
            with pytest.raises(CacheUnavailableError):
                await waiting


async def test_who_waits_asks_the_server_seldom(server: EmbeddedServer, prefix: str) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()

    async def long_load() -> str:
        began.set()
        await may_end.wait()
        return ELSEWHERE

    async with (
        RedisService(server.url, key_prefix=prefix) as other,
        RedisService(server.url, key_prefix=prefix, stall_timeout=0.05, command_timeout=100) as service,
    ):
        elsewhere = asyncio.create_task(other.get_or_load("k", long_load, lease=60, hard_timeout=100))
        await began.wait()
        crowd = [asyncio.create_task(service.get_or_load("k", here, lease=60, hard_timeout=100)) for _ in range(100)]
        await turned(lambda: bool(near_of(service).watches._waiting))
        await near_of(service).hear()
        proof: Any = near_of(service).proof
        sent = proof.sent
        await turned(lambda: proof.sent > sent)
        assert proof.sent == sent + 1  # one for all of them
        may_end.set()
        assert await elsewhere == ELSEWHERE
        assert set(await asyncio.gather(*crowd)) == {ELSEWHERE}
