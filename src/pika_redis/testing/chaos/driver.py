"""A fault every few seconds: each kind in turn, in an order and for times that the seed decides.

Kinds are drawn without putting back until all were there, so a short run sees each of them too. One fault is over
before the next begins, or nobody could say which one a slow call met.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from time import monotonic, monotonic_ns

from .fault import Fault, Window
from .stage import Stage

__all__ = ["Driver"]


class Driver:
    """Runs the faults of a stage."""

    def __init__(self, stage: Stage, faults: Sequence[Fault], seed: int, *, every: float = 2.0) -> None:
        self._stage = stage
        self._faults = faults
        self._every = every
        self._dice = random.Random(f"{seed}:chaos")  # noqa: S311 (a repeatable order, no secret)
        self.windows: list[Window] = []
        """The faults that were there, by their start."""

    async def run(self, seconds: float) -> None:
        """Let the faults come for so long; afterwards all is well again."""
        deadline = monotonic() + seconds
        try:
            for fault in _drawn(self._faults, self._dice):
                tick = monotonic() + self._every
                if tick >= deadline:
                    return
                await self._one(fault, deadline)
                await asyncio.sleep(max(0.0, tick - monotonic()))
        finally:
            await asyncio.to_thread(self._stage.heal)

    async def _one(self, fault: Fault, deadline: float) -> None:
        lasts = min(self._dice.uniform(fault.shortest, fault.longest), max(0.0, deadline - monotonic()))
        start = monotonic_ns()
        beginning = asyncio.create_task(asyncio.to_thread(fault.begin, self._dice))
        try:
            await asyncio.shield(beginning)  # what begins in a thread goes on when we are cancelled, and must be ended
            await asyncio.sleep(lasts)
        finally:
            await asyncio.to_thread(await beginning)
            if fault.loses:
                await asyncio.to_thread(self._stage.heal)
            self.windows.append(Window(fault.name, start, monotonic_ns(), fault.loses))


def _drawn(faults: Sequence[Fault], dice: random.Random) -> Iterator[Fault]:
    while True:
        yield from dice.sample(faults, len(faults))
