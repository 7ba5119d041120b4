"""The load: a seeded mix of requests in which some things are asked for much more often than others."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .http import Client

__all__ = ["Measured", "drive", "mix"]

_TASKS = 32
_CITIES = ("London", "Paris", "Lagos", "Lima", "Osaka", "Oslo", "Perth", "Quito", "Rome", "Sofia", "Tunis", "Ulm")


@dataclass(frozen=True, slots=True)
class Measured:
    """One round: requests a second, latencies in milliseconds, statements that the database ran, failed requests."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    queries: int
    failed: int = 0


def mix(codes: Sequence[str], requests: int, seed: int = 7) -> list[str]:
    """Paths: 70 % airports, 20 % nearest, 10 % searches, each by a Zipf-like rank."""
    dice = random.Random(seed)  # noqa: S311 (a repeatable load, no secret)

    def ranked(count: int) -> int:
        return min(int(dice.paretovariate(0.9)) - 1, count - 1)

    paths: list[str] = []
    for _ in range(requests):
        kind = dice.random()
        if kind < 0.7:
            paths.append(f"/airports/{codes[ranked(len(codes))]}")
        elif kind < 0.9:
            rank = ranked(200)
            paths.append(f"/nearest?lat={rank % 120 - 60}&lon={rank * 7 % 360 - 180}")
        else:
            paths.append(f"/search?q={_CITIES[ranked(len(_CITIES))]}")
    return paths


async def drive(client: Client, paths: Sequence[str], advance: Callable[[], None]) -> Measured:
    """Ask for every path with some tasks at once; `advance` is called after each answer."""
    before = (await client.ask("GET", "/queries"))["queries"]
    waiting = iter(paths)
    times: list[float] = []
    failed: list[str] = []

    async def visitor() -> None:
        for path in waiting:
            began = time.perf_counter()
            try:
                await client.ask("GET", path)
            except (RuntimeError, OSError):
                failed.append(path)
            times.append((time.perf_counter() - began) * 1000)
            advance()

    began = time.perf_counter()
    await asyncio.gather(*[visitor() for _ in range(_TASKS)])
    seconds = time.perf_counter() - began
    after = (await client.ask("GET", "/queries"))["queries"]
    cuts = statistics.quantiles(times * 2, n=100)  # twice each, so that one request has quantiles too
    return Measured(len(paths), len(paths) / seconds, cuts[49], cuts[98], after - before, len(failed))
