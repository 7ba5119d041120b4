"""The demo's course: the same load without and with the cache, three promises, and the death of the server."""

from __future__ import annotations

import asyncio
import dataclasses
import json as json_module
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from pika_redis.testing import EmbeddedServer

from .http import Client
from .load import Measured, drive, mix
from .outage import Outage, kill_under_load
from .service import check_packages, serving

__all__ = ["run"]

_REQUESTS = 4000
_CODES = ("EGLL", "KJFK", "LFPG", "EDDF", "RJTT", "OMDB", "KLAX", "EHAM", "ZBAA", "VHHH", "WSSS", "LEMD", "LTFM")


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that must hold, what was counted, and whether it held."""

    promise: str
    counted: str
    held: bool


def run(*, json: bool = False, requests: int | None = None) -> int:
    """Run the demo; 0 when every promise held, 1 when one did not. Raises ModuleNotFoundError."""
    check_packages()
    console = Console(quiet=json, highlight=False)
    with tempfile.TemporaryDirectory(prefix="pika-redis-demo-") as folder, EmbeddedServer.start() as server:
        environment = {"REDIS_URL": server.url, "AIRPORTS_DB": str(Path(folder) / "airports.sqlite")}
        rounds, promises = asyncio.run(_course(console, server, environment, requests or _REQUESTS))
    if json:
        document = {
            "rounds": {name: dataclasses.asdict(one) for name, one in rounds.items()},
            "promises": [dataclasses.asdict(one) for one in promises],
        }
        print(json_module.dumps(document))
    else:
        _show(console, rounds, promises)
    return 0 if all(promise.held for promise in promises) else 1


async def _course(
    console: Console, server: EmbeddedServer, environment: dict[str, str], requests: int
) -> tuple[dict[str, Measured], list[Promise]]:
    console.print("A FastAPI service over 28 000 airports in SQLite, on this machine, driven over HTTP.", markup=False)
    paths = mix(_CODES, requests)
    rounds: dict[str, Measured] = {}
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        async with serving({**environment, "AIRPORTS_CACHE": "off"}) as client:
            rounds["without cache"] = await drive(client, paths, _bar(progress, "without cache", requests))
        async with serving(environment) as client:
            rounds["with cache"] = await drive(client, paths, _bar(progress, "with cache", requests))
            promises = [await _one_load(client), await _delete_wins(client), await _counters_count(client)]
            name = "server killed"
            outage = await kill_under_load(client, server, paths, _bar(progress, name, requests))
            rounds[name] = outage.measured
            promises.append(_nothing_fails(outage))
    return rounds, promises


def _bar(progress: Progress, name: str, total: int) -> Callable[[], None]:
    task = progress.add_task(name, total=total)
    return lambda: progress.advance(task)


async def _one_load(client: Client) -> Promise:
    before = (await client.ask("GET", "/queries"))["queries"]
    await asyncio.gather(*[client.ask("GET", "/nearest?lat=12.5&lon=34.5") for _ in range(1000)])
    ran = (await client.ask("GET", "/queries"))["queries"] - before
    return Promise("1 000 simultaneous requests for a cold key run one query", f"{ran} query", ran == 1)


async def _delete_wins(client: Client) -> Promise:
    seen = 0
    for number in range(20):
        name = f"Renamed{number}"
        await client.ask("GET", "/airports/EGLL")
        await client.ask("PUT", f"/airports/EGLL?name={name}")
        seen += (await client.ask("GET", "/airports/EGLL"))["name"] == name
    return Promise("an update and invalidate_tags are seen by the next read", f"{seen} of 20", seen == 20)


async def _counters_count(client: Client) -> Promise:
    counts = await asyncio.gather(*[client.ask("POST", "/airports/EGLL/visits") for _ in range(500)])
    highest = max(count["visits"] for count in counts)
    exact = sorted(count["visits"] for count in counts) == list(range(1, 501))
    return Promise("500 simultaneous visits count to 500", f"{highest}, each number once: {exact}", exact)


def _nothing_fails(outage: Outage) -> Promise:
    counted = f"{outage.failed} of {outage.measured.requests:,}; {outage.hit_rate:.0%} hits"
    after = "not again" if outage.recovered_s is None else f"again {outage.recovered_s:.2f} s after the restart"
    return Promise(
        "no request fails while the server is killed and restarted empty", f"{counted}, {after}", outage.failed == 0
    )


def _show(console: Console, rounds: dict[str, Measured], promises: list[Promise]) -> None:
    table = Table(title=f"the same {rounds['with cache'].requests:,} requests, {os.cpu_count()} cores")
    table.add_column("")
    for heading in ("requests/s", "p50 ms", "p99 ms", "database queries", "failed"):
        table.add_column(heading, justify="right")
    for name, one in rounds.items():
        row = (f"{one.per_second:,.0f}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}", f"{one.queries:,}", str(one.failed))
        table.add_row(name, *row)
    console.print(table)
    for promise in promises:
        console.print(f"{'kept  ' if promise.held else 'BROKEN'}  {promise.promise}: {promise.counted}", markup=False)
