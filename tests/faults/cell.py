"""What each cell of the fault matrix asks: seven processes, of which each meets the fault with its own verb.

During the fault every call ends within its bound: with the value, a miss, or the error that its contract names. When
the fault is over the server is used again, nothing that was ended meanwhile is read by anybody, nothing was counted
twice, and no lock is held by nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import TypeVar

from pika_redis import CacheServerError, CacheUnavailableError, LockLostError, RedisService
from pika_redis.testing import until_healthy

from .stages import SECRET, Victim
from .table import Fault

__all__ = ["Cell", "open_cell"]

ResultT = TypeVar("ResultT")
STALL = 0.4
"""Callers stop waiting for a silent server after this time."""
PATIENT = 2.0
"""The same where the server answers reads all the while: a busy machine must not look like a silent server."""
BOUND = 4.0
"""No call takes that long: it is many times the stall, and less than the command timeout, which is not for callers."""
HEALED_WITHIN = 30.0
LOCK_TTL = 1.0
ROLES = ("reader", "loader", "setter", "ender", "counter", "locker", "asker")


class Cell:
    """The processes, and what they found."""

    def __init__(self, fault: Fault, victim: Victim, services: dict[str, RedisService]) -> None:
        self.fault = fault
        self.victim = victim
        self.of = services
        self.key = {role: victim.key(role) for role in ROLES}
        self.tagged = victim.key("tagged")
        self.tag = victim.tag("tag")
        self.loads = 0
        self.counted: int | None = None
        self.told: list[str] = []
        """What was said to who wants to know."""
        self.texts: list[str] = []
        """All that was said to callers: it must hold no secret."""

    async def prepare(self) -> None:
        """Everybody is connected and has read what it will ask for, and the replicas have it too.

        On a busy machine a call may take longer than the short stall limit: then it is done again.
        """
        async with asyncio.timeout(HEALED_WITHIN):
            await self._healthy()
            while not await self._prepared():
                await self._healthy()
        await asyncio.to_thread(self.victim.replicate)

    async def _healthy(self) -> None:
        await asyncio.gather(*[until_healthy(service, within=HEALED_WITHIN) for service in self.of.values()])

    async def _prepared(self) -> bool:
        first = self.of["setter"]
        for role in ("reader", "setter", "ender", "asker"):
            await first.set(self.key[role], "old")
        await first.set(self.tagged, "old", tags=[self.tag])
        await first.delete(self.key["counter"])
        try:
            assert await first.increment(self.key["counter"], 5) == 5
        except CacheUnavailableError:
            return False
        read = [self.key["reader"], self.key["setter"], self.key["ender"], self.tagged]
        return all([await service.get_many(read) == ["old"] * 4 for service in self.of.values()])

    async def during(self) -> None:
        """Each process begins with the verb that it is there for, all at once."""
        async with asyncio.TaskGroup() as group:
            for act in (self._read, self._load, self._set, self._end, self._count, self._lock, self._ask):
                group.create_task(act())

    async def _bounded(self, call: Awaitable[ResultT]) -> ResultT:
        async with asyncio.timeout(BOUND):
            return await call

    async def _read(self) -> None:
        seen = await self._bounded(self.of["reader"].get(self.key["reader"], "absent"))
        assert seen == "old" if self.fault.reads else seen in ("old", "absent")

    async def _load(self) -> None:
        async def source() -> str:
            self.loads += 1
            return "loaded"

        calls = [self.of["loader"].get_or_load(self.key["loader"], source) for _ in range(20)]
        assert await self._bounded(asyncio.gather(*calls)) == ["loaded"] * 20
        assert self.loads == 1

    async def _set(self) -> None:
        service, key = self.of["setter"], self.key["setter"]
        await self._bounded(service.set(key, "new"))
        assert await self._bounded(service.get(key)) in (("new",) if self.fault.calm else ("new", None))

    async def _end(self) -> None:
        service, key = self.of["ender"], self.key["ender"]
        ended = await self._bounded(service.delete(key))
        assert ended or not self.fault.calm
        assert await self._bounded(service.get(key)) is None
        await self._bounded(service.invalidate_tags([self.tag]))
        assert await self._bounded(service.get(self.tagged)) is None

    async def _count(self) -> None:
        with self._allowed():
            self.counted = await self._bounded(self.of["counter"].increment(self.key["counter"]))
        assert self.counted in ((6,) if self.fault.calm else (1, 6, None) if self.fault.loses else (6, None))

    async def _lock(self) -> None:
        entered = False
        with self._allowed():
            async with asyncio.timeout(2 * BOUND), self.of["locker"].lock(self.key["locker"], LOCK_TTL, wait=0):
                entered = True
        assert entered or not self.fault.calm

    async def _ask(self) -> None:
        """Who wants to know is told by the server's own word."""
        asking = self.of["asker"]
        async with asyncio.timeout(2 * BOUND):  # the first error may be that of the connection that was lost
            while True:
                for call in (asking.set(self.key["asker"], 1.5), asking.delete(self.key["asker"])):
                    with self._allowed(self.told):
                        await self._bounded(call)
                if not self.fault.says or any(self.fault.says in text for text in self.told):
                    break
                await asyncio.sleep(0.05)

    @contextlib.contextmanager
    def _allowed(self, told: list[str] | None = None) -> Iterator[None]:
        """The errors by which a caller is told that the server can't be used."""
        try:
            yield
        except (CacheUnavailableError, CacheServerError, LockLostError) as error:
            assert not self.fault.calm
            self.texts.append(str(error))
            if told is not None:
                told.append(str(error))

    async def afterwards(self) -> None:
        """The server is used again, and whoever asks finds what the promise allows."""
        self.texts += [(await service.health_check()).detail for service in self.of.values()]
        await self._healthy()
        stranger = self.of["stranger"]
        if self.fault.succeeded:
            await self._told_to_the_successor()
        old = await self._old()
        assert not old, old
        await self._counted_once(stranger)
        async with asyncio.timeout(LOCK_TTL + 8), stranger.lock(self.key["locker"], LOCK_TTL):
            pass
        for role in ("setter", "ender"):
            await self.of[role].set(self.key[role], f"by {role}", tags=[self.tag])
            assert await stranger.get(self.key[role], consistency="strict") == f"by {role}"

    async def _told_to_the_successor(self) -> None:
        """Detection, and the replay of the journal, take their time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEALED_WITHIN):
                while await self._old():  # noqa: ASYNC110 (nobody tells)
                    await asyncio.sleep(0.05)

    async def _old(self) -> list[str]:
        """What is read by anybody, strictly, although it was ended or replaced."""
        keys = (self.key["ender"], self.tagged, self.key["setter"])
        return [
            f"{key} by the {role}"
            for role, service in self.of.items()
            for key in keys
            if await service.get(key, consistency="strict") == "old"
        ]

    def keeps_secrets(self) -> None:
        assert all(SECRET not in text for text in self.texts)

    async def _counted_once(self, stranger: RedisService) -> None:
        count = await stranger.get(self.key["counter"])
        if self.fault.loses:
            assert count in (None, 1, 5, 6)
        elif self.counted is None:
            assert count in (5, 6), count
        else:
            assert count == self.counted == 6, count


@contextlib.asynccontextmanager
async def open_cell(fault: Fault, victim: Victim, prefix: str) -> AsyncIterator[Cell]:
    """Services for each role; behind them nothing is left running."""
    before = asyncio.all_tasks()
    async with contextlib.AsyncExitStack() as stack:
        services: dict[str, RedisService] = {}
        for role in (*ROLES, "stranger"):
            services[role] = await stack.enter_async_context(
                RedisService(
                    victim.stage.url,
                    key_prefix=prefix,
                    l1=role != "reader",
                    stall_timeout=PATIENT if fault.reads else STALL,
                    on_unavailable="raise" if role == "asker" else "degrade",
                    retry_attempts=0 if role == "asker" else 3,
                )
            )
        yield Cell(fault, victim, services)
    async with asyncio.timeout(BOUND):
        while asyncio.all_tasks() - before:  # noqa: ASYNC110 (what ends by itself tells nobody)
            await asyncio.sleep(0)
