"""How do our costs grow with the number of keys held and the tags of an entry?

Keys: a look-up of one of 100 to 100 000 keys in random order, answered by a copy in memory, and a read of one of as
many from the server by 100 tasks. Tags: the same, and a write, for entries that carry none to 16 tags. What tasks
cost is in the question of reads a second, processes in that of a working day, connections in that of an invalidation
and its listeners, memory in those of memory and of a footprint. A flat line is what one hopes for.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from pika_redis import CacheItem, RedisService
from pika_redis.testing import EmbeddedServer

from ..machine import observe
from ..peers.server_peer import TTL
from ..result import Question, Result, tabulate
from ..rounds import Pace, rounds
from ..serving import run_in, server_name
from ..timing import in_tasks, seconds_each

__all__ = ["QUESTION", "run"]

QUESTION = Question.of(__name__, __doc__)

KEYS = (100, 1_000, 10_000, 100_000)
TAGS = (0, 1, 4, 16)
_TASKS = 100
_TAGGED = 100
_BATCH = 1_000
_ROOM = 1 << 30
_HIT, _READ, _WRITE = "get, copy in memory", "get from the server", "set"

Measured = dict[str, dict[str, list[float]]]


def run(pace: Pace) -> Result:
    """Ask."""
    by_keys: Measured = {}
    by_tags: Measured = {}
    with EmbeddedServer.start() as server:
        name = asyncio.run(server_name(server))

        async def main() -> None:
            async with RedisService(server.url, l1=_ROOM) as copying, RedisService(server.url, l1=False) as asking:
                for count in KEYS[:2] if pace.quick else KEYS:
                    await _fill(asking, count, 0)
                    contest = await _reads(copying, asking, count, pace)
                    by_keys[f"{count}"] = _microseconds(await rounds(contest, pace.few))
                for tags in TAGS[:2] if pace.quick else TAGS:
                    await _fill(asking, _TAGGED, tags)
                    contest = await _reads(copying, asking, _TAGGED, pace)
                    contest[_WRITE] = await _writes(asking, tags, pace)
                    by_tags[f"{tags}"] = _microseconds(await rounds(contest, pace.few))

        run_in("uvloop", main)
    tables = (
        tabulate("by keys", "µs a call", "less", "keys", by_keys),
        tabulate("by tags", "µs a call", "less", "tags of the entry", by_tags),
    )
    return Result(QUESTION, observe(name), tables, quick=pace.quick)


async def _fill(service: RedisService, count: int, tags: int) -> None:
    carried = [f"tag {number}" for number in range(tags)]
    for first in range(0, count, _BATCH):
        numbers = range(first, min(first + _BATCH, count))
        await service.set_many([CacheItem(f"key:{number}", "v" * 100, TTL, carried) for number in numbers])


async def _reads(
    copying: RedisService, asking: RedisService, count: int, pace: Pace
) -> dict[str, Callable[[], Awaitable[float]]]:
    keys = [f"key:{number}" for number in range(count)]
    random.Random(count).shuffle(keys)
    for first in range(0, count, _BATCH):
        await copying.get_many(keys[first : first + _BATCH])
    if await copying.get(keys[0]) is None:
        raise AssertionError("an entry isn't there")
    return {
        _HIT: await seconds_each(in_tasks(lambda number: copying.get(keys[number % count]), 1), pace.seconds),
        _READ: await seconds_each(
            in_tasks(lambda number: asking.get(keys[number % count]), _TASKS), pace.seconds, _TASKS
        ),
    }


async def _writes(service: RedisService, tags: int, pace: Pace) -> Callable[[], Awaitable[float]]:
    carried = [f"tag {number}" for number in range(tags)]

    def write(number: int) -> Awaitable[object]:
        return service.set(f"written:{number % _TAGGED}", "v" * 100, TTL, tags=carried)

    return await seconds_each(in_tasks(write, _TASKS), pace.seconds, _TASKS)


def _microseconds(measured: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [figure * 1e6 for figure in figures] for name, figures in measured.items()}
