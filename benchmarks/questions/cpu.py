"""What does a request cost in processor time, in this process and on the server?

100 tasks read keys of 100 bytes on uvloop, as in the question of reads a second, and the clock is the processor's:
all threads of this process (valkey-glide works in threads of its own), and the server's own count. A busy machine
stretches wall time, and this much less. Commands that arrive together cost the server less, since it reads and
answers them in one go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer

from ..machine import observe
from ..peers.catalog import LIBRARIES, open_all
from ..peers.server_peer import Address
from ..result import Question, Result, tabulate
from ..rounds import Pace, rounds
from ..serving import info, run_in, server_name
from ..timing import Run, calibrated, in_tasks

__all__ = ["QUESTION", "run"]

QUESTION = Question.of(__name__, __doc__)

TASKS = 100
KEYS = 100
_HERE, _SERVER = "this process", "the server"


def run(pace: Pace) -> Result:
    """Ask."""
    spent: dict[str, dict[str, list[float]]] = {_HERE: {}, _SERVER: {}}
    with EmbeddedServer.start() as server:
        name = asyncio.run(server_name(server))

        async def main() -> None:
            async with AsyncExitStack() as stack:
                asking = await stack.enter_async_context(RedisService(server.url, l1=False))
                peers = await open_all(stack, Address(server.host, server.port), TASKS)
                contest: dict[str, Callable[[], Awaitable[float]]] = {}
                for library, peer in peers.items():
                    keys = [f"{library}:{number}" for number in range(KEYS)]
                    for key in keys:
                        await peer.set(key, "v" * 100)
                    spent[_SERVER][library] = []
                    reading = in_tasks(_reading(peer.get, keys), TASKS)
                    operations = await calibrated(reading, pace.seconds, TASKS)
                    contest[library] = _measuring(reading, operations, asking, spent[_SERVER][library])
                spent[_HERE].update(await rounds(contest, pace.rounds))

        run_in("uvloop", main)
    table = tabulate("processor time of a read", "µs", "less", "", spent)
    return Result(QUESTION, observe(name, LIBRARIES), (table,), quick=pace.quick)


def _reading(get: Callable[[str], Awaitable[object]], keys: list[str]) -> Callable[[int], Awaitable[object]]:
    return lambda number: get(keys[number % KEYS])


def _measuring(
    reading: Run, operations: int, asking: RedisService, of_server: list[float]
) -> Callable[[], Awaitable[float]]:
    async def measure() -> float:
        server = await _server_seconds(asking)
        here = time.process_time()
        await reading(operations)
        here = time.process_time() - here
        of_server.append((await _server_seconds(asking) - server) / operations * 1e6)
        return here / operations * 1e6

    return measure


async def _server_seconds(asking: RedisService) -> float:
    fields = await info(asking, "cpu")
    return float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"])
