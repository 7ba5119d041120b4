"""The verb `get_or_load`, with all that type checkers are to know of its loaders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, Unpack, overload

from ..errors import ArgumentTypeError
from ..model.duration import Duration
from ..model.loaded import Loaded
from ..model.missing import MISSING
from ..policy.loader import Loader
from ..policy.read_through import Plan, ReadThrough
from ..policy.rules.options import LoadOptions, resolve
from .batch_loads import BatchLoads
from .current import bypassing
from .key_checks import check_tags

__all__ = ["ReadingThrough"]

T = TypeVar("T")
_is_bypassing = bypassing.get


class ReadingThrough(BatchLoads):
    """The part of a service that reads through."""

    _reads: ReadThrough

    @overload
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Awaitable[Loaded[T]]],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> T: ...
    @overload
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Awaitable[T]],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> T: ...
    @overload
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Loaded[T]],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> T: ...
    @overload
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], T],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> T: ...
    async def get_or_load(
        self,
        key: str,
        loader: Loader,
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> object:
        """The value of `key`; when there is none, `loader()` gives it, once for all who wait, and it is stored.

        `loader` is async, or a plain function that runs in a thread. What is invalidated while it runs is not stored.
        Raises what the loader raises, LoadTimeoutError after `hard_timeout`, SerializationError for a value that
        can't be stored. A store that can't be reached is no error here: the value is loaded and not stored.
        """
        if not callable(loader):
            raise ArgumentTypeError(f"loader must be a function without arguments, not {type(loader).__name__}")
        given = options if ttl is None else {**options, "ttl": ttl}
        resolved = resolve(self._options, given) if given else self._options
        checked = check_tags(tags)
        name = self._full_names[key] if type(key) is str else self.name_of(key)  # no call, as in `get`
        if _is_bypassing():
            return await self._reads.uncached(name, loader, Plan(resolved, checked))
        value = self._reads.hit(name, resolved)
        if value is not MISSING:
            return value
        return await self._reads.get_or_load(name, loader, Plan(resolved, checked))
