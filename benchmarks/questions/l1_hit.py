"""What does a look-up cost that memory answers?

The same key is asked for again and again, which every library does at its best. The yardstick is a bare coroutine
around `dict.get`, or a bare `dict.get` where nothing is awaited: no library can be cheaper. `pika-redis` answers from
a copy of what is on the server, which the server keeps true; `MemoryCacheService` has no server. An immutable value
is handed out as it is; a list is decoded afresh for every caller, so that nobody sees another's changes, while the
peers give everybody the same object.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from pika_redis.testing import EmbeddedServer

from ..bars import at_least, at_most
from ..machine import observe
from ..peers import memory_async, memory_sync
from ..result import OURS, Question, Result, Verdict, tabulate
from ..rounds import Measured, Pace, ratios, rounds
from ..serving import server_name
from ..timing import Run, one_by_one, seconds_each

__all__ = ["BARE", "QUESTION", "nanoseconds", "run", "without_awaiting"]

QUESTION = Question.of(__name__, __doc__)

BARE = "a bare coroutine around dict.get"
_BARE_SYNC = "a bare dict.get"
_VALUES: dict[str, object] = {"a str": "value", "a list of 3": [1, 2, 3]}


def run(pace: Pace) -> Result:
    """Ask."""
    with EmbeddedServer.start() as server:
        name = asyncio.run(server_name(server))
        awaited = {value: asyncio.run(_awaited(server.url, value, pace)) for value in _VALUES}
    plain = {value: asyncio.run(_plain(value, pace)) for value in _VALUES}
    tables = (
        tabulate("look-ups that are awaited", "ns", "less", "", nanoseconds(awaited)),
        tabulate("look-ups in plain functions", "ns", "less", "", nanoseconds(plain)),
    )
    libraries = (*memory_async.LIBRARIES, *memory_sync.LIBRARIES)
    return Result(QUESTION, observe(name, libraries), tables, _verdicts(awaited["a str"]), quick=pace.quick)


def nanoseconds(cases: dict[str, Measured]) -> dict[str, Measured]:
    """The same in nanoseconds instead of seconds."""
    return {
        case: {name: [figure * 1e9 for figure in figures] for name, figures in measured.items()}
        for case, measured in cases.items()
    }


def without_awaiting(operation: Callable[[], object]) -> Run:
    """A run of a plain function."""

    async def run(operations: int) -> float:
        began = time.perf_counter()
        for _ in range(operations):
            operation()
        return time.perf_counter() - began

    return run


async def _awaited(url: str, kind: str, pace: Pace) -> Measured:
    value = _VALUES[kind]
    contest: dict[str, Callable[[], Awaitable[float]]] = {}
    async with memory_async.look_ups(url) as libraries:
        for name, library in libraries.items():
            if name == "fastapi-cache2" and not isinstance(value, str):
                continue  # it holds bytes alone
            await library.set("key", value)
            await library.get("key")
            contest[name] = await seconds_each(one_by_one(_asking(library.get)), pace.seconds / 2)
        contest[BARE] = await seconds_each(one_by_one(_asking(_bare({"key": value}))), pace.seconds / 2)
        return await rounds(contest, pace.rounds)


def _asking(get: Callable[[str], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    return lambda: get("key")


def _bare(held: dict[str, object]) -> Callable[[str], Awaitable[object]]:
    async def get(key: str) -> object:
        return held.get(key)

    return get


async def _plain(kind: str, pace: Pace) -> Measured:
    value = _VALUES[kind]
    contest: dict[str, Callable[[], Awaitable[float]]] = {}
    for name, library in memory_sync.look_ups().items():
        library.set("key", value)
        contest[name] = await seconds_each(without_awaiting(_looking(library.get)), pace.seconds / 2)
    contest[_BARE_SYNC] = await seconds_each(without_awaiting(_looking({"key": value}.get)), pace.seconds / 2)
    return await rounds(contest, pace.rounds)


def _looking(get: Callable[[str], object]) -> Callable[[], object]:
    return lambda: get("key")


def _verdicts(measured: Measured) -> tuple[Verdict, ...]:
    return (
        at_most("hit-bare", ratios(measured, OURS, BARE), 5.0),
        at_least("hit-cashews", ratios(measured, "cashews", OURS), 10.0),
        at_least("hit-aiocache", ratios(measured, "aiocache", OURS), 40.0),
    )
