"""Which loaders there are, where they run, and what ends them."""

from __future__ import annotations

import asyncio
import functools
import math
import threading
from collections.abc import Callable

import pytest

from pika_redis import LoadTimeoutError
from pika_redis.policy.loader import run_loader


async def coroutine_function(value: str = "value") -> str:
    await asyncio.sleep(0)
    return value


class AsyncObject:
    async def __call__(self) -> str:
        return "value"

    async def method(self) -> str:
        return "value"


class PlainObject:
    def __call__(self) -> str:
        return "value"


LOADERS: list[Callable[[], object]] = [
    coroutine_function,
    functools.partial(coroutine_function, "value"),
    functools.partial(functools.partial(coroutine_function), value="value"),
    AsyncObject(),
    AsyncObject().method,
    functools.partial(AsyncObject()),
    PlainObject(),
    lambda: "value",
    lambda: coroutine_function("value"),
]


@pytest.mark.parametrize("loader", LOADERS)
async def test_every_kind_of_loader_gives_its_value(loader: Callable[[], object]) -> None:
    assert await run_loader(loader, 30.0, "key") == "value"


async def test_an_async_loader_runs_in_the_loop_and_a_plain_one_in_a_thread() -> None:
    here = threading.get_ident()

    async def where() -> int:
        return threading.get_ident()

    assert await run_loader(where, math.inf, "key") == here
    assert await run_loader(threading.get_ident, math.inf, "key") != here


async def test_what_a_plain_loader_gives_is_awaited_in_the_loop() -> None:
    here = threading.get_ident()

    async def threads(called_in: int) -> tuple[int, int]:
        return called_in, threading.get_ident()

    seen = await run_loader(lambda: threads(threading.get_ident()), 30.0, "key")
    assert isinstance(seen, tuple)
    assert (seen[0] == here, seen[1] == here) == (False, True)


async def test_the_hard_timeout_is_an_error_of_its_own() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    with pytest.raises(LoadTimeoutError, match=r"'users:1' took longer than 0\.01 s") as caught:
        await run_loader(never, 0.01, "users:1")
    assert isinstance(caught.value, TimeoutError)


async def test_the_hard_timeout_does_not_wait_for_a_thread() -> None:
    gate = threading.Event()
    try:
        with pytest.raises(LoadTimeoutError):
            await run_loader(gate.wait, 0.01, "key")
    finally:
        gate.set()


async def test_a_timeout_error_of_the_loader_passes_unchanged() -> None:
    mine = TimeoutError("the database")

    async def load() -> None:
        raise mine

    with pytest.raises(TimeoutError) as caught:
        await run_loader(load, 30.0, "key")
    assert caught.value is mine


@pytest.mark.parametrize("hard_timeout", [30.0, math.inf])
async def test_a_plain_loader_that_raises_stop_iteration_does_not_hang(hard_timeout: float) -> None:
    def load() -> object:
        return next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        await run_loader(load, hard_timeout, "key")


async def test_a_loader_may_finish_although_it_was_told_to_stop() -> None:
    async def load() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "just in time"
        raise AssertionError

    assert await run_loader(load, 0.01, "key") == "just in time"
