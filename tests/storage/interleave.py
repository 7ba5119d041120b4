"""Every order in which two readers and a writer can take their steps, one after another.

Actors stop at *turns*. When nothing moves any more, the script picks one of those who wait and lets it go on to its
next turn. `every_order` repeats a run until each choice has been made at each place: a search without sampling, and
without sleeping. A store under `Watched` may have turns of its own, between a reply and its reader.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pika_redis import MemoryCacheService, RedisService
from pika_redis.policy.read_through import ReadThrough
from pika_redis.storage.copies import copier
from pika_redis.storage.store import Store

Service = MemoryCacheService | RedisService
OLD, NEW = "old", "new"
_IDLE_ROUNDS = 8


Choice = Callable[[int], int]
"""Picks one of so many."""


class Script:
    """Choices that were made once and are repeated, then the first of each."""

    def __init__(self, prefix: Sequence[int]) -> None:
        self._prefix = prefix
        self.made: list[tuple[int, int]] = []

    def __call__(self, among: int) -> int:
        at = len(self.made)
        choice = self._prefix[at] if at < len(self._prefix) else 0
        self.made.append((choice, among))
        return choice

    def next(self) -> list[int] | None:
        """The choices of the next run; None when all have been made."""
        made = list(self.made)
        while made and made[-1][0] + 1 == made[-1][1]:
            made.pop()
        return None if not made else [*[choice for choice, _ in made[:-1]], made[-1][0] + 1]


async def every_order(run: Callable[[Choice], Awaitable[int]]) -> tuple[int, int]:
    """Runs in all orders; gives how many there were and the sum of what they gave."""
    prefix: list[int] | None = []
    orders = total = 0
    while prefix is not None:
        script = Script(prefix)
        total += await run(script)
        orders += 1
        prefix = script.next()
    return orders, total


async def some_orders(run: Callable[[Choice], Awaitable[int]], count: int, seed: int) -> tuple[int, int]:
    """The same for `count` orders at random."""
    rng = random.Random(seed)

    def choose(among: int) -> int:
        return rng.randrange(among)

    total = 0
    for _ in range(count):
        total += await run(choose)
    return count, total


class Turns:
    """The places where actors stop, and the one that moves."""

    def __init__(self, choose: Choice, services: Iterable[Service]) -> None:
        self._choose = choose
        self._services = [service for service in services if isinstance(service, RedisService)]
        self._waiting: list[asyncio.Future[None]] = []
        self.step = 0

    async def take(self) -> None:
        """Stop here until it is this actor's turn."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        finally:
            if turn in self._waiting:  # it was cancelled: its turn will not come
                self._waiting.remove(turn)

    async def play(self, *actors: Coroutine[Any, Any, None]) -> None:
        """Let the actors, and what they start, take their turns until nobody waits for one."""
        tasks = [asyncio.create_task(actor) for actor in actors]
        while True:
            await self._until_nothing_moves()
            if not self._waiting:
                break
            self.step += 1
            self._waiting.pop(self._choose(len(self._waiting))).set_result(None)
        assert all(task.done() for task in tasks), "an actor waits for something that will not come"
        for task in tasks:
            task.result()

    async def _until_nothing_moves(self) -> None:
        """Until nothing is asked and everything is heard that the servers had to tell."""
        idle = 0
        while idle < _IDLE_ROUNDS:
            await asyncio.sleep(0)
            idle += 1
            for service in self._services:
                near = service._nears.get()
                if near.node.connection.in_flight:
                    idle = 0
                elif idle == _IDLE_ROUNDS - 2:
                    await near.node.connection.call(("PING",))  # what was told before stands before its reply


class Watched:
    """A store that tells when a server is at work, makes entries look older, and may stop after each reply."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.turns: Turns | None = None
        self.stops = False
        self.ahead_ms = 0

    def hit(self, key: str, refresh_ms: float, share: bool = False) -> object:
        return self._inner.hit(key, refresh_ms + self.ahead_ms, share=share)

    def now_ms(self) -> int:
        return self._inner.now_ms() + self.ahead_ms

    def ask_along(self, key: str) -> asyncio.Future[Any] | None:
        asked = self._inner.ask_along(key)
        return None if asked is None else asyncio.ensure_future(self._asking(lambda: asked)())

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        return verb if name == "open" else self._asking(verb)

    def _asking(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        async def ask(*args: Any, **kwargs: Any) -> Any:
            reply = await verb(*args, **kwargs)
            if self.turns is not None and self.stops:
                await self.turns.take()
            return reply

        return ask


def watched(service: Service) -> Watched:
    """Put a `Watched` between a service and its store."""
    watch = Watched(service._store)
    store = cast("Store", watch)
    service._serve(store, ReadThrough(store, service._counters, copier(service._codec)))
    return watch


Change = Callable[[Service, str, str], Awaitable[object]]

CHANGES: dict[str, Change] = {
    "delete": lambda service, key, tag: service.delete(key),
    "invalidate_tags": lambda service, key, tag: service.invalidate_tags([tag]),
    "clear": lambda service, key, tag: service.clear(sweep=False),
    "clear and sweep": lambda service, key, tag: service.clear(),
    "delete_pattern": lambda service, key, tag: service.delete_pattern(f"{key[:-1]}?"),
    "set": lambda service, key, tag: service.set(key, NEW, tags=[tag]),
    "mark_stale": lambda service, key, tag: service.mark_stale(key),
}
"""What a writer does after it has committed."""

FOUND = ("absent", "fresh", "due for a refresh", "expired", "marked stale")
"""What the readers find at the beginning."""


@dataclass
class Race:
    """Two readers and one writer, each through a service, on one key."""

    readers: tuple[Service, Service]
    writer: Service
    watches: Sequence[Watched]
    change: Change
    found: str = "absent"
    stops: bool = False
    naive: bool = False
    """A cache-aside by hand instead of `get_or_load`: the control."""
    _runs: int = field(default=0, init=False)

    async def run(self, choose: Choice) -> int:
        """One order; gives how many reads were stale."""
        self._runs += 1
        key, tag = f"key{self._runs}", f"tag{self._runs}"
        await self._prepare(key, tag)
        turns = Turns(choose, {*self.readers, self.writer})
        for watch in self.watches:
            watch.turns, watch.stops = turns, self.stops
            watch.ahead_ms = {"due for a refresh": 60_000, "expired": 200_000}.get(self.found, 0)
        database, ended = {"row": OLD}, [0]
        reads: list[tuple[int, object]] = []

        async def load() -> str:
            await turns.take()
            row = database["row"]
            await turns.take()
            return row

        async def read(service: Service) -> None:
            await turns.take()
            began = turns.step
            if self.naive:
                value = await self._aside(service, key, tag, load)
            else:
                value = await service.get_or_load(
                    key, load, 100, tags=[tag], ttl_jitter=0.0, refresh_ahead=50 if "due" in self.found else 0
                )
            reads.append((began, value))

        async def write() -> None:
            await turns.take()
            database["row"] = NEW
            await turns.take()
            await self.change(self.writer, key, tag)
            ended[0] = turns.step

        await turns.play(read(self.readers[0]), read(self.readers[1]), write())
        for watch in self.watches:
            watch.turns, watch.ahead_ms = None, 0
        assert {value for _, value in reads} <= {OLD, NEW}
        late = [await service.get(key) for service in {*self.readers, self.writer}]
        await self.writer.delete(key)
        return sum(began > ended[0] and value == OLD for began, value in reads) + (OLD in late)

    async def _prepare(self, key: str, tag: str) -> None:
        if self.found == "absent":
            return
        await self.writer.set(key, OLD, 100, tags=[tag])
        if self.found == "marked stale":
            await self.writer.mark_stale(key)

    @staticmethod
    async def _aside(service: Service, key: str, tag: str, load: Callable[[], Awaitable[str]]) -> Any:
        value = await service.get(key)
        if value is None:
            value = await load()
            await service.set(key, value, 100, tags=[tag])
        return value
