"""Running a user's loader: async or sync, under a hard timeout."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from collections.abc import Awaitable, Callable

from ..errors import LoadTimeoutError

__all__ = ["Loader", "run_loader"]

Loader = Callable[[], object]
"""Called without arguments; gives the value or an awaitable of it."""


async def run_loader(loader: Loader, hard_timeout: float, key: str) -> object:
    """The loader's value. A plain function runs in a thread, so that it can't block the loop.

    Raises LoadTimeoutError after `hard_timeout` seconds, else whatever the loader raises.
    """
    limit = asyncio.timeout(None if math.isinf(hard_timeout) else hard_timeout)
    try:
        async with limit:
            if _is_async(loader):
                return await _awaited(loader())
            value = await asyncio.to_thread(loader)
            return await value if inspect.isawaitable(value) else value
    except TimeoutError as error:
        if limit.expired():
            raise LoadTimeoutError(f"the loader of {key!r} took longer than {hard_timeout:g} s") from error
        raise


def _is_async(loader: Loader) -> bool:
    while isinstance(loader, functools.partial):
        loader = loader.func
    return inspect.iscoroutinefunction(loader) or inspect.iscoroutinefunction(type(loader).__call__)


async def _awaited(value: object) -> object:
    assert isinstance(value, Awaitable)
    return await value
