"""Threads for plain loaders, of our own: a loader that hangs must not take those of the loop, which resolves names."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

from ..model.forks import forget_after_fork

__all__ = ["in_thread"]

_MOST = 64


class _Pool:
    """The threads of this process, made at first need."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        forget_after_fork(self)

    def submit(self, work: Callable[[], object]) -> Future[object]:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_MOST, thread_name_prefix="pika-redis loader")
            return self._threads.submit(work)

    def forget_all_after_fork(self) -> None:
        self._lock = threading.Lock()
        self._threads = None


_pool = _Pool()


async def in_thread(work: Callable[[], object]) -> object:
    """What `work` gives, run in a thread with a copy of this context. Cancelled, the thread goes on to its end."""
    context = copy_context()
    running = _pool.submit(lambda: context.run(work))
    try:
        return await asyncio.wrap_future(running)
    except asyncio.CancelledError:
        running.add_done_callback(_close)
        raise


def _close(running: Future[object]) -> None:
    """Nobody takes what the thread gives any more: a coroutine among it would complain of that."""
    if not running.cancelled() and running.exception() is None:
        result = running.result()
        if inspect.iscoroutine(result):
            result.close()
