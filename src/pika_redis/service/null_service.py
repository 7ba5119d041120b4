"""`NullService`: a cache that holds nothing, for switching caching off without touching the code that uses it."""

from __future__ import annotations

from ..codec import Codec
from ..policy.read_through import ReadThrough
from ..policy.rules.options import Options
from ..policy.sync_read_through import SyncReadThrough
from ..storage.copies import copier
from ..storage.namespace import Namespace
from ..storage.null import NullStore
from .base import Service
from .redis_config import RedisConfig

__all__ = ["NullService"]


class NullService(Service):
    """Reads miss, writes do nothing, loaders run every time (once for all who wait); counters raise."""

    _always_exact = True

    def __init__(self) -> None:
        config = RedisConfig()
        codec = Codec()
        super().__init__(Namespace(config.key_prefix), Options(ttl=config.ttl), config.max_cache_key_length, codec)
        store = self._store_of(self._namespace)
        sync_reads = SyncReadThrough(store, self._counters, copier(codec))
        self._serve(store, ReadThrough(store, self._counters, copier(codec)), sync_reads)

    def _store_of(self, namespace: Namespace) -> NullStore:
        return NullStore()
