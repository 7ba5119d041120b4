"""Several processes that do the same at the same moment.

Each is a fresh interpreter (spawn) that runs one coroutine function after another in one uvloop, as told over a pipe.
All that wait has a deadline, and leaving the fleet ends every process, politely first.
"""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self, TypeAlias

__all__ = ["Fleet", "Worker"]

Worker: TypeAlias = Callable[[], AbstractAsyncContextManager[Callable[[Any], Awaitable[Any]]]]
"""Opened once in every process; then it answers messages."""

_PATIENCE = 60.0
_POLITE = 5.0


class Fleet:
    """`count` processes of the worker named `module:function`; a context."""

    def __init__(self, count: int, worker: str) -> None:
        self._count = count
        self._worker = worker
        self._members: list[tuple[multiprocessing.process.BaseProcess, Connection]] = []

    def __enter__(self) -> Self:
        spawning = multiprocessing.get_context("spawn")
        for _ in range(self._count):
            ours, theirs = spawning.Pipe()
            process = spawning.Process(target=_live, args=(theirs, self._worker), daemon=True)
            process.start()
            theirs.close()
            self._members.append((process, ours))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, pipe in self._members:
            pipe.close()
        for process, _ in self._members:
            process.join(_POLITE)
            if process.is_alive():
                process.kill()
                process.join()

    def ask(self, message: object) -> list[Any]:
        """Tell all, wait for all. Raises RuntimeError for a process that fails or doesn't answer in a minute."""
        for _, pipe in self._members:
            pipe.send(message)
        return [_answer(pipe) for _, pipe in self._members]


def _answer(pipe: Connection) -> object:
    if not pipe.poll(_PATIENCE):
        raise RuntimeError(f"a process gave no answer within {_PATIENCE:g} s")
    try:
        error, answer = pipe.recv()
    except EOFError:
        raise RuntimeError("a process died") from None
    if error:
        raise RuntimeError(f"in a process: {error}")
    return answer


def _live(pipe: Connection, worker: str) -> None:
    import uvloop

    uvloop.run(_serve(pipe, worker))


async def _serve(pipe: Connection, worker: str) -> None:
    module, _, name = worker.partition(":")
    async with getattr(importlib.import_module(module), name)() as handle:
        async for message in _messages(pipe):
            try:
                answer: tuple[str | None, object] = (None, await handle(message))
            except Exception as error:  # noqa: BLE001 (told to the asking process, which raises)
                answer = (repr(error), None)
            pipe.send(answer)


async def _messages(pipe: Connection) -> AsyncIterator[Any]:
    loop = asyncio.get_running_loop()
    while True:
        try:
            message = await loop.run_in_executor(None, pipe.recv)
        except (EOFError, OSError):
            return
        yield message
