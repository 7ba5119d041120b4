"""What the suite expects, without pytest: importing `pika_redis.testing` must not need it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pika_redis import CacheError

__all__ = ["all_refuse", "refuses", "until"]

ErrorT = TypeVar("ErrorT", bound=Exception)
_LOOKS = 5000

if sys.modules.get("pytest"):  # failing asserts of the suite then show the values they compared
    sys.modules["pytest"].register_assert_rewrite("pika_redis.testing.conformance")


@contextmanager
def refuses(error: type[ErrorT], *parts: str) -> Iterator[list[ErrorT]]:
    """What is done inside raises `error`, which is a CacheError too, with these parts in its message.

    Gives a list that afterwards holds what was raised.
    """
    caught: list[ErrorT] = []
    try:
        yield caught
    except error as raised:
        caught.append(raised)
    assert caught, f"nothing was raised where {error.__name__} was due"
    assert isinstance(caught[0], CacheError), f"{type(caught[0]).__name__} is no CacheError"
    missing = [part for part in parts if part not in str(caught[0])]
    assert not missing, f"the message {str(caught[0])!r} lacks {missing}"


async def all_refuse(error: type[Exception], part: str, *calls: Awaitable[object]) -> None:
    """Each of the calls raises `error`, which is a CacheError too, with this part in its message."""
    for number, ended in enumerate(await asyncio.gather(*calls, return_exceptions=True)):
        assert isinstance(ended, error), f"call {number} gave {ended!r} where {error.__name__} was due"
        assert isinstance(ended, CacheError), f"call {number}: {type(ended).__name__} is no CacheError"
        assert part in str(ended), f"call {number}: the message {str(ended)!r} lacks {part!r}"


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again until background work has had its effect."""
    for _ in range(_LOOKS):
        if await condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("what should have happened in the background did not happen")
