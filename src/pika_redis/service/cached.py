"""Cached functions: what `@cache` makes of a function.

Strategy. A cached function is an object with an ``__call__`` of the function's own kind (``async def`` for async
functions, so that frameworks which ask await it), the function's signature, and the helpers ``key_for``,
``invalidate``, ``refresh``, ``peek`` and ``uncached``. It is a descriptor: through an instance or class it gives a
bound twin, so the helpers work there too.

A hit runs one synchronous chain: find the service, build the key, look into the process's memory. Only what is not
there awaits. What depends on the options alone is settled at decoration, what depends on the service at its first use.
"""

from __future__ import annotations

import asyncio
import asyncio.coroutines
import inspect
from collections.abc import Callable, Mapping
from functools import partial, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, get_type_hints, overload

from ..errors import ArgumentTypeError
from ..model.missing import MISSING, MissingType
from ..policy.read_through import Plan
from ..policy.rules.options import CacheOptions, Options, resolve
from .arguments import Receiver
from .base import Service
from .current import bypassing
from .default import current_service
from .keys import KeyMaker

__all__ = [
    "CachedAsync",
    "CachedClassAsync",
    "CachedClassSync",
    "CachedCore",
    "CachedSync",
    "ServiceSource",
    "finder",
]

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
S = TypeVar("S")
_ASYNCIO_MARK: object = getattr(asyncio.coroutines, "_is_coroutine", None)
ServiceSource = Service | Callable[[], Service] | None
Arguments = tuple[object, ...]


class CachedCore:
    """What async and sync cached functions share: service, key, options, plan of a call."""

    def __init__(
        self, function: Callable[..., Any], maker: KeyMaker, source: ServiceSource, options: CacheOptions
    ) -> None:
        self.function = function
        self.maker = maker
        self.options = options
        self.find = finder(source, maker.receiver)
        self._settled: tuple[Service, Options, float] | None = None
        resolve(Options(), options)  # what makes no sense by itself fails at decoration

    def settled(self, service: Service) -> tuple[Service, Options, float]:
        """The service with the options as they are over its defaults, and the refresh window in ms."""
        settled = self._settled
        if settled is not None and settled[0] is service:
            return settled
        options = resolve(service.options, self.options)
        service.register_annotation(_return_annotation(self.function))
        self._settled = settled = (service, options, options.refresh_ahead * 1000)
        return settled

    def hit(self, args: Arguments, kwargs: Mapping[str, object]) -> object:
        """The value that this process holds fresh, else MISSING."""
        service = self.find(args)
        settled = self._settled
        if settled is None or settled[0] is not service:
            settled = self.settled(service)
        key = self.maker.key(args, kwargs)
        if key is None or bypassing.get() or not settled[1].enabled:
            return MISSING
        return service.hit(key, settled[2])

    def planned(self, args: Arguments, kwargs: Mapping[str, object]) -> tuple[Service, str | None, Plan]:
        """Everything the slow path needs: service, key (None = not to be cached), plan."""
        service, options, _ = self.settled(self.find(args))
        key = None if bypassing.get() else self.maker.key(args, kwargs)
        attached = self.maker.is_request_scoped(args, kwargs)
        return service, key, Plan(options, self.maker.tags(args, kwargs), attached)

    def key_for(self, args: Arguments, kwargs: Mapping[str, object]) -> str:
        """The call's key without the service's prefix. Raises ArgumentTypeError for a call that is not cached."""
        key = self.maker.key(args, kwargs)
        if key is None:
            raise ArgumentTypeError("this call has no key: only GET and HEAD requests are cached")
        return key


class Cached(Generic[P, T]):
    """What async and sync cached functions have in common; `bound` is the receiver of a method."""

    def __init__(self, core: CachedCore, bound: Arguments = ()) -> None:
        self._core = core
        self._bound = bound
        if not bound:
            update_wrapper(cast("Any", self), core.function)

    def key_for(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of this call, without the service's prefix. Raises as the call would for its arguments."""
        return self._core.key_for(self._bound + args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return _from_function(self, self._core, self._bound, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cached):
            return NotImplemented
        same = self._core is other._core and len(self._bound) == len(other._bound)
        return same and all(one is another for one, another in zip(self._bound, other._bound, strict=True))

    def __hash__(self) -> int:
        return hash((id(self._core), *map(id, self._bound)))

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By name, as functions are pickled; a bound twin by its receiver and name."""
        if self._bound:
            return getattr, (self._bound[0], self._core.function.__name__)
        return self._core.function.__qualname__

    def __repr__(self) -> str:
        return f"<cached {self._core.function.__qualname__}>"


class CachedAsync(Cached[P, T]):
    """A cached async function, or (`bound`) the method of one instance or class."""

    def __init__(self, core: CachedCore, bound: Arguments = ()) -> None:
        super().__init__(core, bound)
        _mark_as_coroutine_function(self)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The cached result of this call, or what the function gives, which is then stored."""
        core = self._core
        given = self._bound + args if self._bound else args
        value = core.hit(given, kwargs)
        if value is not MISSING:
            return cast("T", value)
        service, key, plan = core.planned(given, kwargs)
        loader = partial(core.function, *given, **kwargs)
        if key is None:
            return cast("T", await loader())
        return cast("T", await service.reads.get_or_load(service.name_of(key), loader, plan))

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Remove the entry of this call; whether there was one."""
        given = self._bound + args
        return await self._core.find(given).delete(self._core.key_for(given, kwargs))

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Load now, store, and give the result."""
        given = self._bound + args
        service, key, plan = self._core.planned(given, kwargs)
        loader = partial(self._core.function, *given, **kwargs)
        if key is None:
            return cast("T", await loader())
        return cast("T", await service.reads.refresh(service.name_of(key), loader, plan))

    async def peek(self, *args: P.args, **kwargs: P.kwargs) -> T | MissingType:
        """The cached result, or MISSING; never loads."""
        given = self._bound + args
        service = self._core.settled(self._core.find(given))[0]
        return cast("T | MissingType", await service.get(self._core.key_for(given, kwargs), MISSING))

    async def uncached(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function itself; nothing is looked up or stored."""
        return cast("T", await self._core.function(*self._bound, *args, **kwargs))

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(
        self: CachedAsync[Concatenate[S, Q], T], instance: S, owner: type[Any] | None = None
    ) -> CachedAsync[Q, T]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        bound = _bound_to(self._core, instance, owner)
        return CachedAsync(self._core, bound) if bound else self


class CachedSync(Cached[P, T]):
    """A cached synchronous function: needs a service whose verbs never wait (memory)."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The cached result of this call, or what the function gives, which is then stored."""
        core = self._core
        given = self._bound + args if self._bound else args
        value = core.hit(given, kwargs)
        if value is not MISSING:
            return cast("T", value)
        service, key, plan = core.planned(given, kwargs)
        reads = service.sync_reads()
        loader = partial(core.function, *given, **kwargs)
        return cast("T", loader() if key is None else reads.get_or_load(service.name_of(key), loader, plan))

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Remove the entry of this call; whether there was one."""
        given = self._bound + args
        return self._core.find(given).sync.delete(self._core.key_for(given, kwargs))

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Load now, store, and give the result."""
        given = self._bound + args
        service, key, plan = self._core.planned(given, kwargs)
        reads = service.sync_reads()
        loader = partial(self._core.function, *given, **kwargs)
        return cast("T", loader() if key is None else reads.refresh(service.name_of(key), loader, plan))

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> T | MissingType:
        """The cached result, or MISSING; never loads."""
        given = self._bound + args
        service = self._core.settled(self._core.find(given))[0]
        return cast("T | MissingType", service.sync.get(self._core.key_for(given, kwargs), MISSING))

    def uncached(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function itself; nothing is looked up or stored."""
        return cast("T", self._core.function(*self._bound, *args, **kwargs))

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(
        self: CachedSync[Concatenate[S, Q], T], instance: S, owner: type[Any] | None = None
    ) -> CachedSync[Q, T]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        bound = _bound_to(self._core, instance, owner)
        return CachedSync(self._core, bound) if bound else self


class CachedClassAsync(CachedAsync[Concatenate[type[S], Q], T], Generic[S, Q, T]):
    """A cached async classmethod: through the class and through instances it is bound to the class."""

    def __get__(self, instance: S | None, owner: type[S] | None = None) -> CachedAsync[Q, T]:  # type: ignore[override]
        return CachedAsync(self._core, _bound_to(self._core, instance, owner))


class CachedClassSync(CachedSync[Concatenate[type[S], Q], T], Generic[S, Q, T]):
    """A cached synchronous classmethod: through the class and through instances it is bound to the class."""

    def __get__(self, instance: S | None, owner: type[S] | None = None) -> CachedSync[Q, T]:  # type: ignore[override]
        return CachedSync(self._core, _bound_to(self._core, instance, owner))


def finder(source: ServiceSource, receiver: Receiver) -> Callable[[Arguments], Service]:
    """How the service of a call is found, settled at decoration."""
    if isinstance(source, Service):
        return lambda _: source
    if source is not None and not callable(source):
        raise ArgumentTypeError(f"service must be a service or a function that gives one, not {type(source).__name__}")
    if source is not None:
        given = source
        return lambda _: given()
    if receiver is Receiver.NONE:
        return lambda _: current_service()
    return lambda args: getattr(args[0], "cache_service", None) or current_service()


def _bound_to(core: CachedCore, instance: object, owner: type[Any] | None) -> Arguments:
    """What access through an instance or class puts before the arguments."""
    match core.maker.receiver:
        case Receiver.CLASS:
            bound = owner if owner is not None else instance if isinstance(instance, type) else type(instance)
            # `@classmethod` outside of us hands the class over as the instance
            return (instance if isinstance(instance, type) else bound,)
        case Receiver.INSTANCE if instance is not None:
            return (instance,)
        case _:
            return ()


def _from_function(cached: object, core: CachedCore, bound: Arguments, name: str) -> Any:
    """What a bound twin shows of its function: name, docstring, and the signature without the receiver."""
    if bound and name == "__signature__":
        signature = inspect.signature(core.function)
        return signature.replace(parameters=list(signature.parameters.values())[1:])
    if bound and name in ("__name__", "__qualname__", "__doc__", "__module__", "__wrapped__"):
        return getattr(core.function, name)
    raise AttributeError(f"{cached!r} has no attribute {name!r}")


def _return_annotation(function: Callable[..., Any]) -> object:
    """The function's return annotation, resolved; None when that can't be done."""
    try:
        return get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 (whatever a user's annotation raises when it is evaluated)
        return None


def _mark_as_coroutine_function(cached: object) -> None:
    """Let `inspect.iscoroutinefunction` (3.12) and asyncio's (3.11) know that a call gives a coroutine."""
    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        mark(cached)
    else:
        setattr(cached, "_is_coroutine", _ASYNCIO_MARK)  # noqa: B010 (asyncio's name, not ours)
