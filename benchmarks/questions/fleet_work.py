"""A working day in small: how many requests a second does a fleet answer, and how often does it load?

1, 2 and 4 processes of 50 tasks each ask for results through a cached function: 2 000 different ones, some much more
often than others (Zipf, exponent 1), a load takes 2 ms, and one request in a hundred first invalidates the result, as
a writer would. Each library uses its own decorator and its own way to end a result for all processes; the pools have
100 connections. async-lru can't tell other processes and sits out. The libraries run one after the other for the same
time in each round, in all processes at once, on the two cores that they share with the server: more processes than
that add contention, not speed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from pika_redis.testing import EmbeddedServer

from ..fleet import Fleet
from ..machine import observe
from ..peers.server_peer import Address
from ..peers.shared_calls import LIBRARIES, SHARED_CALLS, SharedCalls
from ..result import Question, Result, tabulate
from ..rounds import Pace
from ..serving import server_name

__all__ = ["QUESTION", "run", "worker"]

QUESTION = Question.of(__name__, __doc__)

PROCESSES = (1, 2, 4)
TASKS = 50
RESULTS = 2_000
LOAD = 0.002
_ONE_IN = 100
_HEAD_START = 0.1
_CONTESTANTS = [name for name in SHARED_CALLS if not name.startswith("async-lru")]


def run(pace: Pace) -> Result:
    """Ask."""
    speeds: dict[str, dict[str, list[float]]] = {}
    loads: dict[str, dict[str, list[float]]] = {}
    seconds = 0.05 if pace.quick else 1.0
    with EmbeddedServer.start() as server:
        name = asyncio.run(server_name(server))
        for processes in PROCESSES[:1] if pace.quick else PROCESSES:
            case = f"{processes}"
            speeds[case] = {library: [] for library in _CONTESTANTS}
            loads[case] = {library: [] for library in _CONTESTANTS}
            with Fleet(processes, f"{__name__}:worker") as fleet:
                fleet.ask(("open", Address(server.host, server.port)))
                for _ in range(min(3, pace.rounds)):
                    for library in _CONTESTANTS:
                        answers = fleet.ask(("work", (library, seconds, time.monotonic() + _HEAD_START)))
                        requests = sum(count for count, _ in answers)
                        speeds[case][library].append(requests / seconds)
                        loads[case][library].append(sum(count for _, count in answers) / requests * 1e3)
    tables = (
        tabulate("requests of the whole fleet", "requests/s", "more", "processes", speeds),
        tabulate("loads", "loads per 1 000 requests", "less", "processes", loads),
    )
    return Result(QUESTION, observe(name, LIBRARIES), tables, quick=pace.quick)


@asynccontextmanager
async def worker() -> AsyncIterator[Callable[[tuple[str, object]], Awaitable[object]]]:
    """In each process: all libraries, open, and work on demand."""
    async with AsyncExitStack() as stack:
        yield _Worker(stack).handle


class _Worker:
    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._calls: dict[str, SharedCalls] = {}
        self._loads = 0
        ranks = itertools.accumulate(1 / rank for rank in range(1, RESULTS + 1))
        self._wanted = random.choices([f"result {n}" for n in range(RESULTS)], cum_weights=list(ranks), k=100_000)

    async def handle(self, message: tuple[str, object]) -> object:
        what, details = message
        if what == "open":
            assert isinstance(details, Address)
            for name in _CONTESTANTS:
                calls = SHARED_CALLS[name](details, self._load)
                self._calls[name] = await self._stack.enter_async_context(calls)
            return None
        assert isinstance(details, tuple)
        return await self._work(*details)

    async def _load(self, name: str) -> str:
        self._loads += 1
        await asyncio.sleep(LOAD)
        return f"{name} " * 10

    async def _work(self, library: str, seconds: float, at: float) -> tuple[int, int]:
        """Requests answered and loads made in so many seconds from the moment `at` on."""
        calls, wanted = self._calls[library], self._wanted
        assert calls.invalidate is not None
        self._loads = requests = 0
        turns = itertools.count(random.randrange(len(wanted)))
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        end = time.monotonic() + seconds

        async def one() -> None:
            nonlocal requests
            while time.monotonic() < end:
                turn = next(turns)
                name = wanted[turn % len(wanted)]
                if turn % _ONE_IN == 0:
                    await calls.invalidate(name)  # type: ignore[misc]  # asserted above
                with contextlib.suppress(KeyError):  # aiocache's lock, when it is released after it ended
                    await calls.call(name)
                requests += 1
                if requests % 20 == 0:
                    await asyncio.sleep(0)  # answers from memory never yield, and pushes want to be heard

        await asyncio.gather(*[one() for _ in range(TASKS)])
        return requests, self._loads
