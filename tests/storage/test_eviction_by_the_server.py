"""A server that is short of memory evicts what was not asked for, and copies ask for nothing. In real time."""

from __future__ import annotations

import asyncio
import math
import sys

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer

from .raw import Raw
from .tap import near_of, server_of

SECONDS = 60
TAGS = [f"t{number}" for number in range(10)]
HOT = [f"hot{number}" for number in range(20)]
CONFIG = {"maxmemory": "8mb", "maxmemory-policy": "allkeys-lru", "maxmemory-samples": "16"}


async def read_all(service: RedisService) -> None:
    for number, key in enumerate(HOT):
        tags = [TAGS[number % 10], TAGS[(number + 3) % 10]]
        await service.get_or_load(key, lambda: "x" * 1000, tags=tags)


def nonces(service: RedisService, shell: Raw) -> list[bytes | None]:
    """Of the epoch and the tags, as the server has them."""
    found: list[bytes | None] = shell("MGET", *server_of(service)._tags.keys(TAGS))
    return found


async def crowd(server: EmbeddedServer) -> tuple[int, int, int, int]:
    """Fill a server for a minute, at a pace that replaces all it holds within 45 s or so.

    Gives how many nonces it lost of a service, and of one that never reads them again, how many keys it evicted, and
    how many hits were answered from copies.
    """
    async with (
        RedisService(server.url, key_prefix="kept:") as service,
        RedisService(server.url, key_prefix="control:") as control,
        RedisService(server.url, key_prefix="filler:", l1=False) as filler,
    ):
        await asyncio.gather(read_all(service), read_all(control))
        near_of(control)._reread_at = math.inf
        with Raw(server) as shell:
            before = nonces(service, shell), nonces(control, shell)
            assert None not in before[0] + before[1]
            for tick in range(SECONDS * 10):
                await filler.set_many({f"{tick}:{number}": "y" * 2000 for number in range(7)})
                await asyncio.gather(read_all(service), read_all(control))
                await asyncio.sleep(0.1)
            after = nonces(service, shell), nonces(control, shell)
            evicted = int(Raw.figure(shell("INFO", "stats"), "evicted_keys"))
        hits = (await service.get_stats()).l1_hits
    lost = [sum(one != other for one, other in zip(*both, strict=True)) for both in zip(before, after, strict=True)]
    return lost[0], lost[1], evicted, hits


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_nonces_that_copies_rest_on_are_not_evicted(
    valkey_server: EmbeddedServer, redis_server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with EmbeddedServer.start("valkey", config=CONFIG) as valkey, EmbeddedServer.start("redis", config=CONFIG) as redis:
        outcomes = await asyncio.gather(crowd(valkey), crowd(redis))
    for name, (lost, lost_by_control, evicted, hits) in zip(("valkey", "redis"), outcomes, strict=True):
        with capsys.disabled():
            sys.stdout.write(
                f"\n{name}, {SECONDS} s at 8 MB: {evicted} keys evicted, {hits} hits from copies; nonces lost: "
                f"{lost} of 11, without reading them again {lost_by_control} of 11\n"
            )
        assert evicted > 500
        assert hits > 5000
        assert lost_by_control > 0
        assert lost == 0
