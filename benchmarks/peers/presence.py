"""In a process of its own: how much it grows with a library that is connected, and with calls that wait.

Nothing of a library is imported before it is asked for, so that what it brings along counts. Resident memory is what
the operating system gives, garbage collected.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from .server_peer import Address, ServerPeer

__all__ = ["BARE_TASK", "resident", "worker"]

BARE_TASK = ""
"""Instead of a library's name: tasks that wait for a future, and nothing else."""
_TURNS = 5  # of the loop, after which every task waits for the server, or for its turn


def resident() -> int:
    """Bytes that this process has from the operating system."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def worker() -> AsyncIterator[Callable[[tuple[object, ...]], Awaitable[object]]]:
    """Answers ``("open", library, address, tasks)`` and ``("wait", calls)`` with bytes, ``("end",)`` with nothing."""
    async with AsyncExitStack() as stack:
        waiting: list[asyncio.Task[object]] = []
        never = asyncio.get_running_loop().create_future()
        get: list[Callable[[str], Awaitable[object]]] = []

        async def bare(_: str) -> object:
            return await never

        async def call(key: str) -> object:
            return await get[0](key)

        async def handle(message: tuple[object, ...]) -> object:
            match message:
                case ("open", str(library), Address() as address, int(tasks)):
                    before = resident()
                    get[:] = [bare if library == BARE_TASK else (await _connected(stack, library, address, tasks)).get]
                    return resident() - before
                case ("wait", int(calls)):
                    before = resident()
                    waiting.extend([asyncio.ensure_future(call("absent")) for _ in range(calls)])
                    for _ in range(_TURNS):
                        await asyncio.sleep(0)
                    return resident() - before
                case _:
                    never.cancel()
                    await asyncio.gather(*waiting, return_exceptions=True)
            return None

        yield handle


async def _connected(stack: AsyncExitStack, library: str, address: Address, tasks: int) -> ServerPeer:
    """The library, which so many tasks have used at once."""
    module, _, name = library.partition(":")
    opened = getattr(importlib.import_module(module), name)
    peer: ServerPeer = await stack.enter_async_context(opened(address, tasks))
    await peer.set("key", "v" * 100)
    for _ in range(3):
        await asyncio.gather(*[peer.get("key") for _ in range(tasks)])
    return peer
