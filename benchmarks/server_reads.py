"""How fast is a read from the server, with 100 tasks reading distinct keys?

Every read asks the server (`l1=False`). Against the bare multiplexed wire (the machine's limit) and against the peers,
all on uvloop and one server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiocache  # type: ignore[import-untyped]
import cashews
import uvloop
from aiocache.serializers import StringSerializer  # type: ignore[import-untyped]

from pika_redis import RedisService
from pika_redis.testing.server import EmbeddedServer

from .bare_wire import BareWire
from .rounds import ratios, rounds, show

TASKS = 100
KEYS = 1000
VALUE = "x" * 100
ROUNDS = 5


def _with_tasks(read: Callable[[int], Awaitable[object]], reads: int) -> Callable[[], Awaitable[float]]:
    async def measure() -> float:
        async def reader(first: int) -> None:
            for number in range(reads // TASKS):
                await read((first * 7 + number) % KEYS)

        began = time.perf_counter()
        await asyncio.gather(*[reader(task) for task in range(TASKS)])
        return reads / (time.perf_counter() - began)

    return measure


async def _run(server: EmbeddedServer) -> None:
    ours = RedisService(server.url, l1=False)
    copying = RedisService(server.url)
    bare = await BareWire.connect(server.host, server.port)
    theirs = cashews.Cache()
    theirs.setup(server.url, client_side=False, max_connections=TASKS)
    other = aiocache.RedisCache(
        endpoint=server.host, port=server.port, pool_max_size=TASKS, serializer=StringSerializer()
    )
    names = [f"key:{number}" for number in range(KEYS)]
    await ours.set_many(dict.fromkeys(names, VALUE))
    for name in names:
        await bare.call("SET", f"bare:{name}", VALUE)
        await theirs.set(f"cashews:{name}", VALUE)
        await other.set(f"aiocache:{name}", VALUE)
    results = await rounds(
        {
            "ours": _with_tasks(lambda number: ours.get(names[number]), 100_000),
            "copies": _with_tasks(lambda number: copying.get(names[number]), 100_000),
            "bare": _with_tasks(lambda number: bare.call("GET", f"bare:{names[number]}"), 100_000),
            "cashews": _with_tasks(lambda number: theirs.get(f"cashews:{names[number]}"), 10_000),
            "aiocache": _with_tasks(lambda number: other.get(f"aiocache:{names[number]}"), 10_000),
        },
        ROUNDS,
    )
    await ours.aclose()
    await copying.aclose()
    await theirs.close()
    await other.close()
    bare.close()
    rows = []
    for peer, bar in (("bare", 0.4), ("cashews", 10.0), ("aiocache", 10.0)):
        ratio = ratios(results, "ours", peer)
        shown = "the bare multiplexed wire" if peer == "bare" else peer
        rows.append((f"RedisService.get, l1=False / {shown}", ratio, f">= {bar:g}", ratio[1] >= bar))
    rows.append(("the same, answered by copies in memory / bare", ratios(results, "copies", "bare"), "none", True))
    show(f"reads from the server: {TASKS} tasks, {KEYS} distinct keys of 100 bytes, uvloop; speed ratios", rows)


def main() -> None:
    """Start a server, run the contest, print the table."""
    with EmbeddedServer.start() as server:
        uvloop.run(_run(server))
