"""One process of a fleet: takes orders, a line of JSON each, and answers them, a line each, in the order they end.

It ends with its standard input, that is with its parent. Loaders tell the server when they begin and end, and wait at a
gate that the test opens, so that no test has to sleep.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import hiredis

from pika_redis import MISSING, CacheError, RedisService
from pika_redis.testing import FakeClock
from pika_redis.wire.progress import Proof

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.fleet.shared_clock import SharedClock

_commands = 0
_wrote = Proof.wrote


def _counted(self: Proof, commands: int, now: float) -> None:
    global _commands
    _commands += commands
    _wrote(self, commands, now)


setattr(Proof, "wrote", _counted)  # noqa: B010 (mypy knows better what a method is)


class Worker:
    def __init__(self, url: str) -> None:
        self.url = url
        self.services: dict[str, RedisService] = {}
        self.clocks: dict[str, FakeClock | SharedClock] = {}
        self.reading = False
        self.warnings: list[str] = []
        watching = logging.Handler()
        watching.emit = lambda record: self.warnings.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("pika_redis").addHandler(watching)

    def service(self, prefix: str) -> RedisService:
        if prefix not in self.services:
            self.services[prefix] = RedisService(self.url, key_prefix=prefix, clock=self.clocks.get(prefix))
        return self.services[prefix]

    async def obey(self, order: dict[str, Any]) -> Any:
        return await getattr(self, f"do_{order.pop('do')}")(**order)

    async def do_load(
        self, prefix: str, key: str, value: Any, tasks: int = 1, gate: str = "", **options: Any
    ) -> list[Any]:
        """The different results of so many tasks that ask for one key at once."""
        service = self.service(prefix)
        log = f"log of {prefix}"

        async def load() -> Any:
            await service.execute("RPUSH", log, f"+{value}")
            if gate:
                await service.execute("BLPOP", f"{gate} of {prefix}", 0)
            await service.execute("RPUSH", log, f"-{value}")
            return value

        results = await asyncio.gather(*[service.get_or_load(key, load, **options) for _ in range(tasks)])
        return sorted(set(results))

    async def do_load_many(self, prefix: str, first: int, last: int, gate: str) -> list[Any]:
        """A batch of the items from first to last; the log has those that were loaded, in one entry."""
        service = self.service(prefix)

        async def load(items: list[int]) -> list[int]:
            await service.execute("RPUSH", f"log of {prefix}", " ".join(map(str, items)))
            await service.execute("BLPOP", f"{gate} of {prefix}", 0)
            return [item * 2 for item in items]

        return await service.get_or_load_many(range(first, last), load, key=lambda item: f"item {item}", tags=["t"])

    async def do_read_source(self, prefix: str, key: str, tags: list[str], **options: Any) -> Any:
        """What is cached of the source, when all was heard; loaded by a log entry and a look at it."""
        service = self.service(prefix)
        await service._nears.get().hear()

        async def load() -> str:
            await service.execute("RPUSH", f"log of {prefix}", "load")
            return str((await service.execute("GET", f"source of {prefix}")).decode())

        return await service.get_or_load(key, load, tags=tags, **options)

    async def do_write_source(self, prefix: str, value: str, gate: str) -> None:
        """Commit, and wait at the gate before anything is invalidated."""
        await self._commit(prefix, value)
        await self.service(prefix).execute("BLPOP", f"{gate} of {prefix}", 0)

    async def do_write_guarded(
        self, prefix: str, value: str, gate: str, keys: list[str], tags: list[str], hold: float, before: str = ""
    ) -> bool:
        """Commit within a guard, that is held until the gate is open; whether it was lost. `before` is a gate too."""
        service = self.service(prefix)
        async with service.guard(keys=keys, tags=tags, hold=hold) as guard:
            if before:
                await service.execute("RPUSH", f"log of {prefix}", "entered")
                await service.execute("BLPOP", f"{before} of {prefix}", 0)
            await self._commit(prefix, value)
            await service.execute("BLPOP", f"{gate} of {prefix}", 0)
        return guard.lost

    async def _commit(self, prefix: str, value: str) -> None:
        service = self.service(prefix)
        await service.execute("SET", f"source of {prefix}", value)
        await service.execute("RPUSH", f"log of {prefix}", f"committed {value}")

    async def do_lock(self, prefix: str, key: str, name: str, ttl: float, gate: str, wait: float | None = None) -> str:
        """Hold a lock until the gate is open; "", or the name of the error."""
        service = self.service(prefix)
        try:
            async with service.lock(key, ttl, wait=wait):
                await service.execute("RPUSH", f"log of {prefix}", f"+{name}")
                await service.execute("BLPOP", f"{gate} of {prefix}", 0)
                await service.execute("RPUSH", f"log of {prefix}", f"-{name}")
        except CacheError as error:
            return type(error).__name__
        return ""

    async def do_count(self, prefix: str, key: str, tasks: int, times: int, locked: bool) -> None:
        """Count on the server in three steps, which only a lock makes one."""
        service = self.service(prefix)

        async def count() -> None:
            for _ in range(times):
                async with service.lock(key, 60) if locked else contextlib.nullcontext():
                    number = int(await service.execute("GET", f"count of {prefix}") or 0)
                    await service.exists("something else")
                    await service.execute("SET", f"count of {prefix}", number + 1)

        await asyncio.gather(*[count() for _ in range(tasks)])

    async def do_get(self, prefix: str, key: str) -> Any:
        return await self.service(prefix).get(key)

    async def do_set(self, prefix: str, key: str, value: Any) -> None:
        await self.service(prefix).set(key, value)

    async def do_hear_and_get(self, prefix: str, key: str) -> Any:
        await self.service(prefix)._nears.get().hear()
        return await self.service(prefix).get(key)

    async def do_fake_time(self, prefix: str) -> None:
        self.clocks[prefix] = FakeClock()

    async def do_shared_time(self, prefix: str, path: str) -> None:
        self.clocks[prefix] = SharedClock(Path(path))

    async def do_weather(self, prefix: str, count: int) -> tuple[int, float, float]:
        """Hold so many copies until all are ended: turns of the loop meanwhile, the longest and all in milliseconds."""
        service = self.service(prefix)
        keys = [f"k{number}" for number in range(count)]
        for start in range(0, count, 1000):
            page = keys[start : start + 1000]
            await service.set_many(dict.fromkeys(page, "old"))
            await service.get_many(page)
        near = service._nears.get()
        assert len(near.copies) == count
        await service.execute("RPUSH", f"log of {prefix}", "ready")
        while len(near.copies) == count:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0)
        turns, longest, began = 0, 0.0, time.monotonic()
        last = began
        while near.copies:
            await asyncio.sleep(0)
            now = time.monotonic()
            turns, longest, last = turns + 1, max(longest, now - last), now
        return turns, longest * 1000, (last - began) * 1000

    async def do_wake_after(self, prefix: str, key: str, seconds: float) -> tuple[Any, Any]:
        """What is served at once when so much time has passed, and what a read gives."""
        self.clocks[prefix].advance(seconds)
        service = self.service(prefix)
        copy = service._store.hit(service.name_of(key), 0.0)
        return None if copy is MISSING else "a copy", await service.get(key)

    async def do_stand_still(self, prefix: str, key: str, gate: str) -> tuple[Any, Any]:
        """As `wake_after` ten seconds, but the whole loop is blocked until the gate is opened: nothing is heard."""
        host, port = self.url.removeprefix("redis://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as waiting:
            waiting.sendall(hiredis.pack_command(("RPUSH", f"log of {prefix}", "still")))  # type: ignore[arg-type]
            waiting.sendall(hiredis.pack_command(("BLPOP", f"{gate} of {prefix}", 0)))  # type: ignore[arg-type]
            while b"go" not in waiting.recv(4096):
                pass
        return await self.do_wake_after(prefix, key, 10)

    async def do_waits(self, prefix: str) -> bool:
        """Whether a load elsewhere is waited for, and nothing is on its way."""
        near = self.service(prefix)._nears.get()
        await self.service(prefix).exists("another")  # what was asked before is answered then, the first look too
        return bool(near.watches._waiting) and not near.node.connection.in_flight

    async def do_warned(self, of: str) -> bool:
        """Whether the library logged a warning with these words."""
        return any(of in message for message in self.warnings)

    async def do_commands(self) -> int:
        return _commands

    async def do_block(self, seconds: float) -> None:
        """Nothing of the loop runs meanwhile."""
        time.sleep(seconds)  # noqa: ASYNC251 (that is what it is for)

    async def do_read_on(self, prefix: str, key: str, tasks: int, gap: float) -> list[Any]:
        """Read in a circle until told to end, and note when the clock jumped by so many seconds.

        What the reads gave that ended before the jump, what those gave that began behind it (those of the same turn of
        the loop are among them: nothing was heard by then), how many each were, and the time at which the jump was
        noted.
        """
        service = self.service(prefix)
        now = self.clocks[prefix].monotonic if prefix in self.clocks else time.monotonic
        last, jumped = now(), 0.0
        before: Counter[Any] = Counter()
        behind: Counter[Any] = Counter()

        async def read() -> None:
            nonlocal last, jumped
            while self.reading:
                began = now()
                if began - last > gap:
                    jumped = began
                last = began
                value = await service.get(key)
                if not jumped:
                    before[value] += now() - began < gap
                elif began >= jumped:
                    behind[value] += 1
                await asyncio.sleep(0)

        self.reading = True
        await asyncio.gather(*[read() for _ in range(tasks)])
        return [list(+before), before.total(), list(behind), behind.total(), jumped]

    async def do_end_reading(self) -> None:
        self.reading = False

    async def do_close(self, prefix: str) -> None:
        if prefix in self.services:
            await self.services.pop(prefix).aclose()


async def main(url: str) -> None:
    worker = Worker(url)
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)

    async def answer(number: int, order: dict[str, Any]) -> None:
        try:
            reply = {"number": number, "gave": await worker.obey(order)}
        except Exception as error:  # noqa: BLE001 (the test shall see it)
            reply = {"number": number, "raised": repr(error)}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()

    running: set[asyncio.Task[None]] = set()
    while line := await orders.readline():
        number, order = json.loads(line)
        task = loop.create_task(answer(number, order))
        running.add(task)
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
