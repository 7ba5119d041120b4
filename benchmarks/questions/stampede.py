"""A cold key, and everybody wants it: how often is it loaded, and how long do they wait?

One process, and four at the same moment, have 1 000 tasks each that ask for the same new key; its loader takes 50 ms.
Each library uses the protection that it offers: leases with us, a lock on the server with cashews and aiocache;
fastapi-cache2 has none, redis-py is used by hand (get, load, set), async-lru shares a load within a process. Pools
have 100 connections and wait. The best possible is one load, and 50 ms for all. On two cores four processes of a
thousand tasks also wait for the processor, every library alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from pika_redis.testing import EmbeddedServer

from ..bars import verdict
from ..fleet import Fleet
from ..machine import observe
from ..peers.server_peer import Address
from ..peers.shared_calls import LIBRARIES, SHARED_CALLS, SharedCalls
from ..result import OURS, Question, Result, tabulate
from ..rounds import Pace
from ..serving import server_name

__all__ = ["QUESTION", "run", "worker"]

QUESTION = Question.of(__name__, __doc__)

PROCESSES = (1, 4)
TASKS = 1_000
LOAD = 0.05
_HEAD_START = 0.15

Samples = dict[str, dict[str, list[float]]]
"""Case to contestant to figures of the rounds."""


def run(pace: Pace) -> Result:
    """Ask."""
    loads: Samples = {}
    waits: Samples = {}
    tasks = 50 if pace.quick else TASKS
    with EmbeddedServer.start() as server:
        name = asyncio.run(server_name(server))
        for processes in PROCESSES[:1] if pace.quick else PROCESSES:
            case = f"{processes} × {tasks} tasks"
            loads[case] = {library: [] for library in SHARED_CALLS}
            quantiles: Samples = {
                f"{case}, {word}": {library: [] for library in SHARED_CALLS} for word in ("p50", "p99", "max")
            }
            with Fleet(processes, f"{__name__}:worker") as fleet:
                fleet.ask(("open", Address(server.host, server.port)))
                for number in range(min(3, pace.rounds) + 1):
                    for library in SHARED_CALLS:
                        answers = fleet.ask(
                            ("stampede", (library, f"{processes} {number}", tasks, time.monotonic() + _HEAD_START))
                        )
                        if number:  # the first one warms up: connections, scripts
                            loads[case][library].append(sum(count for count, _ in answers))
                            _note(quantiles, library, sorted(wait for _, some in answers for wait in some))
            waits.update(quantiles)
    tables = (
        tabulate("loads of one cold key", "loads", "less", "", loads),
        tabulate("how long a caller waits; the load takes 50 ms", "ms", "less", "", waits),
    )
    counts = list(loads.values())[-1][OURS]
    shown = f"{min(counts):g}..{max(counts):g} in {len(counts)} rounds"
    bars = (verdict("loads", shown, kept=all(count == 1 for count in counts)),)
    return Result(QUESTION, observe(name, LIBRARIES), tables, bars, quick=pace.quick)


def _note(quantiles: Samples, library: str, waits: list[float]) -> None:
    for case, samples in quantiles.items():
        share = {"p50": 0.5, "p99": 0.99, "max": 1.0}[case.rpartition(" ")[2]]
        samples[library].append(waits[min(len(waits) - 1, int(share * len(waits)))] * 1e3)


@asynccontextmanager
async def worker() -> AsyncIterator[Callable[[tuple[str, object]], Awaitable[object]]]:
    """In each process: all libraries, open, and a stampede on demand."""
    async with AsyncExitStack() as stack:
        herd = _Herd(stack)
        yield herd.handle


class _Herd:
    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._calls: dict[str, SharedCalls] = {}
        self._loads = 0

    async def handle(self, message: tuple[str, object]) -> object:
        what, details = message
        if what == "open":
            assert isinstance(details, Address)
            for name, opened in SHARED_CALLS.items():
                self._calls[name] = await self._stack.enter_async_context(opened(details, self._load))
            return None
        assert isinstance(details, tuple)
        return await self._stampede(*details)

    async def _load(self, name: str) -> str:
        self._loads += 1
        await asyncio.sleep(LOAD)
        return f"loaded {name}"

    async def _stampede(self, library: str, key: str, tasks: int, at: float) -> tuple[int, list[float]]:
        call = self._calls[library].call
        self._loads = 0
        waits: list[float] = []

        async def one() -> None:
            began = time.monotonic()
            try:
                given = await call(key)
            except KeyError:  # aiocache's lock, when it is released after it ended: that caller had no answer
                given = f"loaded {key}"
            if given != f"loaded {key}":
                raise AssertionError(f"{library} gave another value")
            waits.append(time.monotonic() - began)

        await asyncio.sleep(max(0.0, at - time.monotonic()))
        await asyncio.gather(*[one() for _ in range(tasks)])
        return self._loads, waits
