"""Argument values as bytes to digest: equal bytes if and only if the values are equal *and of the same types*.

Every value becomes a tag, a length or a count, and its content, so nothing inside a value can look like the border
between two values: ``("a:b", "c")`` and ``("a", "b:c")`` differ, as do 1, True, 1.0, "1" and b"1".
`docs/reference/keys.md` lists the forms.

- Content never raises, whatever its size: integers of any length, lone surrogates, NaN (all NaNs are one), nesting to
  any depth that Python can hold (the walk keeps its own stack). 0.0 and -0.0 differ. What a value's own methods raise
  while it is read refuses the value; a subclass of a builtin is read as the builtin, past methods that it overrides.
- Sets and dicts are order-free: the encodings of their members are sorted. A long member enters that sort as its
  digest, so nested sets cost linear time.
- An object counts as the values of its declared fields under its class's name (dataclass, pydantic, msgspec, attrs,
  NamedTuple), as what its `__cache_key__()` returns, or as its name where importing that name gives the same object.
- What is left has no identity but its address, which another process may give to something else: refused by name.
  Objects with a `__repr__` of their own are refused too, since a repr may be shortened (a long array's is).
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import hashlib
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ..errors import UnstableArgumentError
from .scalar_forms import PLAIN, SCALARS, class_name, text_form

__all__ = ["Place", "digest", "encode", "own_key", "own_state"]

MAX_DEPTH = 100_000
"""Levels of nesting; more is taken for a `__cache_key__` that never ends."""
_LONG_MEMBER = 64


class Place(NamedTuple):
    """Where a value stands, for the message of a refusal."""

    argument: str
    function: str


def encode(value: object, place: Place) -> bytes:
    """The canonical bytes of `value`, self-delimiting.

    Raises UnstableArgumentError for a value without a stable identity, for one that contains itself, beyond
    `MAX_DEPTH` levels, and for one that can't be read.
    """
    try:
        scalar = SCALARS.get(type(value))
        return scalar(value) if scalar is not None else _encode(value, place)
    except (UnstableArgumentError, MemoryError):
        raise
    except Exception as error:
        problem = f"is or holds something that can't be read: {type(error).__name__} was raised"
        raise _refusal(place, problem, type(value)) from error


def _encode(value: object, place: Place) -> bytes:
    out = bytearray()
    stack: list[tuple[object, Iterator[object]]] = [(None, iter((value,)))]
    active: set[int] = set()
    while stack:
        owner, children = stack[-1]
        for child in children:
            scalar = SCALARS.get(type(child))
            if scalar is not None:
                out += scalar(child)
                continue
            if id(child) in active:
                raise _refusal(place, "contains itself")
            if len(stack) > MAX_DEPTH:
                raise _refusal(place, f"is nested more than {MAX_DEPTH} levels deep")
            opened = _open(child, out, place)
            if opened is None:
                raise _refusal(place, f"{'is' if child is value else 'holds'} {_describe(child)}", type(child))
            active.add(id(child))
            stack.append((child, opened))
            break
        else:
            stack.pop()
            active.discard(id(owner))
    return bytes(out)


def digest(data: bytes) -> str:
    """128 bits of BLAKE2b as 32 hexadecimal characters."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def own_key(value: object, place: Place) -> tuple[object] | None:
    """What the `__cache_key__` of the value's class says, a method or a property, alone in a tuple; None without one.

    Raises UnstableArgumentError where asking raises something, or gives a coroutine.
    """
    kind = type(value)
    if getattr(kind, "__cache_key__", None) is None:
        return None
    wrong = f"__cache_key__ of class {kind.__qualname__}, asked for {place.argument!r} of {place.function},"
    try:
        told: Any = value.__cache_key__  # type: ignore[attr-defined]
        key = told() if callable(told) else told
    except (UnstableArgumentError, MemoryError):
        raise
    except Exception as error:
        raise UnstableArgumentError(f"{wrong} raised {type(error).__name__}") from error
    if isinstance(key, types.CoroutineType):
        key.close()
        raise UnstableArgumentError(f"{wrong} must be a plain method, not an async one")
    return (key,)


def own_state(value: object) -> dict[str, object]:
    """The instance's own attributes, from its `__dict__` and its slots, past whatever guards them."""
    try:
        state: dict[str, object] = dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        state = {}
    for kind in type(value).__mro__:
        for name, slot in vars(kind).items() if "__slots__" in vars(kind) else ():
            if isinstance(slot, types.MemberDescriptorType) and name not in state:
                try:
                    state[name] = slot.__get__(value)
                except AttributeError:  # it has no value
                    pass
    return state


# --- everything that holds other values ----------------------------------------------------------------------------


def _members(out: bytearray, tag: bytes, members: Iterable[tuple[object, ...]], count: int) -> Iterator[object]:
    """The members of a set or the pairs of a dict, sorted by their encodings."""
    out += b"%b%d:" % (tag, count)
    start = len(out)
    pieces: list[bytes] = []
    for member in members:
        yield from member
        piece = bytes(out[start:])
        del out[start:]
        pieces.append(piece if len(piece) <= _LONG_MEMBER else b"#" + hashlib.blake2b(piece, digest_size=32).digest())
    for piece in sorted(pieces):
        out += piece


def _sequence(tag: bytes) -> Callable[[Any, bytearray], Iterator[object]]:
    def open_sequence(value: list[object] | tuple[object, ...], out: bytearray) -> Iterator[object]:
        out += b"%b%d:" % (tag, len(value))
        return iter(value)

    return open_sequence


def _unordered(tag: bytes) -> Callable[[Any, bytearray], Iterator[object]]:
    def open_unordered(value: set[object] | frozenset[object], out: bytearray) -> Iterator[object]:
        return _members(out, tag, ((member,) for member in value), len(value))

    return open_unordered


def _dict(value: dict[object, object], out: bytearray) -> Iterator[object]:
    return _members(out, b"d", value.items(), len(value))


_CONTAINERS: dict[type, Callable[[Any, bytearray], Iterator[object]]] = {
    list: _sequence(b"l"),
    tuple: _sequence(b"t"),
    set: _unordered(b"S"),
    frozenset: _unordered(b"Z"),
    dict: _dict,
}


def _open(value: object, out: bytearray, place: Place) -> Iterator[object] | None:
    """Write the head of `value` and give the values that it holds; None if it has no stable identity."""
    kind = type(value)
    container = _CONTAINERS.get(kind)
    if container is not None:
        return container(value, out)
    key = own_key(value, place)
    if key is not None:
        return _object(b"K", kind, key, out)
    name = _importable_name(value)
    if name is not None:
        out += text_form(b"n", name)
        return iter(())
    if issubclass(kind, enum.Enum):
        return _object(b"E", kind, _member(value), out)
    names = _field_names(value)
    if names is not None:
        held = {name: getattr(value, name) for name in names if hasattr(value, name)}
        extra = _attribute(value, "__pydantic_extra__")
        return _object(b"O", kind, (held, extra), out)
    parts = _parts(value)
    return None if parts is None else _object(b"P", kind, parts, out)


def _object(tag: bytes, kind: type, children: tuple[object, ...], out: bytearray) -> Iterator[object]:
    out += b"%b%b%d:" % (tag, class_name(kind), len(children))
    return iter(children)


def _member(value: Any) -> tuple[object, ...]:
    """A flag's number, a member's name; what `_missing_` made bears the name of a member, but has another value."""
    if isinstance(value, enum.Flag):
        return (value._value_,)
    known = type(value)._member_map_.get(value._name_) is value
    return (value._name_,) if known else (value._name_, value._value_)


def _attribute(value: object, name: str) -> object:
    """The attribute; None where there is none, or reading it raises: what has a stable identity has others."""
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 (a proxy outside of its context may raise anything)
        return None


def _importable_name(value: object) -> str | None:
    """Module and qualified name of a class or function, if they lead back to this very object."""
    module, path = _attribute(value, "__module__"), _attribute(value, "__qualname__")
    if not isinstance(module, str) or not isinstance(path, str):
        return None
    found: object = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is None and module == "builtins":  # NoneType and its like
        found = getattr(types, path, None)
    return f"{module}:{path}" if found is value else None


def _field_names(value: object) -> Iterable[str] | None:
    """The declared fields of a model; None for anything else, classes included."""
    kind: Any = type(value)
    names: Iterable[str] | None = None
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif hasattr(kind, "__pydantic_validator__"):
        names = kind.model_fields
    elif hasattr(kind, "__attrs_attrs__"):
        names = [attribute.name for attribute in kind.__attrs_attrs__]
    elif hasattr(kind, "__struct_fields__"):
        names = kind.__struct_fields__
    elif isinstance(value, tuple):
        names = getattr(kind, "_fields", None)
    return names


def _parts(value: object) -> tuple[object, ...] | None:
    """What tells other values of the standard library, and subclasses of builtins, apart from their like."""
    for base in type(value).__mro__:
        named = _NAMED.get(f"{base.__module__}.{base.__qualname__}")
        if named is not None:
            return named(value)
        scalar = SCALARS.get(base)
        if scalar is not None:  # str() too, for a subclass that is finer than its base: pandas' nanoseconds
            shown = str(value) if isinstance(value, dt.date | dt.time | dt.timedelta) else None
            plain = PLAIN.get(base)
            return (scalar(plain(value) if plain else value), own_state(value), shown)
        if base in _CONTAINERS:
            return (_copied(value, base), own_state(value))
    return None


def _copied(value: Any, base: Any) -> object:
    """What a subclass of a container holds, past methods that it overrides."""
    return base(dict.items(value) if base is dict else base.__iter__(value))


def _generic(value: object) -> tuple[object, ...] | None:
    origin, arguments = typing.get_origin(value), typing.get_args(value)
    if origin in (types.UnionType, typing.Union):
        return (frozenset(arguments),)
    return (origin, arguments) if origin is not None else None


def _path(value: object) -> tuple[object, ...]:
    return (str(value),)


def _items_of_deque(value: Any) -> list[object]:
    return list(collections.deque.__iter__(value))


def _items_of_ordered(value: Any) -> list[object]:
    return list(collections.OrderedDict.items(value))


# By name, so that no module is imported for a type that may never come.
_NAMED: dict[str, Callable[[Any], tuple[object, ...] | None]] = {
    "pathlib.PurePath": _path,
    "pathlib._local.PurePath": _path,
    "ipaddress._IPAddressBase": lambda value: (str(value),),
    "zoneinfo.ZoneInfo": lambda value: (value.key,) if value.key else None,
    "datetime.timezone": lambda value: (str(value), value.utcoffset(None)),
    "fractions.Fraction": lambda value: (value.numerator, value.denominator),
    "builtins.slice": lambda value: (value.start, value.stop, value.step),
    "builtins.bytearray": lambda value: (bytes(value), own_state(value)),
    "builtins.memoryview": lambda value: None if "O" in value.format else (value.format, value.shape, value.tobytes()),
    "array.array": lambda value: (value.typecode, value.tobytes()),
    "collections.deque": lambda value: (_items_of_deque(value), own_state(value)),
    "collections.OrderedDict": lambda value: (_items_of_ordered(value), own_state(value)),
    "builtins.mappingproxy": lambda value: (dict(value),),
    "re.Pattern": lambda value: (value.pattern, value.flags),
    "functools.partial": lambda value: (value.func, value.args, value.keywords),
    "builtins.method": lambda value: (value.__func__, value.__self__),
    "types.GenericAlias": _generic,
    "types.UnionType": _generic,
    "typing.Union": _generic,
    "typing._GenericAlias": _generic,
}


def _describe(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__qualname__}, which no import leads to"
    if isinstance(value, types.FunctionType):
        return f"the function {value.__qualname__}, which no import leads to"
    kind = type(value)
    why = "which can be read only once" if issubclass(kind, Iterator) else "which has no stable identity"
    return f"an object of class {kind.__qualname__}, {why}"


def _refusal(place: Place, problem: str, kind: type = object) -> UnstableArgumentError:
    extensible = kind.__module__ not in ("builtins", "types") and not issubclass(kind, type)
    remedy = f", or give {kind.__qualname__} a __cache_key__() method" if extensible else ""
    return UnstableArgumentError(
        f"argument {place.argument!r} of {place.function} {problem}, so no cache key can be built from it: "
        f"leave it out of the key with ignore=({place.argument!r},){remedy}"
    )
