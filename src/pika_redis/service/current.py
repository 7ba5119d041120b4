"""What holds for the code that runs now: the service that cached functions use, and whether they bypass it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from .protocols import FullCacheService

__all__ = ["bypass_cache", "bypassing", "current"]

current: ContextVar[FullCacheService | None] = ContextVar("pika_redis_service", default=None)
bypassing: ContextVar[bool] = ContextVar("pika_redis_bypassing", default=False)


@contextlib.contextmanager
def bypass_cache() -> Iterator[None]:
    """Within the block cached functions and `get_or_load` load every time and store nothing."""
    token = bypassing.set(True)
    try:
        yield
    finally:
        bypassing.reset(token)
