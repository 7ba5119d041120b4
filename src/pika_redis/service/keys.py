"""From a call of a decorated function to its key. Pure: no I/O, nothing but the call, and for HTTP keys its request.

A default key reads ``{prefix}:{Class.method}:{arg}:{arg}…:{digest}``. The text is for people and patterns, the digest
decides: 128 bits over module, qualified name, `version`, the receiver's class and `__cache_key__()`, and the bound
arguments with their defaults, each in its canonical encoding. So ``f(1)`` and ``f(a=1)`` share a key, ``f(True)`` has
another, and an inherited method has one key a subclass.

Building it takes some ten microseconds, a hit in memory must take two: keys of calls whose arguments are all exact
str, int, float, bool, bytes, date, None or members of enums are remembered. The memo is keyed by the types
first and the values then (1 == True, and a `str` subclass may equal a `str`), it never hashes an argument of another
type, and it is emptied when full.
"""

from __future__ import annotations

import datetime as dt
import enum
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Literal, TypeAlias, cast

from ..errors import ArgumentError, ArgumentTypeError, ConfigurationError, UnstableArgumentError
from .arguments import Binder, NamedCall, Receiver, guess_receiver, is_request, known_names, request_scoped_parameters
from .canonical import Place, digest, encode, own_key, own_state
from .http_key import current_request, facts_of, given_by_url, http_key
from .key_checks import check_key
from .key_text import argument_text, named_text
from .namesakes import warn_of_namesakes
from .scalar_forms import class_name
from .tags import TagMaker, Tags

__all__ = ["KeyGenerator", "KeyMaker", "KeyRules"]

logger = logging.getLogger("pika_redis")

KeyGenerator: TypeAlias = Callable[..., str] | Literal["http_request"] | None

AnyFunction: TypeAlias = Callable[..., object]
_Maker: TypeAlias = Callable[[tuple[object, ...], Mapping[str, object]], str | None]

_SCHEME = "pika-redis key 1"
MEMO_ENTRIES = 4096
MEMO_SHAPES = 64
MEMO_VALUE = 256
"""Longest str or bytes that the memo holds on to."""
MEMO_BITS = 60
"""Most bits of an int there: up to here no two have the same hash, so nobody can make a look-up slow."""
_HARMLESS = frozenset((bool, type(None), dt.date))
"""Immutable, quick to hash by content that nobody can guess a collision of, and equal only if their keys are."""
_NOT_STATE = frozenset({"cache_service"})


@dataclass(frozen=True, slots=True)
class KeyRules:
    """How a function's keys are made; the key part of the decorator's arguments."""

    prefix: str = ""
    key_generator: KeyGenerator = None
    tags: Tags = ()
    ignore: Sequence[str] = ()
    version: int | str = 0
    request_scoped: Sequence[str] = ()
    public: bool = False
    """HTTP keys only: credentials of the request do not change the answer."""


class KeyMaker:
    """The keys and tags of one decorated function.

    Raises ConfigurationError or ArgumentTypeError at construction for whatever is wrong with the rules: an unknown
    name in `ignore`, `request_scoped`, a tag template or a key callable's parameters, or a bare string for a sequence.

    `memo` may be read by a caller in a hurry. For a call with exactly one argument, given by position (beside the
    receiver of a method), the key is, if known:

    - ``memo[type(x)][x]`` where `receiver` is NONE,
    - ``memo[type(self), type(x)][x]`` where `receiver` is INSTANCE.

    The outer look-up must succeed before `x` is hashed: only then is it of a harmless type. Nobody else writes to it.
    """

    def __init__(self, function: AnyFunction, rules: KeyRules, receiver: Receiver | None = None) -> None:
        self.receiver = guess_receiver(function) if receiver is None else receiver
        self.memo: dict[object, dict[object, str]] = {}
        self._function = f"{function.__module__}.{function.__qualname__}"
        self._binder = Binder(function, self.receiver)
        names = tuple(self._binder.parameters)
        receivers = () if self.receiver is Receiver.NONE else (self.receiver.value,)
        ignored = known_names(rules.ignore, (*names, *receivers), "ignore", self._function)
        self.request_scoped = request_scoped_parameters(function, rules.request_scoped)
        """Parameters whose values live no longer than one request: the load of such a call is attached to it."""
        self._tags = TagMaker(rules.tags, names, self._function)
        self._prefix = _checked_prefix(rules.prefix)
        self._version = _checked_version(rules.version)
        self._public = rules.public
        shown = function.__qualname__.rpartition("<locals>.")[2]
        self._head = f"{self._prefix}:{shown}" if self._prefix else shown
        identity = (_SCHEME, function.__module__, function.__qualname__, self._version)
        self._identity = encode(identity, Place("version", self._function))
        self._entering = [
            _Entering(parameter, Place(name, self._function))
            for name, parameter in self._binder.parameters.items()
            if name not in ignored
        ]
        self._of_instance = self.receiver is Receiver.INSTANCE
        self._single = {Receiver.NONE: 1, Receiver.INSTANCE: 2, Receiver.CLASS: -1}[self.receiver]
        self._warned = False
        self._make = self._chosen(rules.key_generator, names)
        self._remembers = rules.key_generator is None
        if rules.key_generator is None:
            warn_of_namesakes(function, self._prefix, self._version)

    def key(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str | None:
        """The key of a call, the receiver first in `args`; None if the call is not to be cached.

        None is for HTTP keys alone, when the method of the request is neither GET nor HEAD. Raises
        UnstableArgumentError for an argument without a stable identity, ArgumentTypeError for arguments that don't fit
        the function, and for what a key callable returns ArgumentTypeError or ArgumentError.
        """
        shape: object
        values: object
        if kwargs:
            held = args[1:] if self._of_instance else args
            shape = (*kwargs, *map(type, args), *map(type, kwargs.values()))
            values = (*held, *kwargs.values())
        elif len(args) == self._single:
            values = args[-1]
            shape = (type(args[0]), type(values)) if self._of_instance else type(values)
        else:
            shape = tuple(map(type, args))
            values = args[1:] if self._of_instance else args
        try:
            known = self.memo.get(shape)
            key = None if known is None else known.get(values)
        except Exception:  # noqa: BLE001 (a metaclass may leave its classes without a hash)
            return self._make(args, kwargs)
        if key is not None:
            return key
        made = self._make(args, kwargs)
        if made is not None and self._remembers and self._may_remember(args, kwargs):
            self._remember(shape, values, made)
        return made

    def tags(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[str, ...]:
        """The tags of a call, each once. Raises ArgumentError, ArgumentTypeError or UnstableArgumentError."""
        if self._tags.static is not None:
            return self._tags.static
        return self._tags.resolve(self._binder.bind(args, kwargs))

    def is_request_scoped(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> bool:
        """Whether the call holds values of one request: by its parameters, or a request object among its arguments."""
        return bool(self.request_scoped) or any(map(is_request, args)) or any(map(is_request, kwargs.values()))

    # --- the three kinds of key ---

    def _chosen(self, generator: KeyGenerator, names: Sequence[str]) -> _Maker:
        if generator is None:
            return self._default_key
        if generator == "http_request":
            return self._request_key
        if not callable(generator):
            raise ConfigurationError(
                f"key_generator of {self._function} must be 'http_request', a callable or None, not {generator!r}"
            )
        call = NamedCall(generator, names, "key_generator", self._function)
        return lambda args, kwargs: self._called_key(call(self._binder.bind(args, kwargs)))

    def _called_key(self, returned: object) -> str:
        wanted = f"the key_generator of {self._function} must return a non-empty str"
        if not isinstance(returned, str):
            raise ArgumentTypeError(f"{wanted}, not {type(returned).__name__}")
        if not returned:
            raise ArgumentError(f"{wanted}, not an empty one")
        version = f":v{argument_text(self._version)}" if self._version else ""
        return check_key(f"{self._prefix}:{returned}{version}" if self._prefix else f"{returned}{version}")

    def _default_key(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
        bound = self._binder.bind(args, kwargs)
        parts = [self._identity, self._runtime_class(args), self._receiver_key(args)]
        shown = [self._head]
        for entering in self._entering:
            value = bound[entering.name]
            parts += entering.encoded_name, entering.encoded(value)
            shown += entering.texts(value)
        shown.append(digest(b"".join(parts)))
        return ":".join(shown)

    def _request_key(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str | None:
        bound = self._binder.bind(args, kwargs)
        requests = [value for value in bound.values() if is_request(value)]
        facts = facts_of(requests[0]) if requests else current_request.get()
        if facts is None:
            return self._default_key(args, kwargs)
        told = self._receiver_key(args)
        for entering in self._entering:
            value = bound[entering.name]
            if not is_request(value) and not given_by_url(facts, entering.name, value, entering.default):
                told += entering.encoded_name + entering.encoded(value)
        if told or self._version:
            told += self._identity
        return http_key(self._prefix, facts, told, public=self._public)

    # --- the receiver ---

    def _runtime_class(self, args: tuple[object, ...]) -> bytes:
        if self.receiver is Receiver.NONE:
            return b""
        return class_name(_class_of(args[0]))

    def _receiver_key(self, args: tuple[object, ...]) -> bytes:
        """What `__cache_key__` of the receiver says; nothing, and one warning for an instance with state, without."""
        if self.receiver is Receiver.NONE:
            return b""
        place = Place(self.receiver.value, self._function)
        key = own_key(args[0], place)
        if key is not None:
            return encode(("__cache_key__", *key), place)
        if self.receiver is Receiver.INSTANCE and not self._warned and own_state(args[0]).keys() - _NOT_STATE:
            self._warned = True
            logger.warning(
                "%s is cached without regard to the state of self: two instances of %s share its entries; if their "
                "answers differ (another tenant, another connection), give the class a __cache_key__() method",
                self._function,
                type(args[0]).__qualname__,
            )
        return b""

    # --- the memo ---

    def _may_remember(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> bool:
        """Whether the arguments alone tell the key, and are of exact, small, immutable types."""
        if self.receiver is not Receiver.NONE:
            if hasattr(type(args[0]), "__cache_key__") or not _is_plain_class(_class_of(args[0])):
                return False
            args = args[1:]
        return all(map(_is_memorable, args)) and all(map(_is_memorable, kwargs.values()))

    def _remember(self, shape: object, values: object, key: str) -> None:
        known = self.memo.get(shape)
        if known is None:
            if len(self.memo) >= MEMO_SHAPES:
                self.memo.clear()
            known = self.memo.setdefault(shape, {})
        if len(known) >= MEMO_ENTRIES:
            known.clear()
        known[values] = key


class _Entering:
    """One parameter that enters the key."""

    __slots__ = ("_kind", "_place", "default", "encoded_name", "name")

    def __init__(self, parameter: Parameter, place: Place) -> None:
        self.name = parameter.name
        self.encoded_name = encode(parameter.name, place)
        self.default = _plain_default(parameter)
        self._kind = parameter.kind
        self._place = place

    def encoded(self, value: object) -> bytes:
        try:
            return encode(value, self._place)
        except UnstableArgumentError:
            if not is_request(value):
                raise
        raise UnstableArgumentError(
            f"argument {self.name!r} of {self._place.function} is a request: use key_generator='http_request' to build "
            f"the key from it, or leave it out of the key with ignore=({self.name!r},)"
        )

    def texts(self, value: object) -> list[str]:
        if self._kind is Parameter.VAR_POSITIONAL:
            return [argument_text(item) for item in cast("tuple[object, ...]", value)]
        if self._kind is Parameter.VAR_KEYWORD:
            named = cast("dict[str, object]", value)
            return [named_text(name, named[name]) for name in sorted(named)]
        return [argument_text(value)]


def _plain_default(parameter: Parameter) -> object:
    """What the parameter is when the caller leaves it out; for FastAPI's ``Query(None)`` the None inside."""
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return ()
    if parameter.kind is Parameter.VAR_KEYWORD:
        return {}
    from_fastapi = type(parameter.default).__module__.startswith("fastapi.")
    return getattr(parameter.default, "default", None) if from_fastapi else parameter.default


def _class_of(receiver: object) -> type:
    """The class that a method was called on. Not by `isinstance`, which asks a proxy what it stands for."""
    kind = type(receiver)
    return cast("type", receiver) if issubclass(kind, type) else kind


def _is_plain_class(kind: type) -> bool:
    """Whether the class equals no other one: a metaclass may say otherwise."""
    meta: object = type(kind)
    return getattr(meta, "__eq__", None) is object.__eq__ and getattr(meta, "__hash__", None) is object.__hash__


def _is_memorable(value: object) -> bool:
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) <= MEMO_VALUE  # type: ignore[arg-type]
    if kind is float:  # neither 0.0, which equals -0.0, nor what equals nothing
        return value == value and value != 0.0  # noqa: PLR0124
    if kind is int:
        return cast("int", value).bit_length() <= MEMO_BITS
    return kind in _HARMLESS or (type(kind) is enum.EnumMeta and _is_plain_member(kind))


def _is_plain_member(kind: type) -> bool:
    """Whether members of this enum are equal only to themselves, and their names tell their keys.

    Those that are strings or numbers too are compared by these: they have to be the members' values, each another one.
    """
    if hasattr(kind, "__cache_key__"):
        return False
    compared = _compared_by(kind)
    if compared == _compared_by(enum.Enum):
        return True
    base = next((base for base in (str, int) if compared == _compared_by(base)), None)
    members = cast("Any", kind)
    if base is None or members._missing_.__func__ is not cast("Any", enum.Enum._missing_).__func__:
        return False
    return all(type(one._value_) is base and one == one._value_ for one in members)


def _compared_by(kind: type) -> tuple[object, object]:
    return kind.__eq__, kind.__hash__


def _checked_prefix(prefix: object) -> str:
    if not isinstance(prefix, str):
        raise ArgumentTypeError(f"prefix must be a str, not {type(prefix).__name__}")
    return check_key(prefix) if prefix else ""


def _checked_version(version: object) -> int | str:
    if isinstance(version, bool) or not isinstance(version, int | str):
        raise ArgumentTypeError(f"version must be an int or a str, not {type(version).__name__}")
    return version
