"""`MemoryCacheService`: the same cache in this process alone; also what a test of a cached service runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, Unpack

from ..codec import Codec, Limits, Serializer
from ..errors import ArgumentError, ArgumentTypeError, ConfigurationError
from ..model.clock import Clock, SystemClock
from ..model.duration import Duration
from ..policy.read_through import ReadThrough
from ..policy.rules.options import Options
from ..policy.sync_read_through import SyncReadThrough
from ..storage.copies import copier
from ..storage.memory import MemoryStore
from ..storage.namespace import Namespace
from ..storage.null import NullStore
from ..storage.shelf import Shelf
from ..storage.store import Store
from .base import Service
from .resolve import SETTING_NAMES, unknown_keyword
from .resolve import resolve as resolve_settings

__all__ = ["MemoryCacheService", "MemorySettings"]

_DEFAULT_BYTES = 256 * 1024 * 1024


class MemorySettings(TypedDict, total=False):
    """Keywords of `MemoryCacheService`: those of `RedisService` that need no server."""

    key_prefix: str
    ttl: Duration
    default_cache_ttl: Duration
    max_cache_key_length: int
    max_value_bytes: int
    enabled: bool


class MemoryCacheService(Service):
    """A cache in this process's memory, bounded by `max_bytes`; what has no room goes, least useful first.

    Its verbs never wait, so `sync` has them all without ``await``, for synchronous functions on any thread.
    The environment is not read. Raises ArgumentError, ConfigurationError or ArgumentTypeError for settings that make
    no sense.
    """

    def __init__(
        self,
        *,
        max_bytes: int = _DEFAULT_BYTES,
        clock: Clock | None = None,
        serializer: Serializer | None = None,
        **settings: Unpack[MemorySettings],
    ) -> None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int):
            raise ArgumentTypeError(f"max_bytes must be an int, not {type(max_bytes).__name__}")
        if max_bytes < 1024:
            raise ArgumentError(f"max_bytes must be at least 1024, not {max_bytes}")
        _check_names(settings)
        resolved = resolve_settings("memory://", settings)
        codec = Codec(serializer=serializer, limits=Limits(max_bytes=resolved.max_value_bytes, compress_from=None))
        super().__init__(
            Namespace(resolved.key_prefix), Options(ttl=resolved.ttl), resolved.max_cache_key_length, codec
        )
        shelf = Shelf(max_bytes, resolved.max_value_bytes, self._counters)
        self._memory = MemoryStore(shelf, self._namespace, codec, clock or SystemClock(), self._counters)
        self._enabled = resolved.enabled
        store = self._store_of(self._namespace)
        sync_reads = SyncReadThrough(store, self._counters, copier(codec))
        self._serve(store, ReadThrough(store, self._counters, copier(codec)), sync_reads)

    _always_exact = True

    def _store_of(self, namespace: Namespace) -> Store:
        return self._memory.beside(namespace) if self._enabled else NullStore()


def _check_names(settings: Mapping[str, object]) -> None:
    own = MemorySettings.__annotations__
    known = sorted({"clock", "max_bytes", "serializer", *own})
    for name in settings:
        if name in own:
            continue
        if name in SETTING_NAMES:
            raise ConfigurationError(
                f"MemoryCacheService has no server: {name!r} is not for it; it takes {', '.join(known)}"
            )
        raise unknown_keyword(name, known)
