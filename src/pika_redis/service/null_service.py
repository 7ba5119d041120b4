"""`NullService`: a cache that holds nothing, for switching caching off without touching the code that uses it."""

from __future__ import annotations

from typing import Any

from ..codec import Codec
from ..errors import CacheUnavailableError
from ..policy.read_through import ReadThrough
from ..policy.rules.options import Options
from ..policy.sync_read_through import SyncReadThrough
from ..storage.copies import copier
from ..storage.namespace import Namespace
from ..storage.null import NullStore
from .base import Service
from .redis_config import RedisConfig
from .sync_face import SyncCacheService

__all__ = ["NullService"]


class NullService(Service):
    """Reads miss, writes do nothing, loaders run every time (once for all who wait); counters raise."""

    _always_exact = True

    def __init__(self) -> None:
        config = RedisConfig()
        codec = Codec()
        super().__init__(Namespace(config.key_prefix), Options(ttl=config.ttl), config.max_cache_key_length, codec)
        self._store = NullStore()
        self._reads = ReadThrough(self._store, self._counters, copier(codec))

    @property
    def sync(self) -> SyncCacheService:
        """The same verbs without ``await``."""
        return SyncCacheService(self, SyncReadThrough(self._store, self._counters, copier(self._codec)))

    async def execute(self, *command: str | bytes | int | float, key: str | None = None) -> Any:
        """There is no server to run a command: raises CacheUnavailableError."""
        raise CacheUnavailableError("NullService has no server that could run a command")
