"""What does it cost to invalidate a tag, by the number of entries that carry it?

10 to 1 000 000 entries on the server carry the tag, and one other process tracks it; then the tag is invalidated, and
an entry is asked for, which must be gone. `pika-redis` deletes the one key that holds the tag's nonce, whatever the
number of entries. cashews keeps a set of keys for each tag and deletes all of them, in portions of 100;
fastapi-cache2 has no tags, and its `clear(namespace)` walks over all keys of the server inside one script, which
stops everybody meanwhile. The others have nothing of the kind. The peers are asked once a round, up to 100 000
entries, since they delete what was filled in.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack

from fastapi_cache.backends.redis import RedisBackend
from redis.asyncio import Redis

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer

from ..bars import at_most, verdict
from ..machine import observe
from ..peers.cashews_cache import cache_of
from ..peers.entries import copy_entry, fill_set
from ..peers.server_peer import TTL, Address
from ..result import OURS, Question, Result, tabulate
from ..rounds import Pace, Spread, ratios
from ..serving import run_in, server_name

__all__ = ["QUESTION", "run"]

QUESTION = Question.of(__name__, __doc__)

COUNTS = (10, 1_000, 100_000, 1_000_000)
_PEERS_UP_TO = 100_000
_TAGS = 15
"""Each entry carries so many tags, which are invalidated one after the other: their median is the round's figure."""


def run(pace: Pace) -> Result:
    """Ask."""
    counts = COUNTS[:2] if pace.quick else COUNTS
    measured: dict[int, dict[str, list[float]]] = {count: {} for count in counts}
    with EmbeddedServer.start() as server:
        name = asyncio.run(server_name(server))

        async def main() -> None:
            for _ in range(min(3, pace.rounds)):
                for count in counts:
                    for library, seconds in (await _one_round(Address(server.host, server.port), count)).items():
                        measured[count].setdefault(library, []).append(seconds * 1e3)

        run_in("uvloop", main)
    table = tabulate(
        "invalidating one tag", "ms", "less", "tagged entries", {f"{count}": measured[count] for count in counts}
    )
    few, many = measured[counts[0]][OURS], measured[counts[-1]][OURS]
    every = Spread.of([figure for count in counts for figure in measured[count][OURS]])
    verdicts = (
        at_most("tags-flat", ratios({"many": many, "few": few}, "many", "few"), 1.5),
        verdict("tags-fast", f"{every.middle:.3g} ms ({every.low:.3g}..{every.high:.3g})", kept=every.middle < 1),
    )
    return Result(QUESTION, observe(name, ("redis", "cashews", "fastapi-cache2")), (table,), verdicts, quick=pace.quick)


async def _one_round(address: Address, count: int) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        client = Redis(host=address.host, port=address.port)
        stack.push_async_callback(client.aclose)
        seconds: dict[str, float] = {}
        await client.flushall()
        seconds[OURS] = await _ours(address, client, count)
        if count <= _PEERS_UP_TO:
            await client.flushall()
            seconds["cashews, delete_tags"] = await _cashews(address, client, count)
            await client.flushall()
            seconds["fastapi-cache2, clear(namespace)"] = await _fastapi_cache2(client, count)
        return seconds


async def _ours(address: Address, client: Redis, count: int) -> float:
    tags = [f"t{number}" for number in range(_TAGS)]
    times = []
    async with RedisService(address.url) as service, RedisService(address.url) as other:
        await service.set("source", "x" * 100, TTL, tags=tags)
        await copy_entry(client, "pika:source", "pika:entry:", count)
        for tag in tags:
            await service.set("probe", "value", TTL, tags=[tag])
            if await other.get("probe") != "value":  # from now on, it tracks the tag
                raise AssertionError("a tagged entry isn't there")
            began = time.perf_counter()
            await service.invalidate_tags([tag])
            times.append(time.perf_counter() - began)
            if await service.get("probe") is not None or await service.get("entry:3") is not None:
                raise AssertionError("an invalidated entry is still there")
    return statistics.median(times)


async def _cashews(address: Address, client: Redis, count: int) -> float:
    cache = cache_of(address, 10)
    await cache.init()
    try:
        await cache.set("entry:3", "x" * 100, expire=TTL, tags=["t"])
        await copy_entry(client, "entry:3", "entry:", count)
        await fill_set(client, "_tag:t", "entry:", count)
        began = time.perf_counter()
        await cache.delete_tags("t")
        took = time.perf_counter() - began
        if await cache.get("entry:4") is not None:
            raise AssertionError("an invalidated entry is still there")
        return took
    finally:
        await cache.close()


async def _fastapi_cache2(client: Redis, count: int) -> float:
    backend = RedisBackend(client)
    await backend.set("space:3", b"x" * 100, TTL)
    await copy_entry(client, "space:3", "space:", count)
    began = time.perf_counter()
    await backend.clear(namespace="space")
    took = time.perf_counter() - began
    if await backend.get("space:4") is not None:
        raise AssertionError("an invalidated entry is still there")
    return took
