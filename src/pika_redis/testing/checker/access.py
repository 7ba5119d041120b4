"""The two ways to read that a run compares: through the cache, and by the naive cache-aside that everyone writes first.

The naive way uses the same verbs of the same service: get; on a miss load and set. It must fail the checker, because
`set` is the caller's word that a value is current, and a value that was loaded a moment ago may not be. If it passed,
the checker would prove nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from pika_redis import MISSING, FullCacheService, MemoryCacheService, RedisService, cache

from .history import Stamped
from .plan import Plan

__all__ = ["Access", "CacheAside", "Loader", "Naming", "ThroughCache"]

Loader = Callable[[int], Awaitable[Stamped | None]]
_TTL = 600.0


class Naming:
    """The keys and tags of rows, as the cache knows them."""

    ttl = _TTL

    def __init__(self, plan: Plan) -> None:
        self._keys = [f"row:{row}" for row in range(plan.keys)]
        self._tags = [[plan.tag_name(tag) for tag in plan.tags_of(row)] for row in range(plan.keys)]

    def key(self, row: int) -> str:
        """The key of a row."""
        return self._keys[row]

    def tags(self, row: int) -> list[str]:
        """The tags that the row's entry carries."""
        return self._tags[row]


class Access(Protocol):
    """How rows are read."""

    async def look(self, row: int) -> object:
        """What is cached, MISSING when there is nothing."""
        ...

    async def load(self, row: int) -> object:
        """What is cached, or else loaded, by a call that names everything."""
        ...

    async def call(self, row: int) -> object:
        """The same, through a decorated function where there is one."""
        ...


class ThroughCache:
    """`get`, `get_or_load` and `@cache`, on the same keys."""

    def __init__(self, service: FullCacheService, names: Naming, loader: Loader) -> None:
        self._service = service
        self._names = names
        self._loader = loader
        self._cached: Callable[[int], Awaitable[object]] = self.load
        if isinstance(service, RedisService | MemoryCacheService):

            @cache(prefix="row", key_generator=_suffix, tags=names.tags, service=service, ttl=names.ttl)
            async def read(row: int) -> Stamped | None:
                return await loader(row)

            self._cached = read

    async def look(self, row: int) -> object:
        """What is cached, MISSING when there is nothing."""
        return await self._service.get(self._names.key(row), MISSING)

    async def load(self, row: int) -> object:
        """Through `get_or_load`."""
        names = self._names
        return await self._service.get_or_load(
            names.key(row), partial(self._loader, row), names.ttl, tags=names.tags(row)
        )

    async def call(self, row: int) -> object:
        """Through `@cache`, which only takes the services of this package."""
        return await self._cached(row)


def _suffix(row: int) -> str:
    """The key behind the decorator's prefix."""
    return f"{row}"


class CacheAside:
    """Get; on a miss load and set."""

    def __init__(self, service: FullCacheService, names: Naming, loader: Loader) -> None:
        self._service = service
        self._names = names
        self._loader = loader

    async def look(self, row: int) -> object:
        """What is cached, MISSING when there is nothing."""
        return await self._service.get(self._names.key(row), MISSING)

    async def load(self, row: int) -> object:
        """Look, load, set."""
        found = await self.look(row)
        if found is not MISSING:
            return found
        names = self._names
        value = await self._loader(row)
        await self._service.set(names.key(row), value, names.ttl, tags=names.tags(row))
        return value

    async def call(self, row: int) -> object:
        """The same: there is no decorator that does it naively."""
        return await self.load(row)
