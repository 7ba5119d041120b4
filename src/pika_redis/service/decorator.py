"""`@cache`: the public face of cached functions, and `@cache.invalidates` for the functions that write."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar, Unpack, overload

from ..errors import ArgumentTypeError
from ..policy.rules.options import CacheOptions
from .arguments import Receiver
from .cached import CachedAsync, CachedClassAsync, CachedClassSync, CachedCore, CachedSync, ServiceSource
from .invalidates import Invalidation
from .keys import KeyGenerator, KeyMaker, KeyRules
from .tags import Tags

__all__ = ["cache", "cached"]

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
C = TypeVar("C")
F = TypeVar("F", bound=Callable[..., Any])


_ASYNC: Mapping[bool, Callable[[CachedCore], object]] = {False: CachedAsync, True: CachedClassAsync}
_SYNC: Mapping[bool, Callable[[CachedCore], object]] = {False: CachedSync, True: CachedClassSync}


class CacheDecorator(Protocol):
    """What `@cache(...)` with options gives: the decorator itself."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: classmethod[C, Q, Coroutine[Any, Any, T]], /
    ) -> CachedClassAsync[C, Q, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: staticmethod[P, Coroutine[Any, Any, T]], /
    ) -> CachedAsync[P, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[Concatenate[type[C], Q], Coroutine[Any, Any, T]], /
    ) -> CachedClassAsync[C, Q, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, T]], /
    ) -> CachedAsync[P, T]: ...
    @overload
    def __call__(self, function: classmethod[C, Q, T], /) -> CachedClassSync[C, Q, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: staticmethod[P, T], /
    ) -> CachedSync[P, T]: ...
    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[Concatenate[type[C], Q], T], /
    ) -> CachedClassSync[C, Q, T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> CachedSync[P, T]: ...


class _Cache:
    """The object behind the name `cache`."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: classmethod[C, Q, Coroutine[Any, Any, T]], /
    ) -> CachedClassAsync[C, Q, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: staticmethod[P, Coroutine[Any, Any, T]], /
    ) -> CachedAsync[P, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[Concatenate[type[C], Q], Coroutine[Any, Any, T]], /
    ) -> CachedClassAsync[C, Q, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, T]], /
    ) -> CachedAsync[P, T]: ...
    @overload
    def __call__(self, function: classmethod[C, Q, T], /) -> CachedClassSync[C, Q, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: staticmethod[P, T], /
    ) -> CachedSync[P, T]: ...
    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[Concatenate[type[C], Q], T], /
    ) -> CachedClassSync[C, Q, T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> CachedSync[P, T]: ...
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
            ignore=options.get("ignore", ()),
            version=options.get("version", 0),
            request_scoped=request_scoped,
            public=public,
        )

        def decorate(target: Any) -> Any:
            plain, receiver = _unwrapped(target)
            core = CachedCore(plain, KeyMaker(plain, rules, receiver), service, options)
            kinds = _ASYNC if inspect.iscoroutinefunction(plain) else _SYNC
            return kinds[core.maker.receiver is Receiver.CLASS](core)

        return decorate if function is None else decorate(function)

    def invalidates(self, *, tags: Tags = (), keys: Tags = (), service: ServiceSource = None) -> Callable[[F], F]:
        """For functions that write: when the call has returned, end the entries with these tags and at these keys.

        `tags` and `keys` are templates such as ``"user:{id}"`` or functions of the arguments. A call that raises
        invalidates nothing. Inside a database transaction decorate the function that commits, not one within.
        """
        return Invalidation(tags, keys, service)


def _unwrapped(target: Any) -> tuple[Callable[..., Any], Receiver | None]:
    """The plain function behind what was decorated, and its receiver where the wrapping tells."""
    receiver = None
    if isinstance(target, classmethod):
        target, receiver = target.__func__, Receiver.CLASS
    elif isinstance(target, staticmethod):
        target, receiver = target.__func__, Receiver.NONE
    if isinstance(target, CachedAsync | CachedSync):
        raise ArgumentTypeError(f"{target!r} is cached already")
    if isinstance(target, property | functools.cached_property):
        raise ArgumentTypeError("@cache does not take a property: cache the function that it calls")
    if inspect.isclass(target):
        raise ArgumentTypeError(f"@cache does not take the class {target.__name__}: cache a function that makes one")
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise ArgumentTypeError(f"@cache does not take the generator {target.__qualname__}: return a list instead")
    if not callable(target) or not hasattr(target, "__qualname__"):
        raise ArgumentTypeError(f"@cache takes a function, not {type(target).__name__}")
    return target, receiver


cache: Final = _Cache()
cached: Final = cache
"""The same decorator, for files that also use `functools.cache`."""
