"""Cached synchronous functions: the definition, and the bound twin that access through an instance or class gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast, overload

from ..model.missing import MISSING, MissingType
from ..policy.loading import value_of
from .cached import Anything, Cached, Definition, Showing, Twin

__all__ = ["CachedSync", "CachedSyncFunction", "CachedSyncObject"]

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")
F = TypeVar("F", bound=Callable[Concatenate[Anything, ...], Any])


class CachedSync(Cached[P, T]):
    """What a synchronous function with cached results can do; as an object of its own, the method of one receiver.

    The service must be one whose verbs never wait (memory, or switched off); with a server behind it a call raises
    ArgumentTypeError.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The cached result of this call, or what the function gives, which is then stored."""
        core = self._core
        given = self._bound + args if self._bound else args
        value: T = core.hit(given, kwargs)
        if value is not MISSING:
            return value
        planned = core.planned(given, kwargs)
        if planned is None:
            return cast("T", value_of(core.function(*given, **kwargs)))
        service, name, plan = planned
        return cast("T", service.sync_reads().get_or_load(name, partial(core.function, *given, **kwargs), plan))

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Remove the entry of this call; whether there was one."""
        service, key = self._core.addressed(self._all(args), kwargs)
        return service.sync.delete(key)

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Load now, store, and give the result."""
        core, given = self._core, self._all(args)
        planned = core.planned(given, kwargs)
        if planned is None:
            return cast("T", value_of(core.function(*given, **kwargs)))
        service, name, plan = planned
        return cast("T", service.sync_reads().refresh(name, partial(core.function, *given, **kwargs), plan))

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> T | MissingType:
        """The cached result, or MISSING; never loads."""
        service, key = self._core.addressed(self._all(args), kwargs)
        return cast("T | MissingType", service.sync.get(key, MISSING))

    def uncached(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function itself gives; nothing is looked up or stored."""
        return cast("T", value_of(self._core.function(*self._all(args), **kwargs)))

    if TYPE_CHECKING:

        @property
        def __wrapped__(self) -> Callable[..., T]: ...


class BoundSync(Twin[P, T], CachedSync[P, T]):
    """A synchronous function with cached results and its receiver."""


class CachedSyncFunction(Definition[P, T], CachedSync[P, T]):
    """A cached synchronous function where it was defined; through an instance or class it is bound."""

    @overload  # a first parameter that takes anything: no method but a function, or a staticmethod
    def __get__(self: F, instance: object, owner: type[Any] | None = None) -> F: ...  # type: ignore[misc]
    @overload  # a classmethod
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], R], instance: S | None, owner: type[S]
    ) -> CachedSync[Q, R]: ...
    @overload  # a method through its class
    def __get__(self, instance: None, owner: type[Any]) -> CachedSyncFunction[P, T]: ...
    @overload  # a method
    def __get__(
        self: Callable[Concatenate[S, Q], R], instance: S, owner: type[Any] | None = None
    ) -> CachedSync[Q, R]: ...
    @overload  # a staticmethod
    def __get__(self, instance: object, owner: type[Any] | None = None) -> CachedSyncFunction[P, T]: ...
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        if self._binds_class:
            return BoundSync(self._core, type(instance) if owner is None else owner)
        return self if instance is None or self._is_static else BoundSync(self._core, instance)


class CachedSyncObject(Showing, CachedSyncFunction[P, T]):
    """The same of what is no plain function."""
