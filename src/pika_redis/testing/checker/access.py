"""The ways to read that a run compares: through the cache, and by the naive cache-aside that everyone writes first.

The naive way uses the same verbs of the same service: get; on a miss load and set. It must fail the checker, because
`set` is the caller's word that a value is current, and a value that was loaded a moment ago may not be. If it passed,
the checker would prove nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from pika_redis import MISSING, FullCacheService, Loaded, MemoryCacheService, RedisService, cache

from .history import Stamped
from .plan import Plan

__all__ = ["Loaders", "Naming", "Ways", "cache_aside", "through_cache"]

Way = Callable[[int], Awaitable[object]]
WayOfSeveral = Callable[[Sequence[int]], Awaitable[Sequence[object]]]


class Ways(NamedTuple):
    """How rows are read, by the names of the ways."""

    single: Mapping[str, Way]
    several: Mapping[str, WayOfSeveral]
    strict: frozenset[str]
    """Those of the ways that promise what the server alone can."""


class Loaders(Protocol):
    """Where rows are loaded from."""

    async def one(self, row: int) -> Stamped | None:
        """A row."""
        ...

    async def several(self, rows: Sequence[int]) -> list[Stamped | None]:
        """Several rows, loaded together."""
        ...


class Naming:
    """The keys and tags of rows, as the cache knows them."""

    def __init__(self, plan: Plan) -> None:
        self.ttl = plan.ttl
        self._keys = [f"row:{row}" for row in range(plan.keys)]
        self._tags = [[plan.tag_name(tag) for tag in plan.tags_of(row)] for row in range(plan.keys)]

    def key(self, row: int) -> str:
        """The key of a row."""
        return self._keys[row]

    def tags(self, row: int) -> list[str]:
        """The tags that the row's entry carries."""
        return self._tags[row]


_SINGLE: Final = ("look", "load", "late_tags", "look_strict", "load_strict", "call", "one")
_SEVERAL: Final = ("look_several", "load_several", "call_several")


def through_cache(service: FullCacheService, names: Naming, loaders: Loaders, plan: Plan) -> Ways:
    """Every verb of the package that reads, on the same keys; a service of somebody else's by the verbs it must have.

    Strict reads and the decorators take services of this package only.
    """
    options: Any = plan.loading

    async def look(row: int) -> object:
        return await service.get(names.key(row), MISSING)

    async def load(row: int, **more: Any) -> object:
        loader = partial(loaders.one, row)
        return await service.get_or_load(names.key(row), loader, names.ttl, tags=names.tags(row), **{**options, **more})

    async def late_tags(row: int) -> object:
        own, *others = names.tags(row)

        async def loader() -> Loaded[Stamped | None]:
            return Loaded(await loaders.one(row), tags=others)

        return await service.get_or_load(names.key(row), loader, names.ttl, tags=[own], **options)

    async def look_several(rows: Sequence[int]) -> Sequence[object]:
        return await service.get_many([names.key(row) for row in rows], MISSING)

    async def load_several(rows: Sequence[int]) -> Sequence[object]:
        return await service.get_or_load_many(
            rows, loaders.several, names.ttl, key=names.key, tags=names.tags, **options
        )

    single: dict[str, Way] = {"look": look, "load": load, "late_tags": late_tags}
    several: dict[str, WayOfSeveral] = {"look_several": look_several, "load_several": load_several}
    if not isinstance(service, RedisService | MemoryCacheService):
        single |= {"look_strict": look, "load_strict": load, "call": load, "one": load}
        return Ways(single, several | {"call_several": load_several}, frozenset())
    own = service

    async def look_strict(row: int) -> object:
        return await own.get(names.key(row), MISSING, consistency="strict")

    @cache(prefix="row", key_generator=_suffix, tags=names.tags, service=own, ttl=names.ttl, **options)
    async def call(row: int) -> object:
        return await loaders.one(row)

    @cache.batch(prefix="row", key=str, tags=names.tags, service=own, ttl=names.ttl, **options)
    async def batch(rows: list[int]) -> list[Stamped | None]:
        return await loaders.several(rows)

    async def call_several(rows: Sequence[int]) -> Sequence[object]:
        found = await batch(rows)
        return [found[row] for row in rows]

    single |= {"look_strict": look_strict, "load_strict": partial(load, consistency="strict")}
    single |= {"call": call, "one": batch.one}
    return Ways(single, several | {"call_several": call_several}, frozenset({"look_strict", "load_strict"}))


def _suffix(row: int) -> str:
    """The key behind the decorator's prefix."""
    return f"{row}"


def cache_aside(service: FullCacheService, names: Naming, loaders: Loaders) -> Ways:
    """Get; on a miss load and set: by whatever name it is asked for."""

    async def look(row: int) -> object:
        return await service.get(names.key(row), MISSING)

    async def load(row: int) -> object:
        found = await look(row)
        if found is not MISSING:
            return found
        value = await loaders.one(row)
        await service.set(names.key(row), value, names.ttl, tags=names.tags(row))
        return value

    async def load_several(rows: Sequence[int]) -> Sequence[object]:
        return [await load(row) for row in rows]

    single: dict[str, Way] = {name: look if name.startswith("look") else load for name in _SINGLE}
    return Ways(single, dict.fromkeys(_SEVERAL, load_several), frozenset())
