"""Which service a cached function uses: found at each call, never bound at import.

In this order: the decorator's `service=`, the `cache_service` of the instance or class, `use_service(...)` around the
call (set by the framework integrations and by tests), the process's default.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from ..errors import ArgumentTypeError
from ..model.forks import forget_after_fork
from .arguments import Receiver
from .base import Service
from .current import current
from .http_key import current_request, facts_of_scope
from .memory_service import MemoryCacheService
from .protocols import FullCacheService
from .redis_service import RedisService
from .settings import CacheSettings, environment_names_a_server

__all__ = [
    "Finder",
    "ServiceSource",
    "checked_service",
    "finder",
    "get_default_service",
    "set_default_service",
    "use_service",
]

_log = logging.getLogger("pika_redis")

_OF_MEMORY = (
    "REDIS_KEY_PREFIX",
    "DEFAULT_CACHE_TTL",
    "MAX_CACHE_KEY_LENGTH",
    "CACHE_ENABLED",
    "CACHE_MAX_VALUE_BYTES",
)
"""The variables that say something about a cache without a server; the others are not even read then."""
ServiceT = TypeVar("ServiceT", bound=FullCacheService)
ServiceSource: TypeAlias = FullCacheService | Callable[[], FullCacheService] | None
Finder: TypeAlias = Callable[[tuple[Any, ...]], object]
"""Gives the service of a call with these positional arguments, unchecked."""


class _Default:
    """The process's default service, made at its first use."""

    def __init__(self) -> None:
        self.service: Service | None = None
        self._lock = threading.Lock()
        forget_after_fork(self)

    def choose(self, service: Service | None) -> None:
        with self._lock:
            self.service = service

    def make(self) -> Service:
        with self._lock:
            if self.service is None:
                self.service = _made()
            return self.service

    def forget_all_after_fork(self) -> None:
        self._lock = threading.Lock()  # the parent may hold the old one; services see to themselves


_default = _Default()


def set_default_service(service: FullCacheService | None) -> None:
    """The service of every cached function that is told no other; None = decide anew at next use.

    Raises ArgumentTypeError for what is no service of this package.
    """
    _default.choose(None if service is None else checked_service(service))


def get_default_service() -> Service:
    """The process's default: what was set, else Redis when REDIS_URL or REDIS_HOST is set, else memory.

    Falling back to memory is said once, at WARNING: each process then has a cache of its own. Prefix, ttl, limits and
    CACHE_ENABLED are the environment's there too. Raises ConfigurationError for a setting that makes no sense.
    """
    service = _default.service
    return _default.make() if service is None else service


def _made() -> Service:
    if environment_names_a_server(os.environ):
        return RedisService()
    settings = CacheSettings.from_env({name: os.environ[name] for name in _OF_MEMORY if name in os.environ})
    if settings.enabled:
        _log.warning(
            "no REDIS_URL or REDIS_HOST is set and no default service: caching in this process's memory. "
            "Call set_default_service(...) to choose."
        )
    return MemoryCacheService(
        key_prefix=settings.key_prefix,
        ttl=settings.default_cache_ttl,
        max_cache_key_length=settings.max_cache_key_length,
        max_value_bytes=settings.max_value_bytes,
        enabled=settings.enabled,
    )


def use_service(
    service: ServiceT, *, request: Mapping[str, Any] | None = None
) -> contextlib.AbstractContextManager[ServiceT]:
    """Within the block (and tasks started in it) cached functions use `service`.

    `request` is the ASGI scope of the HTTP request that the block serves, for "http_request" keys. Raises
    ArgumentTypeError for what is no service of this package.
    """
    checked_service(service)
    return _using(service, request)


@contextlib.contextmanager
def _using(service: ServiceT, request: Mapping[str, Any] | None) -> Iterator[ServiceT]:
    token = current.set(service)
    served = None if request is None else current_request.set(facts_of_scope(request))
    try:
        yield service
    finally:
        current.reset(token)
        if served is not None:
            current_request.reset(served)


def checked_service(found: object) -> Service:
    """The service itself. Raises ArgumentTypeError for what cached functions can't use."""
    if isinstance(found, Service):
        return found
    shown = found.__name__ + " itself" if isinstance(found, type) else type(found).__name__
    raise ArgumentTypeError(
        f"a cached function needs a RedisService, MemoryCacheService or NullService (from service=, cache_service, "
        f"use_service or set_default_service), not {shown}"
    )


def finder(source: ServiceSource, receiver: Receiver) -> Finder:
    """How the service of a call is found, settled at decoration. Raises ArgumentTypeError for a wrong `source`."""
    if source is None:
        return _current if receiver is Receiver.NONE else _own_or_current
    if isinstance(source, type) or not callable(source):
        service = checked_service(source)
        return lambda _args: service
    if inspect.iscoroutinefunction(source):
        raise ArgumentTypeError("service must be a service or a plain function that gives one, not an async function")
    given = source
    return lambda _args: given()


def _current(_args: tuple[Any, ...]) -> object:
    service = current.get()
    return get_default_service() if service is None else service


def _own_or_current(args: tuple[Any, ...]) -> object:
    own = getattr(args[0], "cache_service", None) if args else None
    return _current(args) if own is None else own
