"""What holds for the code that runs now: the service that cached functions use, and whether they bypass it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

from .http_key import current_request, facts_of_scope
from .protocols import FullCacheService

__all__ = ["bypass_cache", "bypassing", "current", "use_service"]

ServiceT = TypeVar("ServiceT", bound=FullCacheService)
current: ContextVar[FullCacheService | None] = ContextVar("pika_redis_service", default=None)
bypassing: ContextVar[bool] = ContextVar("pika_redis_bypassing", default=False)


@contextlib.contextmanager
def use_service(service: ServiceT, *, request: Mapping[str, Any] | None = None) -> Iterator[ServiceT]:
    """Within the block (and tasks started in it) cached functions use `service`.

    `request` is the ASGI scope of the HTTP request that the block serves, for "http_request" keys.
    """
    token = current.set(service)
    served = None if request is None else current_request.set(facts_of_scope(request))
    try:
        yield service
    finally:
        current.reset(token)
        if served is not None:
            current_request.reset(served)


@contextlib.contextmanager
def bypass_cache() -> Iterator[None]:
    """Within the block cached functions and `get_or_load` load every time and store nothing."""
    token = bypassing.set(True)
    try:
        yield
    finally:
        bypassing.reset(token)
