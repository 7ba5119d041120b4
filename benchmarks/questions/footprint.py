"""What does being there cost in memory: a process with its connections, and calls that wait?

A fresh process imports a library, connects, and reads with 100 tasks at once; then it is asked how much it has grown
since before the import, and the server how many connections it has and what they take. Then the server is stopped, and
so many reads wait for it, each in a task, where pools have 100 connections and let their callers wait; the bare task
waits for a future and does nothing else. Last, connections that have tracking on and have read a key, as each process
of ours has one: what does the server need for each?
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer

from ..fleet import Fleet
from ..machine import observe
from ..peers.catalog import BARE, LIBRARIES, SERVER_PEERS
from ..peers.presence import BARE_TASK
from ..peers.server_peer import POOL, TTL, Address
from ..result import OURS, Question, Result, Table, tabulate
from ..rounds import Pace
from ..serving import info, server_name

__all__ = ["QUESTION", "run"]

QUESTION = Question.of(__name__, __doc__)

TASKS = 100
WAITING = (1_000, 10_000)
CONNECTIONS = (10, 100, 1_000)
_BARE_TASK = "a bare task"
_PROGRAMS: Mapping[str, str] = {
    name: f"{opened.__module__}:{opened.__name__}" for name, opened in SERVER_PEERS.items() if name != BARE
}
_HURRIED = (OURS, "redis-py")
_LISTENERS = "benchmarks.questions.fan_out:worker"
_PRESENCE = "benchmarks.peers.presence:worker"
_KIB, _MIB = 1 << 10, 1 << 20

Measured = dict[str, dict[str, list[float]]]


def run(pace: Pace) -> Result:
    """Ask."""
    counts = WAITING[:1] if pace.quick else WAITING
    programs = {name: program for name, program in _PROGRAMS.items() if not pace.quick or name in _HURRIED}
    process: Measured = {"resident": {}}
    connections: Measured = {"connections": {}}
    for_it: Measured = {"all of them": {}}
    waiting: Measured = {f"{count}": {} for count in counts}
    for name, program in programs.items():
        grown, opened, server = _of(program)
        process["resident"][name] = [grown / _MIB]
        connections["connections"][name] = [opened]
        for_it["all of them"][name] = [server / _KIB]
    for name, program in (*programs.items(), (_BARE_TASK, BARE_TASK)):
        for count in counts:
            waiting[f"{count}"][name] = [_waiting(program, count) / count]
    with EmbeddedServer.start() as one:
        environment = observe(asyncio.run(server_name(one)), LIBRARIES)
    tables = (
        tabulate("a process with a library that 100 tasks use", "MiB", "less", "", process),
        tabulate("connections that it opens", "connections", "less", "", connections),
        tabulate("what the server needs for them", "KiB", "less", "", for_it),
        tabulate("a call that waits", "bytes", "less", "calls that wait", waiting),
        _by_connections(CONNECTIONS[:2] if pace.quick else CONNECTIONS),
    )
    notes = ("valkey-glide refuses more than 1 000 calls at once by default: of 10 000 only so many wait.",)
    return Result(QUESTION, environment, tables, (), notes, quick=pace.quick)


def _of(program: str) -> tuple[float, float, float]:
    """Bytes by which a process grows, connections that it has then, and bytes that the server needs for them."""
    with EmbeddedServer.start() as server, Fleet(1, _PRESENCE) as fleet:
        clients, used = asyncio.run(_looked(server.url))
        (grown,) = fleet.ask(("open", program, Address(server.host, server.port), TASKS))
        then, more = asyncio.run(_looked(server.url))
        fleet.ask(("end",))
        return grown, then - clients, more - used


def _waiting(program: str, count: int) -> float:
    """Bytes by which a process grows when so many calls wait for a server that answers nothing."""
    with EmbeddedServer.start() as server, Fleet(1, _PRESENCE) as fleet:
        fleet.ask(("open", program, Address(server.host, server.port), POOL + 1))  # pools that let callers wait
        server.pause()
        try:
            (grown,) = fleet.ask(("wait", count))
        finally:
            server.resume()
        fleet.ask(("end",))
        return float(grown)


def _by_connections(counts: tuple[int, ...]) -> Table:
    measured: Measured = {}
    for count in counts:
        with EmbeddedServer.start() as server, Fleet(1, _LISTENERS) as fleet:
            asyncio.run(_stored(server.url))
            _, used = asyncio.run(_looked(server.url))
            fleet.ask(("open", Address(server.host, server.port), count))
            fleet.ask(("read", "pika:key"))
            _, more = asyncio.run(_looked(server.url))
            measured[f"{count}"] = {"tracking, has read one key": [(more - used) / count / _KIB]}
    return tabulate("a connection of ours on the server", "KiB", "less", "connections", measured)


async def _looked(url: str) -> tuple[int, int]:
    """How many clients the server has, and the bytes it uses."""
    async with RedisService(url, l1=False) as service:
        clients = int((await info(service, "clients"))["connected_clients"])
        return clients, int((await info(service, "memory"))["used_memory"])


async def _stored(url: str) -> None:
    async with RedisService(url, l1=False) as service:
        await service.set("key", "v" * 100, TTL)
