"""Cached async functions: the definition, and the bound twin that access through an instance or class gives."""

from __future__ import annotations

import asyncio.coroutines
import inspect
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast, overload

from ..model.missing import MISSING, MissingType
from ..policy.loading import value_of
from .cached import Anything, Cached, Definition, Showing, Twin

__all__ = ["CachedAsync", "CachedAsyncFunction", "CachedAsyncObject"]

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")
F = TypeVar("F", bound=Callable[Concatenate[Anything, ...], Coroutine[Any, Any, Any]])


class CachedAsync(Cached[P, T]):
    """What an async function with cached results can do; as an object of its own, the method of one receiver."""

    # Whoever asks whether a call gives a coroutine is told by asyncio's mark, from Python 3.12 on by that of inspect
    # (below). FastAPI and Starlette look at `__call__` themselves.
    _is_coroutine: object = getattr(asyncio.coroutines, "_is_coroutine", None)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The cached result of this call, or what the function gives, which is then stored."""
        core = self._core
        given = self._bound + args if self._bound else args
        value: T = core.hit(given, kwargs)
        if value is not MISSING:
            return value
        planned = core.planned(given, kwargs)
        if planned is None:
            return cast("T", value_of(await core.function(*given, **kwargs)))
        service, name, plan = planned
        return cast("T", await service.reads.get_or_load(name, partial(core.function, *given, **kwargs), plan))

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Remove the entry of this call; whether there was one."""
        service, key = self._core.addressed(self._all(args), kwargs)
        return await service.delete(key)

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Load now, store, and give the result."""
        core, given = self._core, self._all(args)
        planned = core.planned(given, kwargs)
        if planned is None:
            return cast("T", value_of(await core.function(*given, **kwargs)))
        service, name, plan = planned
        return cast("T", await service.reads.refresh(name, partial(core.function, *given, **kwargs), plan))

    async def peek(self, *args: P.args, **kwargs: P.kwargs) -> T | MissingType:
        """The cached result, or MISSING; never loads."""
        service, key = self._core.addressed(self._all(args), kwargs)
        return cast("T | MissingType", await service.get(key, MISSING))

    async def uncached(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function itself gives; nothing is looked up or stored."""
        return cast("T", value_of(await self._core.function(*self._all(args), **kwargs)))

    if TYPE_CHECKING:

        @property
        def __wrapped__(self) -> Callable[..., Coroutine[Any, Any, T]]: ...


class BoundAsync(Twin[P, T], CachedAsync[P, T]):
    """An async function with cached results and its receiver."""


class CachedAsyncFunction(Definition[P, T], CachedAsync[P, T]):
    """A cached async function where it was defined; through an instance or class it is bound."""

    @overload  # a first parameter that takes anything: no method but a function, or a staticmethod
    def __get__(self: F, instance: object, owner: type[Any] | None = None) -> F: ...  # type: ignore[misc]
    @overload  # a classmethod
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], Coroutine[Any, Any, R]], instance: S | None, owner: type[S]
    ) -> CachedAsync[Q, R]: ...
    @overload  # a method through its class
    def __get__(self, instance: None, owner: type[Any]) -> CachedAsyncFunction[P, T]: ...
    @overload  # a method
    def __get__(
        self: Callable[Concatenate[S, Q], Coroutine[Any, Any, R]], instance: S, owner: type[Any] | None = None
    ) -> CachedAsync[Q, R]: ...
    @overload  # a staticmethod
    def __get__(self, instance: object, owner: type[Any] | None = None) -> CachedAsyncFunction[P, T]: ...
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        if self._binds_class:
            return BoundAsync(self._core, type(instance) if owner is None else owner)
        return self if instance is None or self._is_static else BoundAsync(self._core, instance)


class CachedAsyncObject(Showing, CachedAsyncFunction[P, T]):
    """The same of what is no plain function."""


if sys.version_info >= (3, 12):
    inspect.markcoroutinefunction(CachedAsync)
