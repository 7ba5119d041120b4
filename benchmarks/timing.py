"""How one measurement is made: so many operations that it lasts as long as the pace asks, whoever is measured.

A slow contestant makes fewer operations than a fast one, and all take the same time: a full grid stays affordable,
and a fast contestant is not measured over a blink.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

__all__ = ["Operation", "Run", "calibrated", "in_tasks", "one_by_one", "per_second", "seconds_each"]

Operation = Callable[[int], Awaitable[object]]
"""One operation, told its number."""

Run = Callable[[int], Awaitable[float]]
"""Make so many operations; gives the seconds that they took."""

_ENOUGH = 0.25
"""The share of the time asked for from which on a trial says how fast a contestant is."""

_MOST = 2_000_000

_BREATHS = 50
"""Turns that the loop gets within a run of operations that follow one another: less than a hundredth of its time."""


def in_tasks(operation: Operation, tasks: int) -> Run:
    """A run that lets `tasks` tasks do their share of the operations at once, each starting somewhere else."""

    async def run(operations: int) -> float:
        share = max(1, operations // tasks)

        async def worker(first: int) -> None:
            for number in range(first * 7, first * 7 + share):
                await operation(number)

        began = time.perf_counter()
        await asyncio.gather(*[worker(task) for task in range(tasks)])
        return (time.perf_counter() - began) * operations / (share * tasks)

    return run


def one_by_one(operation: Callable[[], Awaitable[object]]) -> Run:
    """A run that awaits the operation again and again, with as little around it as can be.

    Now and then the loop gets its turn, as in any service: answers from memory never let it hear from a server.
    """

    async def run(operations: int) -> float:
        stride, rest = divmod(operations, _BREATHS)
        began = time.perf_counter()
        for at in range(_BREATHS):
            for _ in range(stride + (at < rest)):
                await operation()
            await asyncio.sleep(0)
        return time.perf_counter() - began

    return run


async def calibrated(run: Run, seconds: float, least: int = 1) -> int:
    """The number of operations, at least `least`, that take about `seconds`; also warms the contestant up."""
    await run(least)  # cold: connections are opened, code is specialized, copies are made
    operations = least
    while True:
        took = await run(operations)
        if took >= seconds * _ENOUGH:  # unless something else held it up
            took = min(took, await run(operations), await run(operations))
        if took >= seconds * _ENOUGH or operations >= _MOST:
            return max(least, min(_MOST, round(operations * seconds / max(took, 1e-9))))
        operations = min(_MOST, operations * max(2, min(20, round(seconds * 0.5 / max(took, 1e-9)))))


async def per_second(run: Run, seconds: float, least: int = 1) -> Callable[[], Awaitable[float]]:
    """Measures operations a second: calibrated now, to be called once a round."""
    operations = await calibrated(run, seconds, least)

    async def measure() -> float:
        return operations / await run(operations)

    return measure


async def seconds_each(run: Run, seconds: float, least: int = 1) -> Callable[[], Awaitable[float]]:
    """Measures the seconds that one operation takes: calibrated now, to be called once a round."""
    operations = await calibrated(run, seconds, least)

    async def measure() -> float:
        return await run(operations) / operations

    return measure
