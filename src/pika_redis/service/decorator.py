"""`@cache`: the public face of cached functions, and `@cache.invalidates` for the functions that write."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import FunctionType
from typing import Any, Final, ParamSpec, Protocol, TypeVar, Unpack, overload

from ..errors import ArgumentTypeError
from ..policy.rules.options import CacheOptions, ServiceOptions
from .batch import Batch, BatchRules
from .cached import Cached, CachedCore
from .cached_async import CachedAsync, CachedAsyncFunction, CachedAsyncObject
from .cached_sync import CachedSync, CachedSyncFunction, CachedSyncObject
from .default import ServiceSource
from .invalidates import Invalidation
from .keys import KeyGenerator, KeyRules
from .tags import Tags
from .targets import is_async, plain_function

__all__ = ["cache", "cached"]

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
C = TypeVar("C")
K = TypeVar("K")
F = TypeVar("F", bound="Callable[..., Any] | classmethod[Any, ..., Any] | staticmethod[..., Any]")


class BatchDecorator(Protocol):
    """What `@cache.batch(...)` gives."""

    @overload
    def __call__(self, function: Callable[[list[K]], Coroutine[Any, Any, Mapping[K, T]]], /) -> Batch[K, T | None]: ...
    @overload
    def __call__(self, function: Callable[[list[K]], Coroutine[Any, Any, Sequence[T]]], /) -> Batch[K, T]: ...
    @overload
    def __call__(  # a method
        self, function: Callable[[Any, list[K]], Coroutine[Any, Any, Mapping[K, T]]], /
    ) -> Batch[K, T | None]: ...
    @overload
    def __call__(self, function: Callable[[Any, list[K]], Coroutine[Any, Any, Sequence[T]]], /) -> Batch[K, T]: ...


class CacheDecorator(Protocol):
    """What `@cache(...)` with options gives: the decorator itself."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: classmethod[C, Q, Coroutine[Any, Any, T]], /
    ) -> CachedAsync[Q, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: staticmethod[P, Coroutine[Any, Any, T]], /
    ) -> CachedAsync[P, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, T]], /
    ) -> CachedAsyncFunction[P, T]: ...
    @overload
    def __call__(self, function: classmethod[C, Q, T], /) -> CachedSync[Q, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: staticmethod[P, T], /
    ) -> CachedSync[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> CachedSyncFunction[P, T]: ...


class _Cache:
    """The object behind the name `cache`."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: classmethod[C, Q, Coroutine[Any, Any, T]], /
    ) -> CachedAsync[Q, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: staticmethod[P, Coroutine[Any, Any, T]], /
    ) -> CachedAsync[P, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, T]], /
    ) -> CachedAsyncFunction[P, T]: ...
    @overload
    def __call__(self, function: classmethod[C, Q, T], /) -> CachedSync[Q, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: staticmethod[P, T], /
    ) -> CachedSync[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> CachedSyncFunction[P, T]: ...
    @overload
    def __call__(
        self,
        function: None = None,
        /,
        *,
        prefix: str = "",
        key_generator: KeyGenerator = None,
        tags: Tags = (),
        service: ServiceSource = None,
        request_scoped: Sequence[str] = (),
        public: bool = False,
        **options: Unpack[CacheOptions],
    ) -> CacheDecorator: ...
    def __call__(
        self,
        function: Any = None,
        /,
        *,
        prefix: str = "",
        key_generator: KeyGenerator = None,
        tags: Tags = (),
        service: ServiceSource = None,
        request_scoped: Sequence[str] = (),
        public: bool = False,
        **options: Unpack[CacheOptions],
    ) -> Any:
        """Cache the results of a function, method, classmethod, staticmethod or route handler, async or not.

        `prefix` begins the keys; `key_generator` is a function of the arguments, "http_request", or None for a key
        from all arguments; `tags` are templates such as ``"user:{id}"`` or a function of the arguments; `service` is a
        service or a function that gives one; `request_scoped` names parameters whose values die with the request;
        `public` says that credentials do not change what an "http_request" key stands for. `options` are those of
        `CacheOptions`. Raises ArgumentTypeError (a TypeError) or ConfigurationError (a ValueError) at decoration.
        """
        rules = KeyRules(
            prefix=prefix,
            key_generator=key_generator,
            tags=tags,
            ignore=options.pop("ignore", ()),
            version=options.pop("version", 0),
            request_scoped=request_scoped,
            public=public,
        )

        def decorate(target: Any) -> Any:
            function, told = plain_function(target, "@cache")
            if isinstance(function, Cached):
                raise ArgumentTypeError(f"{function!r} is cached already")
            core = CachedCore(function, told, rules, service, options)
            if isinstance(function, FunctionType):
                return CachedAsyncFunction(core) if is_async(function) else CachedSyncFunction(core)
            return CachedAsyncObject(core) if is_async(function) else CachedSyncObject(core)

        return decorate if function is None else decorate(function)

    def batch(
        self,
        *,
        key: Callable[[Any], str],
        prefix: str = "",
        tags: Tags | Callable[[Any], Sequence[str]] = (),
        service: ServiceSource = None,
        **options: Unpack[ServiceOptions],
    ) -> BatchDecorator:
        """For functions of a list of items that give a mapping from items or a sequence aligned with them.

        Each item is cached by itself, under `key(item)`; the function is called with those that are missing. `tags`
        are templates in which ``{id}`` is the item, or a function of the item. An item that is absent from a mapping is
        a None. The decorated function gives a dict in the order asked for, and has `one`, `key_for`, `invalidate` and
        `uncached`. Raises ArgumentTypeError or ConfigurationError at decoration.
        """
        rules = BatchRules(key, prefix, tags)

        def decorate(function: Callable[..., Any]) -> Batch[Any, Any]:
            return Batch.of(function, rules, service, options)

        return decorate

    def invalidates(self, *, tags: Tags = (), keys: Tags = (), service: ServiceSource = None) -> Callable[[F], F]:
        """For functions that write: when the call has returned, end the entries with these tags and at these keys.

        `tags` and `keys` are templates such as ``"user:{id}"`` or functions of the arguments. A call that raises
        invalidates nothing. Inside a database transaction decorate the function that commits, not one within.
        """
        return Invalidation(tags, keys, service)


cache: Final = _Cache()
cached: Final = cache
"""The same decorator, for files that also use `functools.cache`."""
