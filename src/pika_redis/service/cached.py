"""Cached functions: what `@cache` makes of a function.

Strategy. A cached function is an object with a ``__call__`` of the function's own kind (``async def`` for an async
function, so that frameworks which look await it), the function's signature and attributes, and the helpers ``key_for``,
``invalidate``, ``refresh``, ``peek`` and ``uncached``. There are two of it:

- the *definition* (`CachedAsyncFunction`, `CachedSyncFunction`) stands where the function stood. It is a descriptor
  that binds as what was decorated does: a function to the instance, a classmethod to the class, a staticmethod to
  nothing. It is pickled by its name, as functions are;
- access through an instance or class gives a *bound twin* (`CachedAsync`, `CachedSync`), as it gives a bound method of
  a function: made anew at each access, equal to the others of its receiver, with the same helpers.

Both are thin; the work is done by one `CachedCore` a function. A hit runs one synchronous chain: find the service,
build the key, look into the process's memory. Only what is not there awaits. What depends on the options alone is
settled at decoration, what depends on the service at its first use.
"""

from __future__ import annotations

import inspect
import math
import weakref
from collections.abc import Callable, Mapping
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, final

from ..errors import ArgumentTypeError
from ..model.missing import MISSING, MissingType
from ..policy.read_through import Plan
from ..policy.rules.options import Options, ServiceOptions, resolve
from .annotations import return_annotation
from .arguments import Receiver
from .base import Service
from .current import bypassing
from .default import ServiceSource, checked_service, finder
from .keys import KeyMaker, KeyRules

__all__ = ["Anything", "Arguments", "Cached", "CachedCore", "Definition", "Showing", "Twin"]

P = ParamSpec("P")
T = TypeVar("T")
_is_bypassing = bypassing.get
Arguments = tuple[Any, ...]


class _Settled:
    """A function's options over the defaults of one service, and the service's store as it is now."""

    __slots__ = ("counters", "full_names", "hit", "options", "refresh_ms", "service", "share", "store")

    def __init__(self, service: Service, options: Options) -> None:
        self.service = service
        self.store = service._store  # noqa: SLF001 (without the frame of a property, as below)
        self.hit = self.store.hit if options.enabled else _nothing
        self.options = options
        self.share = options.share
        self.refresh_ms = math.inf if options.strict else options.refresh_ahead * 1000
        self.full_names = service.full_names
        self.counters = service.counts


def _nothing(*_: object) -> MissingType:
    """The hit of a function that is not cached."""
    return MISSING


class CachedCore:
    """One cached function's service, keys and options.

    `told` is what the decorated object said of its receiver: a classmethod's is the class, a staticmethod has none;
    None for a function, which may become a method. Raises ArgumentTypeError or ConfigurationError for whatever is
    wrong with rules, source or options.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        told: Receiver | None,
        rules: KeyRules,
        source: ServiceSource,
        options: ServiceOptions,
    ) -> None:
        self.function = function
        self.doc = function.__doc__
        self.module = function.__module__
        self.told = told
        self.definition: Any = None
        """The object that stands where the function stood."""
        self.maker = KeyMaker(function, rules, told)
        self._memo = self.maker.memo if self.maker.receiver is Receiver.NONE else {}
        """Keys of calls with one argument, see `KeyMaker`."""
        self._find = finder(source, self.maker.receiver)
        self._fixed = source if isinstance(source, Service) else None
        self._given = options
        resolve(Options(), options)  # what makes no sense by itself fails at decoration
        self._settled: _Settled | None = None
        """What was settled for the service of the last call: all that a hit looks at."""
        self._resolved: weakref.WeakKeyDictionary[Service, Options] = weakref.WeakKeyDictionary()

    def hit(self, args: Arguments, kwargs: Mapping[str, object]) -> Any:
        """The value that this process holds fresh, else MISSING."""
        if _is_bypassing():
            return MISSING
        service: object = self._fixed
        if service is None:
            service = self._find(args)
        settled = self._settled
        if settled is None or settled.service is not service or settled.store is not settled.service._store:  # noqa: SLF001
            settled = self._settle(service)
        key = None
        if len(args) == 1 and not kwargs:
            try:
                known = self._memo.get(type(args[0]))
            except TypeError:  # its class has no hash
                known = None
            if known is not None:
                key = known.get(args[0])
        if key is None:
            key = self.maker.key(args, kwargs)
            if key is None:
                return MISSING
        hit = settled.hit  # a bound method that is held is called faster than one that is looked up
        value = hit(settled.full_names[key], settled.refresh_ms, settled.share)
        if value is not MISSING:
            settled.counters.hits += 1
        return value

    def planned(self, args: Arguments, kwargs: Mapping[str, object]) -> tuple[Service, str, Plan] | None:
        """All that a read-through needs: service, name, plan. None for a call that is not cached."""
        if bypassing.get():
            return None
        key = self.maker.key(args, kwargs)
        if key is None:
            return None
        settled = self._ready(args)
        plan = Plan(settled.options, self.maker.tags(args, kwargs), self.maker.is_request_scoped(args, kwargs))
        return settled.service, settled.full_names[key], plan

    def addressed(self, args: Arguments, kwargs: Mapping[str, object]) -> tuple[Service, str]:
        """Service and key of a call. Raises ArgumentTypeError for a call that is not cached."""
        key = self.key_for(args, kwargs)
        return self._ready(args).service, key

    def key_for(self, args: Arguments, kwargs: Mapping[str, object]) -> str:
        """The call's key without the service's prefix. Raises ArgumentTypeError for a call that is not cached."""
        key = self.maker.key(args, kwargs)
        if key is None:
            raise ArgumentTypeError("this call has no key: only GET and HEAD requests are cached")
        return key

    def _ready(self, args: Arguments) -> _Settled:
        """What is settled for the call's service, which can now decode what the function returns."""
        service = self._find(args)
        settled = self._settled
        if settled is None or settled.service is not service:
            settled = self._settle(service)
        settled.service.register_annotation(self._returns)
        return settled

    def _settle(self, found: object) -> _Settled:
        service = checked_service(found)
        options = self._resolved.get(service)
        if options is None:  # two threads may both resolve them, to the same
            options = self._resolved[service] = resolve(service.options, self._given)
        self._settled = settled = _Settled(service, options)
        return settled

    @cached_property
    def _returns(self) -> object:
        return return_annotation(self.function)


@final
class Anything:
    """Named by no annotation: a function that takes it takes anything, so that parameter is no `self` and no `cls`."""


class Cached(Generic[P, T]):
    """What bound twins and definitions of both kinds have in common."""

    __slots__ = ("_bound", "_core")  # beside a `__dict__`, from which whatever wraps a cached function copies
    _core: CachedCore
    _bound: Arguments
    """The receiver of a twin; nothing for a definition."""

    def key_for(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of this call, without the service's prefix. Raises as the call would for its arguments."""
        return self._core.key_for(self._all(args), kwargs)

    def _all(self, args: Arguments) -> Arguments:
        """The arguments with the receiver, for a helper."""
        return self._bound + args

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cached):
            return NotImplemented
        if not (self._bound and other._bound):
            return self is other
        return self._core is other._core and self._bound[0] is other._bound[0]

    def __hash__(self) -> int:
        return hash((id(self._core), *map(id, self._bound)))

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By name, as functions are pickled; a bound twin by its receiver and name, as methods are."""
        if self._bound:
            return getattr, (self._bound[0], self._core.function.__name__)
        return self._core.function.__qualname__

    def __repr__(self) -> str:
        of = f" of {self._bound[0]!r}" if self._bound else ""
        return f"<cached {self._core.function.__qualname__}{of}>"

    if TYPE_CHECKING:
        __name__: str
        __qualname__: str


class Twin(Cached[P, T]):
    """A definition that is bound to its receiver: it shows what the definition does, as methods do of functions."""

    def __init__(self, core: CachedCore, receiver: object) -> None:
        self._core = core
        self._bound = (receiver,)
        self.__doc__ = core.doc
        self.__module__ = core.module

    if not TYPE_CHECKING:  # type checkers shall see no other names

        def __getattr__(self, name: str) -> object:
            core = _core_of(self, name)
            if name == "__self__":
                return self._bound[0]
            if name == "__func__":
                return core.definition
            if name == "__signature__":
                signature = inspect.signature(core.function)
                return signature.replace(parameters=list(signature.parameters.values())[1:])
            return _shown(self, core.definition, name)


def _core_of(cached: Cached[..., Any], wanted: str) -> CachedCore:
    """For a look at an attribute that is not there. Raises AttributeError for an object that is not made yet."""
    if wanted == "_core":
        raise AttributeError(f"this {type(cached).__name__} is not made yet", name=wanted, obj=cached)
    return cached._core  # noqa: SLF001 (of the same room)


def _shown(cached: object, source: object, name: str) -> object:
    """What a cached function shows of its source. Raises AttributeError."""
    try:
        return getattr(source, name)
    except AttributeError:
        raise AttributeError(f"{type(cached).__name__} has no attribute {name!r}", name=name, obj=cached) from None


class _OfFunction:
    """An attribute of the function that its definition shows too."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, definition: Definition[..., Any] | None, owner: type[Any]) -> object:
        if definition is None:
            return _shown(owner, None, self._name)
        return _shown(definition, definition._core.function, self._name)  # noqa: SLF001 (of the same room)


class Definition(Cached[P, T]):
    """The object that stands where the function stood.

    It has what `update_wrapper` copies of a function, and shows what functions have beside. There is no `__getattr__`,
    which, used or not, slows down each look at an attribute; and nothing more is copied, or whatever is wrapped around
    a definition would be given the function's code, and be taken for a function by `inspect`.
    """

    if not TYPE_CHECKING:
        __builtins__ = _OfFunction("__builtins__")
        __closure__ = _OfFunction("__closure__")
        __code__ = _OfFunction("__code__")
        __defaults__ = _OfFunction("__defaults__")
        __globals__ = _OfFunction("__globals__")
        __kwdefaults__ = _OfFunction("__kwdefaults__")

    def __init__(self, core: CachedCore) -> None:
        update_wrapper(cast("Any", self), core.function)
        self._core = core
        self._bound = ()
        self._binds_class = core.told is Receiver.CLASS
        self._is_static = core.told is Receiver.NONE
        core.definition = self

    def _all(self, args: Arguments) -> Arguments:
        if self._core.maker.receiver is Receiver.CLASS and not (args and self._is_method_of(args[0])):
            name = self.__qualname__
            raise ArgumentTypeError(
                f"{name}: from Python 3.13 on @classmethod above @cache hides the class from the helpers; write @cache "
                f"above @classmethod, or name the class first: {name}.key_for({name.rpartition('.')[0]}, ...)"
            )
        return args

    def _is_method_of(self, owner: object) -> bool:
        places = [vars(kind).values() for kind in owner.__mro__] if isinstance(owner, type) else []
        return any(getattr(found, "__func__", found) is self for place in places for found in place)


class Showing:
    """The definition of an object that another decorator made: it shows what that object does, whatever that is."""

    if not TYPE_CHECKING:  # type checkers shall see no other names

        def __getattr__(self, name: str) -> object:
            return _shown(self, _core_of(self, name).function, name)
