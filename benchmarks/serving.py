"""The server that everybody is measured on, and what redis-benchmark gets out of it."""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
from collections.abc import Awaitable, Callable
from typing import cast

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer

__all__ = ["info", "loops", "redis_benchmark", "run_in", "server_name"]

_TRIAL = 2_000


async def server_name(server: EmbeddedServer) -> str:
    """Such as ``Valkey 9.1.2``."""
    async with RedisService(server.url, l1=False) as service:
        fields = await info(service, "server")
    for product in ("valkey", "redis"):
        if f"{product}_version" in fields:
            return f"{product.capitalize()} {fields[f'{product}_version']}"
    return "an unknown server"


async def info(service: RedisService, section: str) -> dict[str, str]:
    """What the server says about itself."""
    text = cast("bytes", await service.execute("INFO", section)).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def loops() -> list[str]:
    """The event loops of this machine, the standard one first."""
    return ["asyncio", "uvloop"] if os.name == "posix" else ["asyncio"]


def run_in(loop: str, main: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine function to its end in one of `loops`."""

    async def body() -> None:
        await main()

    if loop == "uvloop":
        import uvloop

        uvloop.run(body())
    else:
        asyncio.run(body())


async def redis_benchmark(
    server: EmbeddedServer, command: list[str], *, clients: int, pipeline: int, seconds: float, keys: int = 100
) -> Callable[[], Awaitable[float]] | None:
    """Measures commands a second with the C program that comes with the server; None where there is none.

    ``__rand_int__`` in the command becomes one of the first `keys` numbers, with twelve digits.
    """
    program = shutil.which("valkey-benchmark") or shutil.which("redis-benchmark")
    if program is None:
        return None

    async def run(requests: int) -> float:
        options = ["-h", server.host, "-p", str(server.port), "-n", str(requests), "-r", str(keys), "--csv"]
        ran = await asyncio.create_subprocess_exec(
            program,
            *[*options, "-c", str(clients), "-P", str(pipeline), *command],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        out, _ = await ran.communicate()
        rows = list(csv.reader(out.decode().splitlines()))
        return float(rows[-1][1])

    speed = await run(max(_TRIAL, clients * pipeline))
    requests = max(_TRIAL, clients * pipeline, round(speed * seconds))

    async def measure() -> float:
        return await run(requests)

    return measure
