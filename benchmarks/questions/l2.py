"""How many reads and writes a second does one process get from the server, through which library?

Tasks read or write distinct keys as fast as they can: 1, 10, 100 and 1 000 tasks with 100 bytes on both event loops,
and 100 tasks with 1 KB and 100 KB on uvloop. Every library has keys of its own, the same values and the same time to
live; pools are as large as the tasks up to 100, where more connections made them slower; libraries without a codec,
and those whose codec can be switched off, move bytes; ours and cashews pack and unpack.

`pika-redis` asks the server at every read (`l1=False`); its second row answers from copies in memory that the server
keeps true, which is how it comes. The bare multiplexed wire is what hiredis and the event loop can do at all, without
limits, timeouts, reconnects or errors. redis-benchmark is the server's own program in C, once with a connection for
each task and once with one connection that sends the commands of all tasks together, as our wire does.
"""

from __future__ import annotations

import asyncio
import random
import string
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from pika_redis.testing import EmbeddedServer

from ..bars import at_least
from ..machine import observe
from ..peers.catalog import BARE, COPIES, LIBRARIES, open_all
from ..peers.server_peer import TTL, Address, ServerPeer
from ..result import OURS, Question, Result, Table, Verdict, tabulate
from ..rounds import Measured, Pace, ratios, rounds
from ..serving import loops, redis_benchmark, run_in, server_name
from ..timing import in_tasks, per_second

__all__ = ["QUESTION", "run"]

QUESTION = Question.of(__name__, __doc__)

TASKS = (1, 10, 100, 1_000)
SIZES = (100, 1_000, 100_000)
KEYS = 100
LIMIT = "redis-benchmark -c {tasks} -P 1"
PIPELINED = "redis-benchmark -c 1 -P {tasks}"


@dataclass(frozen=True, slots=True)
class Case:
    """What is done by how many tasks with how many bytes on which loop."""

    verb: str
    loop: str
    tasks: int
    size: int

    @property
    def judged(self) -> bool:
        """Whether a bar hangs on it: then more rounds are run."""
        return self.verb == "get" and self.loop == "uvloop" and self.size == 100 and self.tasks in (1, 100)


def run(pace: Pace) -> Result:
    """Ask."""
    measured: dict[Case, Measured] = {}
    with EmbeddedServer.start() as server:
        name = asyncio.run(server_name(server))
        for case in _cases(pace):
            measured[case] = _in_its_loop(server, case, pace)
    return Result(QUESTION, observe(name, LIBRARIES), _tables(measured), _verdicts(measured), quick=pace.quick)


def _cases(pace: Pace) -> list[Case]:
    tasks = TASKS[1:2] if pace.quick else TASKS
    sizes = SIZES[:1] if pace.quick else SIZES[1:]
    cases = [Case(verb, loop, count, SIZES[0]) for verb in ("get", "set") for loop in loops() for count in tasks]
    return cases + [Case(verb, loops()[-1], 100, size) for verb in ("get", "set") for size in sizes]


def _in_its_loop(server: EmbeddedServer, case: Case, pace: Pace) -> Measured:
    measured: dict[str, list[float]] = {}

    async def main() -> None:
        async with AsyncExitStack() as stack:
            peers = await open_all(stack, Address(server.host, server.port), case.tasks)
            if case.verb == "set":
                del peers[COPIES]  # writes are the same
            measured.update(await _contest(server, peers, case, pace))

    run_in(case.loop, main)
    return measured


async def _contest(
    server: EmbeddedServer, peers: dict[str, ServerPeer], case: Case, pace: Pace
) -> dict[str, list[float]]:
    value = "".join(random.Random(case.size).choices(string.ascii_letters, k=case.size))
    contest: dict[str, Callable[[], Awaitable[float]]] = {}
    seconds = pace.seconds if case.judged else pace.seconds / 2
    for name, peer in peers.items():
        keys = [f"{name}:{number}" for number in range(KEYS)]
        for key in keys:
            await peer.set(key, value)
        if await peer.get(keys[0]) not in (value, value.encode()):
            raise AssertionError(f"{name} doesn't give back what it was given")
        operation = _reading(peer, keys) if case.verb == "get" else _writing(peer, keys, value)
        contest[name] = await per_second(in_tasks(operation, case.tasks), seconds, case.tasks)
    contest.update(await _limits(server, case, value, seconds))
    return await rounds(contest, pace.rounds if case.judged else pace.few)


def _reading(peer: ServerPeer, keys: list[str]) -> Callable[[int], Awaitable[object]]:
    get = peer.get
    return lambda number: get(keys[number % KEYS])


def _writing(peer: ServerPeer, keys: list[str], value: str) -> Callable[[int], Awaitable[object]]:
    write = peer.set
    return lambda number: write(keys[number % KEYS], value)


async def _limits(
    server: EmbeddedServer, case: Case, value: str, seconds: float
) -> dict[str, Callable[[], Awaitable[float]]]:
    """What the server's own program gets, one connection a task and one connection for all."""
    write = ["SET", "limit:__rand_int__", value, "EX", str(TTL)]
    command = ["GET", "limit:__rand_int__"] if case.verb == "get" else write
    filling = await redis_benchmark(server, write, clients=1, pipeline=1, seconds=0)
    if filling is None:
        return {}
    limits = {}
    for name, clients, pipeline in ((LIMIT, case.tasks, 1), (PIPELINED, 1, case.tasks)):
        if (clients, pipeline) != (1, 1) or name == LIMIT:
            measure = await redis_benchmark(server, command, clients=clients, pipeline=pipeline, seconds=seconds)
            if measure is not None:
                limits[name.format(tasks="tasks")] = measure
    return limits


def _tables(measured: dict[Case, Measured]) -> tuple[Table, ...]:
    tables = []
    for verb in ("get", "set"):
        for loop in loops():
            cases = {
                f"{case.tasks}": figures
                for case, figures in measured.items()
                if (case.verb, case.loop, case.size) == (verb, loop, SIZES[0])
            }
            tables.append(tabulate(f"{verb}, 100 bytes, {loop}", "operations/s", "more", "tasks", cases))
        sizes = {
            f"{case.size}": figures
            for case, figures in measured.items()
            if (case.verb, case.loop, case.tasks) == (verb, loops()[-1], 100)
        }
        if sizes:
            tables.append(tabulate(f"{verb}, 100 tasks, {loops()[-1]}", "operations/s", "more", "bytes", sizes))
    return tuple(tables)


def _verdicts(measured: dict[Case, Measured]) -> tuple[Verdict, ...]:
    many = measured.get(Case("get", "uvloop", 100, SIZES[0]))
    one = measured.get(Case("get", "uvloop", 1, SIZES[0]))
    verdicts = []
    if many is not None:
        for bar, peer, least in (
            ("read-cashews", "cashews", 15.0),
            ("read-aiocache", "aiocache", 15.0),
            ("read-glide", "valkey-glide", 4.0),
            ("read-bare", BARE, 0.5),
        ):
            verdicts.append(at_least(bar, ratios(many, OURS, peer), least))
    limit = LIMIT.format(tasks="tasks")
    if one is not None and limit in one:
        verdicts.append(at_least("read-one-task", ratios(one, OURS, limit), 0.75))
    return tuple(verdicts)
