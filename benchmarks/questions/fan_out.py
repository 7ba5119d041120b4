"""Who hears of an invalidation, and when, if many connections track the tag?

1 to 1 000 connections of another process have read the tag's key with tracking on, as each process that uses the
library does; then the tag is invalidated. The server writes one push for each of them before it answers, so that the
call returns later the more there are; the table says when it returned, when the median and the last of the listeners
but one in a hundred had their push, and what the server spent on the command. The listeners share one process and one
core with the rest, so that late pushes include their own work; nobody else does this, so that there is nothing to
compare with.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer

from ..bars import verdict
from ..fleet import Fleet
from ..machine import observe
from ..peers.server_peer import TTL, Address
from ..result import Question, Result, tabulate
from ..rounds import Pace
from ..serving import info, run_in, server_name

__all__ = ["QUESTION", "run", "worker"]

QUESTION = Question.of(__name__, __doc__)

LISTENERS = (1, 10, 50, 200, 1_000)
_REPEATS = 15
_RETURNS, _MEDIAN, _LATE, _SERVER = "the call returns", "listeners told, p50", "listeners told, p99", "server time"
_PATIENCE = 10.0


def run(pace: Pace) -> Result:
    """Ask."""
    counts = LISTENERS[:2] if pace.quick else LISTENERS
    measured: dict[str, dict[str, list[float]]] = {}
    with EmbeddedServer.start() as server, Fleet(1, f"{__name__}:worker") as fleet:
        name = asyncio.run(server_name(server))
        address = Address(server.host, server.port)

        async def main() -> None:
            async with RedisService(address.url) as service:
                for count in counts:
                    fleet.ask(("open", address, count))
                    measured[f"{count}"] = await _repeated(service, fleet, 3 if pace.quick else _REPEATS)

        run_in("uvloop", main)
    table = tabulate("one invalidation", "ms", "less", "connections that track the tag", measured)
    last = measured[f"{counts[-1]}"]
    shown = f"{counts[-1]} connections: {min(last[_SERVER]):.2g} ms of server time"
    return Result(
        QUESTION, observe(name), (table,), (verdict("fan-out", shown, kept=not pace.quick),), quick=pace.quick
    )


async def _repeated(service: RedisService, fleet: Fleet, repeats: int) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {_RETURNS: [], _MEDIAN: [], _LATE: [], _SERVER: []}
    for _ in range(repeats + 1):
        await service.set("entry", "value", TTL, tags=["tag"])
        fleet.ask(("read", "pika:#t:tag"))
        spent = await _spent(service)
        began = time.monotonic()
        await service.invalidate_tags(["tag"])
        returned = time.monotonic()
        heard = sorted(cast("list[float]", fleet.ask(("heard",))[0]))
        figures[_RETURNS].append((returned - began) * 1e3)
        figures[_MEDIAN].append((heard[len(heard) // 2] - began) * 1e3)
        figures[_LATE].append((heard[min(len(heard) - 1, int(len(heard) * 0.99))] - began) * 1e3)
        figures[_SERVER].append((await _spent(service) - spent) / 1e3)
    return {name: values[1:] for name, values in figures.items()}


async def _spent(service: RedisService) -> float:
    """Microseconds that the server has spent on deleting so far."""
    fields = await info(service, "commandstats")
    kinds = ("cmdstat_del", "cmdstat_unlink", "cmdstat_evalsha", "cmdstat_eval")
    return sum(float(fields[kind].split("usec=")[1].split(",")[0]) for kind in kinds if kind in fields)


class _Listener(asyncio.Protocol):
    """One connection with tracking on; notes when a push arrives."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.heard: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(b"HELLO 3\r\nCLIENT TRACKING ON\r\n")

    def data_received(self, data: bytes) -> None:
        if data.startswith(b">") and not self.heard.done():
            self.heard.set_result(time.monotonic())
        if b"$" in data and not self.answered.done():
            self.answered.set_result(None)

    async def read(self, key: str) -> None:
        """Read, and so track, the key."""
        assert self.transport is not None
        loop = asyncio.get_running_loop()
        self.heard, self.answered = loop.create_future(), loop.create_future()
        self.transport.write(f"GET {key}\r\n".encode())
        await self.answered


@asynccontextmanager
async def worker() -> AsyncIterator[Callable[[tuple[object, ...]], Awaitable[object]]]:
    """In the other process: the listeners."""
    listeners: list[_Listener] = []

    async def handle(message: tuple[object, ...]) -> object:
        match message:
            case ("open", Address() as address, int(count)):
                while len(listeners) < count:
                    _, listener = await asyncio.get_running_loop().create_connection(
                        _Listener, address.host, address.port
                    )
                    listeners.append(listener)
                await asyncio.sleep(0.1)  # for the answers to HELLO
            case ("read", str(key)):
                async with asyncio.timeout(_PATIENCE):
                    await asyncio.gather(*[listener.read(key) for listener in listeners])
            case _:
                async with asyncio.timeout(_PATIENCE):
                    return await asyncio.gather(*[listener.heard for listener in listeners])
        return None

    try:
        yield handle
    finally:
        for listener in listeners:
            if listener.transport is not None:
                listener.transport.close()
