"""What does a call of a decorated function cost that memory answers?

A call goes through the key: one string argument, or five of several types, one of them a keyword. The results are a
string, a pydantic model (which can be changed, also a frozen one, whose set of fields can) or a frozen dataclass.
`pika-redis` keys by type, digest and readable text, and answers from a copy of what is on the server; async-lru,
cachebox, moka and theine know one process alone. What can be changed is decoded afresh for every caller by us and by
fastapi-cache2; the others give everybody the same object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel

from pika_redis.testing import EmbeddedServer

from ..bars import at_least, at_most
from ..machine import observe
from ..peers import memory_async, memory_sync
from ..result import OURS, Question, Result, Verdict, tabulate
from ..rounds import Measured, Pace, ratios, rounds
from ..serving import server_name
from ..timing import one_by_one, seconds_each
from .l1_hit import BARE, nanoseconds, without_awaiting

__all__ = ["QUESTION", "run"]

QUESTION = Question.of(__name__, __doc__)


class User(BaseModel):
    """An ordinary result."""

    id: int
    name: str
    tags: list[str]


@dataclass(frozen=True, slots=True)
class FrozenUser:
    """A result that nobody can change."""

    id: int
    name: str


async def _one(name: str) -> str:
    return name


async def _five(tenant: int, user: int, name: str, kind: str, *, full: bool = False) -> str:
    return f"{tenant}{user}{name}{kind}{full}"


async def _user(name: str) -> User:
    return User(id=1, name=name, tags=["a", "b"])


async def _frozen(name: str) -> FrozenUser:
    return FrozenUser(id=1, name=name)


def _sync_one(name: str) -> str:
    return name


def _sync_five(tenant: int, user: int, name: str, kind: str, *, full: bool = False) -> str:
    return f"{tenant}{user}{name}{kind}{full}"


def _sync_user(name: str) -> User:
    return User(id=1, name=name, tags=["a", "b"])


def _sync_frozen(name: str) -> FrozenUser:
    return FrozenUser(id=1, name=name)


Call: TypeAlias = Callable[[Callable[..., Any]], Any]


def _with_one(function: Callable[..., Any]) -> Any:  # noqa: ANN401 (whatever the function gives)
    return function("ada")


def _with_five(function: Callable[..., Any]) -> Any:  # noqa: ANN401 (whatever the function gives)
    return function(1, 42, "ada", "admin", full=True)


_CASES: Mapping[str, tuple[Callable[..., Awaitable[object]], Callable[..., object], Call]] = {
    "1 argument": (_one, _sync_one, _with_one),
    "5 arguments": (_five, _sync_five, _with_five),
    "pydantic result": (_user, _sync_user, _with_one),
    "frozen dataclass result": (_frozen, _sync_frozen, _with_one),
}


def run(pace: Pace) -> Result:
    """Ask."""
    with EmbeddedServer.start() as server:
        name = asyncio.run(server_name(server))
        awaited = {case: asyncio.run(_awaited(server.url, case, pace)) for case in _CASES}
    plain = {case: asyncio.run(_plain(case, pace)) for case in _CASES}
    tables = (
        tabulate("hits of coroutine functions", "ns", "less", "", nanoseconds(awaited)),
        tabulate("hits of plain functions, in memory", "ns", "less", "", nanoseconds(plain)),
    )
    libraries = (*memory_async.LIBRARIES, *memory_sync.LIBRARIES, "pydantic")
    return Result(QUESTION, observe(name, libraries), tables, _verdicts(awaited["1 argument"]), quick=pace.quick)


async def _awaited(url: str, case: str, pace: Pace) -> Measured:
    function, _, call = _CASES[case]
    contest: dict[str, Callable[[], Awaitable[float]]] = {}
    async with memory_async.decorators(url) as libraries:
        for name, decorate in libraries.items():
            asking = _bound(call, decorate(function))
            if await asking() != await call(function):
                raise AssertionError(f"{name} gave another result")
            await asking()
            contest[name] = await seconds_each(one_by_one(asking), pace.seconds / 2)
        contest[BARE] = await seconds_each(
            one_by_one(_bound(_with_one, _bare({"ada": await call(function)}))), pace.seconds
        )
        return await rounds(contest, pace.rounds)


def _bound(call: Call, function: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: call(function)


def _bare(held: dict[str, object]) -> Callable[[str], Awaitable[object]]:
    async def get(key: str) -> object:
        return held.get(key)

    return get


async def _plain(case: str, pace: Pace) -> Measured:
    _, function, call = _CASES[case]
    contest: dict[str, Callable[[], Awaitable[float]]] = {}
    for name, decorate in memory_sync.decorators().items():
        asking = _bound(call, decorate(function))
        asking()
        contest[name] = await seconds_each(without_awaiting(asking), pace.seconds / 2)
    return await rounds(contest, pace.rounds)


def _verdicts(measured: Measured) -> tuple[Verdict, ...]:
    return (
        at_most("call-bare", ratios(measured, OURS, BARE), 12.0),
        at_least("call-cashews", ratios(measured, "cashews", OURS), 35.0),
        at_least("call-aiocache", ratios(measured, "aiocache", OURS), 20.0),
        at_least("call-async-lru", ratios(measured, "async-lru", OURS), 0.8),
        at_least("call-cachebox", ratios(measured, "cachebox", OURS), 0.8),
    )
