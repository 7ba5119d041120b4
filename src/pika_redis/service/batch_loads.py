"""Reading through for many items, with one call of a loader for those that are missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, Unpack, overload

from ..codec import Codec
from ..errors import ArgumentTypeError
from ..model.duration import Duration
from ..policy.bulk import BulkReads, Wanted
from ..policy.folding import aligned
from ..policy.loading import Plan
from ..policy.rules.options import LoadOptions, Options, resolve
from ..storage.copies import copier
from .current import bypassing
from .key_checks import check_tags
from .lookups import Lookups

__all__ = ["BatchLoads", "TagsOfItem"]

I = TypeVar("I")  # noqa: E741 (an item)
V = TypeVar("V")
TagsOfItem: TypeAlias = Sequence[str] | Callable[[Any], Sequence[str]]
"""The tags of every entry, or a function that gives those of one item's."""


class BatchLoads(Lookups):
    """What a service does to read many items through."""

    _options: Options
    _batches: BulkReads
    _codec: Codec

    @overload
    async def get_or_load_many(
        self,
        items: Iterable[I],
        loader: Callable[[list[I]], Awaitable[Mapping[I, V] | Sequence[V]]],
        ttl: Duration | None = None,
        *,
        key: Callable[[I], str] = str,
        tags: TagsOfItem = (),
        **options: Unpack[LoadOptions],
    ) -> list[V | None]: ...
    @overload
    async def get_or_load_many(
        self,
        items: Iterable[I],
        loader: Callable[[list[I]], Mapping[I, V] | Sequence[V]],
        ttl: Duration | None = None,
        *,
        key: Callable[[I], str] = str,
        tags: TagsOfItem = (),
        **options: Unpack[LoadOptions],
    ) -> list[V | None]: ...
    async def get_or_load_many(
        self,
        items: Iterable[Any],
        loader: Callable[[list[Any]], Any],
        ttl: Duration | None = None,
        *,
        key: Callable[[Any], str] = str,
        tags: TagsOfItem = (),
        **options: Unpack[LoadOptions],
    ) -> list[Any]:
        """The values of many items, aligned with them; `loader(missing)` gives those that are missing, in one call.

        `key` makes an item's key, `tags` are those of every entry or a function of the item. The loader is called with
        a list of items and gives a mapping from items (one that is absent is a None) or a sequence aligned with them.
        What other callers or processes load at the moment is waited for instead. Raises what the loader raises, and as
        `get_or_load`.
        """
        if isinstance(items, str | bytes):
            raise ArgumentTypeError(f"items must be several items; for one, write [{items!r}]")
        _check_functions(loader, key)
        given = dict(options) if ttl is None else {**options, "ttl": ttl}
        settled = resolve(self._options, given)
        wanted = list(items)
        if bypassing.get():
            return aligned(await _called(loader, wanted), wanted) if wanted else []
        names = [self.name_of(key(item)) for item in wanted]
        distinct = {
            name: Wanted(name, item, Plan(settled, _tags_of(tags, item)))
            for name, item in zip(names, wanted, strict=True)
        }
        found = await self._batches.get_or_load_many(list(distinct.values()), loader)
        if len(distinct) == len(names):
            return found
        by_name = dict(zip(distinct, found, strict=True))
        if settled.share:
            return [by_name[name] for name in names]
        copies = {name: copier(self._codec)(value) for name, value in by_name.items()}
        return [copies[name]() for name in names]


def _check_functions(loader: object, key: object) -> None:
    for name, function, of in (("loader", loader, "a list of items"), ("key", key, "one item")):
        if not callable(function):
            raise ArgumentTypeError(f"{name} must be a function of {of}, not {type(function).__name__}")


def _tags_of(tags: TagsOfItem, item: object) -> tuple[str, ...]:
    return check_tags(tags(item) if callable(tags) else tags)


async def _called(loader: Callable[[list[Any]], Any], items: list[Any]) -> object:
    result = loader(items)
    return await result if isinstance(result, Awaitable) else result
