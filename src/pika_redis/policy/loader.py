"""Running a user's loader: async or sync, under a hard timeout."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from ..errors import LoadTimeoutError
from .threads import in_thread

__all__ = ["Loader", "run_loader", "within"]

T = TypeVar("T")
Loader = Callable[[], object]
"""Called without arguments; gives the value or an awaitable of it."""


async def run_loader(loader: Loader, hard_timeout: float, key: str) -> object:
    """The loader's value. A plain function runs in a thread, so that it can't block the loop.

    What a plain function gives may be awaitable (a lambda around a coroutine function): it is awaited in the loop.
    Raises LoadTimeoutError after `hard_timeout` seconds, else whatever the loader raises.
    """
    return await within(hard_timeout, key, _run(loader))


async def within(seconds: float, key: str, work: Awaitable[T]) -> T:
    """What `work` gives. Raises LoadTimeoutError when it takes longer; a TimeoutError of its own passes unchanged."""
    limit = asyncio.timeout(None if math.isinf(seconds) else seconds)
    try:
        async with limit:
            return await work
    except TimeoutError as error:
        if limit.expired():
            raise LoadTimeoutError(f"the load of {key!r} took longer than {seconds:g} s") from error
        raise


async def _run(loader: Loader) -> object:
    if _is_async(loader):
        return await cast("Awaitable[object]", loader())
    value = await in_thread(functools.partial(_call, loader))
    return await value if inspect.isawaitable(value) else value


def _call(loader: Loader) -> object:
    """Call it where no coroutine stands around: a StopIteration can't be handed to one."""
    try:
        return loader()
    except StopIteration as error:
        raise RuntimeError("the loader raised StopIteration") from error


def _is_async(loader: Loader) -> bool:
    while isinstance(loader, functools.partial):
        loader = loader.func
    return inspect.iscoroutinefunction(loader) or inspect.iscoroutinefunction(type(loader).__call__)
