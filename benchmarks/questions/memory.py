"""What does an entry cost in memory: on the server, in this process, and in the server's tracking table?

On the server: what it takes more, divided by the entries, for keys of 12 characters and values of 100, stored with a
time to live by each library with its defaults (our compression off, which starts at 8 KiB anyway); all entries that
have tags carry the same. In this process: how much a fresh process grows, keys and values of 100 characters not
counted for the peers, which keep the very objects that they are given; ours keeps copies of what is on the server, and
builds its own. Tracking: what the server needs to remember that connections have read a key.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import ormsgpack

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer

from ..bars import verdict
from ..machine import observe
from ..peers import memory_async, memory_sync
from ..peers.cashews_cache import cache_of
from ..peers.catalog import BARE, COPIES, LIBRARIES, SERVER_PEERS
from ..peers.server_peer import TTL, Address
from ..result import OURS, Question, Result, Verdict, tabulate
from ..rounds import Pace
from ..serving import info, run_in, server_name

__all__ = ["QUESTION", "run"]

QUESTION = Question.of(__name__, __doc__)

_VALUE = "v" * 100
_SERVER_ENTRIES = 5_000
_HELD = (5_000, 15_000, 50_000)
_BYTES = "the bytes and no more"
_OURS_TAGGED = {f"{OURS}, one tag": 1, f"{OURS}, 4 tags": 4, f"{OURS}, 16 tags": 16}
_CASHEWS_TAGGED = "cashews, one tag"
_ON_SERVER = (*[name for name in SERVER_PEERS if name not in (BARE, COPIES)], _BYTES, *_OURS_TAGGED, _CASHEWS_TAGGED)
_TRACKERS = (1, 10)
_BATCH = 1_000
_IN_PROCESS = (OURS, memory_async.OURS_IN_MEMORY, "cashews", "aiocache", "cachebox", "cachetools", "moka-py", "theine")


def run(pace: Pace) -> Result:
    """Ask."""
    entries = 1_000 if pace.quick else _SERVER_ENTRIES
    counts = _HELD[:1] if pace.quick else _HELD
    stored = {library: [_fresh(partial(_stored, library, entries))] for library in _ON_SERVER}
    tracked = {f"{count}": {"tracking": [_fresh(partial(_tracked, count, entries))]} for count in _TRACKERS}
    held: dict[str, dict[str, list[float]]] = {f"{count}": {} for count in counts}
    with EmbeddedServer.start() as server:
        name = asyncio.run(server_name(server))
        verdicts = asyncio.run(_overhead(server.url, entries))
        asyncio.run(_fill(server.url, counts[-1]))
        for library in _IN_PROCESS:
            for count, figure in zip(counts, _held(library, server.url, counts), strict=True):
                held[f"{count}"][library] = [figure]
    tables = (
        tabulate("on the server, values of 100 characters", "bytes an entry", "less", "", {"bytes": stored}),
        tabulate("in this process", "bytes an entry", "less", "entries held", held),
        tabulate("the tracking table", "bytes a key", "less", "connections that read it", tracked),
    )
    libraries = (*LIBRARIES, *memory_async.LIBRARIES, *memory_sync.LIBRARIES)
    return Result(QUESTION, observe(name, libraries), tables, tuple(verdicts), quick=pace.quick)


def _fresh(measure: Callable[[Address, RedisService], Awaitable[float]]) -> float:
    """Measured on a server of its own, since memory that was used once doesn't come back at once."""
    figures: list[float] = []
    with EmbeddedServer.start() as server:

        async def main() -> None:
            async with RedisService(server.url, l1=False) as service:
                figures.append(await measure(Address(server.host, server.port), service))

        run_in("uvloop", main)
    return figures[0]


async def _used(service: RedisService) -> int:
    return int((await info(service, "memory"))["used_memory"])


async def _stored(library: str, entries: int, address: Address, service: RedisService) -> float:
    async with AsyncExitStack() as stack:
        write = await _writing(stack, library, address)
        await asyncio.gather(*[write(f"first:{number}") for number in range(10)])  # connections, scripts, the epoch
        before = await _used(service)
        for first in range(0, entries, 10):
            await asyncio.gather(*[write(f"key:{number:08}") for number in range(first, first + 10)])
        return (await _used(service) - before) / entries


async def _writing(stack: AsyncExitStack, library: str, address: Address) -> Callable[[str], Awaitable[object]]:
    if library in _OURS_TAGGED:
        service = await stack.enter_async_context(RedisService(address.url))
        tags = [f"tag{number}" for number in range(_OURS_TAGGED[library])]
        return lambda key: service.set(key, _VALUE, TTL, tags=tags)
    if library == _CASHEWS_TAGGED:
        cache = cache_of(address, 10)
        await cache.init()
        stack.push_async_callback(cache.close)
        return lambda key: cache.set(key, _VALUE, expire=TTL, tags=["tag"])
    peer = await stack.enter_async_context(SERVER_PEERS[BARE if library == _BYTES else library](address, 10))
    return lambda key: peer.set(key, _VALUE)


async def _overhead(url: str, entries: int) -> list[Verdict]:
    """What an entry is longer than its packed value, and what keys there are beside the entries."""
    async with RedisService(url, l1=False) as service:
        extra = []
        for value in (_VALUE, {"id": 1, "tags": ["a"]}, [1.5, None]):
            await service.set("measured", value, TTL)
            extra.append(int(await service.execute("STRLEN", "pika:measured")) - len(ormsgpack.packb(value)))
        await service.delete("measured")
        await service.set_many({f"key:{number}": _VALUE for number in range(entries)}, TTL)
        beside = int(await service.execute("DBSIZE")) - entries
    return [
        verdict("overhead", f"{min(extra)}..{max(extra)} bytes", kept=max(extra) <= 32),
        verdict("index-keys", f"{beside}", kept=beside <= 1),
    ]


async def _tracked(trackers: int, entries: int, address: Address, service: RedisService) -> float:
    """Growth of the server while connections read every key, without what the connections take themselves."""
    keys = [f"key:{number}" for number in range(entries)]
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(RedisService(address.url, l1=1)) for _ in range(trackers)]
        for reader in readers:
            await reader.get_many(keys[:_BATCH])
        before, known = await _used(service), await _tracked_keys(service)
        for first in range(_BATCH, entries, _BATCH):
            for reader in readers:
                await reader.get_many(keys[first : first + _BATCH])
        grown, more = await _used(service) - before, await _tracked_keys(service) - known
        return grown / more if more else 0.0


async def _tracked_keys(service: RedisService) -> int:
    return int((await info(service, "stats"))["tracking_total_keys"])


def _held(library: str, url: str, counts: Sequence[int]) -> list[float]:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.held_entries", library, url, *[f"{count}" for count in counts]],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [float(figure) for figure in ran.stdout.split()]


async def _fill(url: str, count: int) -> None:
    async with RedisService(url, l1=False, compression_enabled=False) as service:
        for first in range(0, count, _BATCH):
            numbers = range(first, min(first + _BATCH, count))
            await service.set_many({f"key:{number:08}": f"{number:0100}" for number in numbers}, TTL)
