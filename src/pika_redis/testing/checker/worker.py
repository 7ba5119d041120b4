"""One process of a run, started by `fleet` with ``python -m``; not for use by hand.

It reads its orders, one line of JSON, from standard input (a URL may hold a password, and a command line is public),
opens the cache, says ``ready``, waits for ``go`` with the deadline, works, says what is left of its service, and ends.
The end of standard input, which the kernel brings about when the parent dies however hard, ends it at once and takes
the run's folder along.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import shutil
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pika_redis import FullCacheService, RedisService

from .database import Database
from .log import Log
from .plan import Plan
from .residue import residue, residue_since
from .workload import Workload

__all__ = ["Orders", "main"]


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told: which one it is, the plan, where the server and the files are."""

    process: int
    plan: dict[str, Any]
    url: str
    prefix: str
    database: str
    log: str


def main() -> None:
    """Work as standard input says."""
    line = sys.stdin.buffer.readline()
    if not line:
        return
    orders = Orders(**json.loads(line))
    if orders.plan["uvloop"]:
        import uvloop

        uvloop.run(_serve(orders))
    else:
        asyncio.run(_serve(orders))


async def _serve(orders: Orders) -> None:
    parent = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(parent), sys.stdin)
    plan = Plan(**orders.plan)
    database = Database(Path(orders.database))
    log = Log(Path(orders.log), orders.process)
    try:
        before = await residue()
        async with _service(plan, orders.url, orders.prefix) as service:
            _say("ready")
            _, _, deadline = (await parent.readline()).partition(b" ")
            if not deadline:
                _vanish(Path(orders.log).parent)
            watching = asyncio.create_task(_vanish_with(parent, Path(orders.log).parent))
            await Workload(plan, orders.process, service, database, log).run(int(deadline))
            watching.cancel()
        del service, watching
        _say(json.dumps(await residue_since(before)))
    finally:
        log.close()
        database.close()
        transport.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _vanish_with(parent: asyncio.StreamReader, folder: Path) -> None:
    await parent.read()
    _vanish(folder)


def _vanish(folder: Path) -> NoReturn:
    """Nobody is left who would read the logs, and the server may be gone too."""
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _service(plan: Plan, url: str, prefix: str) -> AbstractAsyncContextManager[FullCacheService]:
    if plan.service is None:
        return RedisService(url, key_prefix=prefix)
    module, _, name = plan.service.partition(":")
    made: AbstractAsyncContextManager[FullCacheService] = getattr(importlib.import_module(module), name)(url, prefix)
    return made


if __name__ == "__main__":
    main()
