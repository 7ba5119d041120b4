"""Libraries in this process's memory, used from plain functions: their look-ups and their decorators.

All hold up to 10 000 entries, with a time to live where they have one (`functools.lru_cache` has none). Locks stay at
their defaults: cachebox, moka and theine are safe for threads; cachetools isn't unless it is given a lock, so that its
decorator gets one, as its documentation asks for.
"""

from __future__ import annotations

import datetime as dt
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import cachebox
import cachetools
import moka_py
import theine

from pika_redis import MemoryCacheService, cache

from ..result import OURS
from .memory_async import ENTRIES
from .server_peer import TTL

__all__ = ["LIBRARIES", "SyncDecorator", "SyncMemory", "decorators", "look_ups"]

LIBRARIES = ("cachebox", "cachetools", "moka-py", "theine")

Function: TypeAlias = Callable[..., Any]
SyncDecorator: TypeAlias = Callable[[Function], Function]
_LIFETIME = dt.timedelta(seconds=TTL)


@dataclass(frozen=True, slots=True)
class SyncMemory:
    """A cache's look-up and store."""

    get: Callable[[str], object]
    set: Callable[[str, object], object]


def look_ups(room: int = ENTRIES) -> dict[str, SyncMemory]:
    """Every library with plain look-ups."""
    ours = MemoryCacheService().sync
    box: cachebox.TTLCache[str, object] = cachebox.TTLCache(room, TTL)
    tools: Any = cachetools.TTLCache(room, TTL)
    moka: moka_py.Moka[str, object] = moka_py.Moka(room, ttl=TTL)
    fifth: theine.Cache[str, object] = theine.Cache(room)
    return {
        OURS: SyncMemory(ours.get, lambda key, value: ours.set(key, value, TTL)),
        "cachebox": SyncMemory(box.get, box.insert),
        "cachetools": SyncMemory(tools.get, tools.__setitem__),
        "moka-py": SyncMemory(moka.get, moka.set),
        "theine": SyncMemory(fifth.get, lambda key, value: fifth.set(key, value, _LIFETIME)),
    }


def decorators() -> dict[str, SyncDecorator]:
    """Every library that decorates plain functions."""
    service = MemoryCacheService()
    return {
        OURS: cache(ttl=TTL, service=service),
        "functools.lru_cache": functools.lru_cache(ENTRIES),
        "cachebox": cachebox.cached(cachebox.TTLCache(ENTRIES, TTL)),
        "cachetools": lambda function: cast(
            "Function", cachetools.cached(cachetools.TTLCache(ENTRIES, TTL), lock=threading.Lock())(function)
        ),
        "moka-py": moka_py.cached(ENTRIES, ttl=TTL),
        "theine": lambda function: cast("Function", theine.Memoize(ENTRIES, _LIFETIME)(cast("Any", function))),
    }
