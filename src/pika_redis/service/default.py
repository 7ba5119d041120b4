"""The process's default service, and how a cached function finds the service of a call: never bound at import.

In this order: the decorator's `service=`, the instance's `cache_service`, `use_service(...)` around the call (set by
the framework integrations and by tests), the process's default.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import cast

from ..errors import ArgumentTypeError
from .base import Service
from .current import current
from .memory_service import MemoryCacheService
from .redis_service import RedisService
from .settings import environment_names_a_server

__all__ = ["current_service", "get_default_service", "set_default_service"]

_log = logging.getLogger("pika_redis")
_lock = threading.Lock()
_default: Service | None = None


def set_default_service(service: Service | None) -> None:
    """The service of every cached function that is told no other; None = decide anew at next use."""
    global _default  # noqa: PLW0603 (one default a process is what the function is for)
    if service is not None and not isinstance(service, Service):
        raise ArgumentTypeError(f"a default service must be a cache service, not {type(service).__name__}")
    with _lock:
        _default = service


def get_default_service() -> Service:
    """The process's default: what was set, else Redis when REDIS_URL or REDIS_HOST is set, else memory.

    Falling back to memory is said once, at WARNING: each process then has a cache of its own.
    """
    global _default  # noqa: PLW0603
    service = _default
    if service is None:
        with _lock:
            if _default is None:
                _default = _made()
            service = _default
    return service


def _made() -> Service:
    if environment_names_a_server(os.environ):
        return RedisService()
    _log.warning(
        "no REDIS_URL or REDIS_HOST is set and no default service: caching in this process's memory. "
        "Call set_default_service(...) to choose."
    )
    return MemoryCacheService()


def current_service() -> Service:
    """The service of the running context, else the process's default."""
    service = current.get()
    return get_default_service() if service is None else cast("Service", service)
