"""Plain loaders run in threads of our own: one that hangs takes neither the loop nor the loop's own threads."""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pika_redis import LoadTimeoutError
from pika_redis.policy import threads
from pika_redis.policy.threads import in_thread

from .stage import Source, Stage, ThreadSource, becomes

HANGING = 48  # more than the loop has threads, fewer than we have


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[threads._Pool]:
    """Threads of this test alone."""
    pool = threads._Pool()
    monkeypatch.setattr(threads, "_pool", pool)
    yield pool
    if pool._threads is not None:
        pool._threads.shutdown()


async def test_loaders_that_hang_block_neither_other_loads_nor_the_resolving_of_names(
    stage: Stage, pool: threads._Pool
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(4))
    gate = threading.Event()
    begun: list[bool] = []

    def hang() -> bool:
        begun.append(True)
        return gate.wait(60)

    calls = [asyncio.create_task(stage.get(hang, f"t:hangs {n}")) for n in range(HANGING)]
    await becomes(lambda: len(begun) == HANGING)
    async with asyncio.timeout(30):
        assert await stage.get(ThreadSource("plain"), "t:plain") == "plain"
        assert await stage.get(Source("async"), "t:async") == "async"
        assert await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    gate.set()
    assert await asyncio.gather(*calls) == [True] * HANGING


async def test_a_coroutine_that_nobody_awaits_any_more_is_closed(stage: Stage, pool: threads._Pool) -> None:
    made: list[Coroutine[object, object, str]] = []
    gate = threading.Event()

    async def later() -> str:
        return "never"

    def load() -> Coroutine[object, object, str]:
        gate.wait(60)
        made.append(later())
        return made[0]

    with pytest.raises(LoadTimeoutError):
        await stage.get(load, hard_timeout=0.01)
    gate.set()
    await becomes(lambda: bool(made) and inspect.getcoroutinestate(made[0]) == inspect.CORO_CLOSED)


async def test_an_error_that_nobody_takes_any_more_is_no_noise(pool: threads._Pool) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    begun, gate, ended = threading.Event(), threading.Event(), threading.Event()

    def fail() -> None:
        begun.set()
        gate.wait(60)
        ended.set()
        raise LookupError

    waiter = asyncio.create_task(in_thread(fail))
    await becomes(begun.is_set)
    waiter.cancel()
    await asyncio.wait({waiter})
    gate.set()
    await becomes(ended.is_set)
    assert pool._threads is not None
    pool._threads.shutdown()
    assert complaints == []


async def test_threads_are_made_when_they_are_needed_and_kept(stage: Stage, pool: threads._Pool) -> None:
    assert pool._threads is None
    made: Any = pool
    names = set()
    for number in range(5):
        names.add(await stage.get(lambda: threading.current_thread().name, f"t:{number}"))
        await becomes(lambda: made._threads._idle_semaphore._value > 0)  # a moment after the result
    assert names == {"pika-redis loader_0"}
