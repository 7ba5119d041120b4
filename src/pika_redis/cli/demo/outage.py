"""The demo's outage: the server is killed under load and comes back empty, and nobody notices but the database."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pika_redis.testing import EmbeddedServer

from .http import Client
from .load import Measured, drive

__all__ = ["Outage", "kill_under_load"]

_GLANCE = 0.05
_RECOVERED = 0.9
"""The share of its hit rate from before at which the cache counts as recovered."""


@dataclass(frozen=True, slots=True)
class Outage:
    """What an outage cost."""

    measured: Measured
    failed: int
    """Requests that were not answered with 200."""
    hit_rate: float
    """Requests without a query of the database, before the server was killed; 0 to 1."""
    recovered_s: float | None
    """Seconds from the restart until the hit rate was nearly that again; None if it was not while there was load."""


class _Glances:
    """How many requests were answered and how many queries ran, looked at again and again while there is load."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.answered = 0
        self._seen: list[tuple[float, int, int]] = []

    async def look(self) -> None:
        while True:
            queries = (await self._client.ask("GET", "/queries"))["queries"]
            self._seen.append((time.perf_counter(), self.answered, queries))
            await asyncio.sleep(_GLANCE)

    def hit_rate(self, since: float, until: float) -> float:
        """Between two moments."""
        within = [one for one in self._seen if since <= one[0] <= until]
        if len(within) < 2 or within[-1][1] == within[0][1]:
            return 0.0
        return 1 - (within[-1][2] - within[0][2]) / (within[-1][1] - within[0][1])

    def reached(self, rate: float, since: float) -> float | None:
        """Seconds after `since` when between two looks the hit rate was so high."""
        later = [one for one in self._seen if one[0] >= since]
        for before, after in itertools.pairwise(later):
            answered = after[1] - before[1]
            if answered and 1 - (after[2] - before[2]) / answered >= rate:
                return after[0] - since
        return None


async def kill_under_load(
    client: Client, server: EmbeddedServer, paths: Sequence[str], advance: Callable[[], None]
) -> Outage:
    """Drive the service; kill the server after a third of the requests, and restart it after two thirds."""
    glances = _Glances(client)
    times = {"began": time.perf_counter()}

    def count() -> None:
        advance()
        glances.answered += 1
        if glances.answered == len(paths) // 3:
            times["killed"] = time.perf_counter()
            server.kill()
        elif glances.answered == 2 * len(paths) // 3:
            server.restart()
            times["restarted"] = time.perf_counter()

    looking = asyncio.create_task(glances.look())
    try:
        measured = await drive(client, paths, count)
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
    before = glances.hit_rate(times["began"], times["killed"])
    recovered = glances.reached(_RECOVERED * before, times["restarted"])
    return Outage(measured, measured.failed, before, recovered)
