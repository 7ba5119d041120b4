"""How fast are many keys read and written in one call?

Batches of 10, 100 and 1 000 small dictionaries, read with `get_many` and written with a time to live. Every library
does the same work: ours packs and unpacks with MessagePack by itself; around the others, and around the bare wire,
stands the same ormsgpack, outside of them. Writes go through what each offers for a batch with a time to live: a
pipeline for redis-py and coredis, a non-atomic batch for valkey-glide, `set_many` for cashews and `multi_set` for
aiocache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import ormsgpack

from pika_redis.testing import EmbeddedServer

from ..bars import at_least
from ..machine import observe
from ..peers.catalog import COPIES, LIBRARIES, open_all
from ..peers.server_peer import Address, ServerPeer
from ..result import OURS, Question, Result, Table, Verdict, tabulate
from ..rounds import Measured, Pace, ratios, rounds
from ..serving import loops, run_in, server_name
from ..timing import one_by_one, seconds_each

__all__ = ["QUESTION", "run"]

QUESTION = Question.of(__name__, __doc__)

SIZES = (10, 100, 1_000)
_WITH_CODEC = (OURS, COPIES)
_POOL = 4


@dataclass(frozen=True, slots=True)
class Case:
    """What is done with how many keys on which loop."""

    verb: str
    loop: str
    size: int


def run(pace: Pace) -> Result:
    """Ask."""
    measured: dict[Case, Measured] = {}
    with EmbeddedServer.start() as server:
        name = asyncio.run(server_name(server))
        for verb in ("get_many", "set_many"):
            for loop in loops():
                for size in SIZES[:1] if pace.quick else SIZES:
                    case = Case(verb, loop, size)
                    measured[case] = _in_its_loop(server, case, pace)
    return Result(QUESTION, observe(name, LIBRARIES), _tables(measured), _verdicts(measured), quick=pace.quick)


def _in_its_loop(server: EmbeddedServer, case: Case, pace: Pace) -> Measured:
    measured: dict[str, list[float]] = {}

    async def main() -> None:
        async with AsyncExitStack() as stack:
            peers = await open_all(stack, Address(server.host, server.port), _POOL)
            measured.update(await _contest(peers, case, pace))

    run_in(case.loop, main)
    return measured


async def _contest(peers: Mapping[str, ServerPeer], case: Case, pace: Pace) -> dict[str, list[float]]:
    judged = case.size == SIZES[-1]
    seconds = pace.seconds if judged else pace.seconds / 2
    contest: dict[str, Callable[[], Awaitable[float]]] = {}
    for name, peer in peers.items():
        if peer.get_many is None or peer.set_many is None or (name == COPIES and case.verb == "set_many"):
            continue
        values = [_record(number) for number in range(case.size)]
        items = {f"{name}:{number}": value for number, value in enumerate(values)}
        write, read = _writing(name, peer, items), _reading(name, peer, list(items))
        await write()
        if await read() != values:
            raise AssertionError(f"{name} doesn't give back what it was given")
        contest[name] = await seconds_each(one_by_one(read if case.verb == "get_many" else write), seconds)
    return await rounds(contest, pace.rounds if judged else pace.few)


def _record(number: int) -> dict[str, object]:
    return {"id": number, "name": f"item {number}", "price": 9.99, "tags": ["red", "large"], "stock": None}


def _reading(name: str, peer: ServerPeer, keys: list[str]) -> Callable[[], Awaitable[object]]:
    get_many: Any = peer.get_many
    if name in _WITH_CODEC:
        return lambda: get_many(keys)

    async def read() -> list[object]:
        return [None if packed is None else ormsgpack.unpackb(packed) for packed in await get_many(keys)]

    return read


def _writing(name: str, peer: ServerPeer, items: Mapping[str, object]) -> Callable[[], Awaitable[object]]:
    set_many: Any = peer.set_many
    if name in _WITH_CODEC:
        return lambda: set_many(items)

    async def write() -> object:
        return await set_many({key: ormsgpack.packb(value) for key, value in items.items()})

    return write


def _tables(measured: dict[Case, Measured]) -> tuple[Table, ...]:
    tables = []
    for verb, loop in dict.fromkeys((case.verb, case.loop) for case in measured):
        cases = {
            f"{case.size}": {name: [figure * 1e3 for figure in figures] for name, figures in contestants.items()}
            for case, contestants in measured.items()
            if (case.verb, case.loop) == (verb, loop)
        }
        tables.append(tabulate(f"{verb}, {loop}", "ms a batch", "less", "keys", cases))
    return tuple(tables)


def _verdicts(measured: dict[Case, Measured]) -> tuple[Verdict, ...]:
    verdicts = []
    for bar, verb, least in (("mget-redis-py", "get_many", 1.2), ("mset-redis-py", "set_many", 3.0)):
        contestants = measured.get(Case(verb, loops()[-1], SIZES[-1]))
        if contestants is not None:
            verdicts.append(at_least(bar, ratios(contestants, "redis-py", OURS), least))
    return tuple(verdicts)
