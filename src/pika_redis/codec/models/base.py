"""What the codec knows of one class whose instances it takes apart and rebuilds.

A rebuilt instance gets its state put in place: no `__init__`, `__post_init__`, validator or `__setstate__` runs, so a
payload can't start code of the class. Only classes of the registry are rebuilt; the payload names them by hash.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, Final, Protocol

from ormsgpack import Ext

from .. import layout
from ..undecodable import Undecodable
from .signature import class_id, class_label, schema_id

__all__ = [
    "ORIG_CLASS",
    "Blueprint",
    "Model",
    "NotHeld",
    "PackLevel",
    "UnpackLevel",
    "attributes",
    "builtin_base",
    "cached_names",
    "picker",
    "slots_of",
]

_HEAP_TYPE: Final = 1 << 9
ORIG_CLASS: Final = "__orig_class__"
"""Set by `typing` on what a generic class made: a note for introspection, no state."""


class NotHeld(Exception):
    """Internal: instances of a class can't be held. The text ends the sentence "… can't be cached:"."""


class _Packs(Protocol):
    def pack(self, value: object, /) -> bytes: ...


class _Unpacks(Protocol):
    def items(self, data: bytes | memoryview, /) -> list[Any]: ...


class PackLevel(Protocol):
    """The packer, seen from a value inside which others lie."""

    @property
    def below(self) -> _Packs: ...


class UnpackLevel(Protocol):
    """The unpacker, seen from a value inside which others lie."""

    @property
    def below(self) -> _Unpacks: ...


class Blueprint:
    """How instances of `cls` become an extension value and come back."""

    __slots__ = ("cls", "id", "label")

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.label = class_label(cls)
        self.id = class_id(self.label)

    def pack(self, level: PackLevel, value: Any) -> Ext:
        raise NotImplementedError

    def unpack(self, level: UnpackLevel, data: bytes) -> object:
        """The instance. Raises Undecodable when the class has another schema now, ValueError for nonsense."""
        raise NotImplementedError

    def members(self, value: Any) -> Iterator[tuple[str, object]]:
        """Paths and values of the state, for error messages."""
        return iter(())


class Model(Blueprint):
    """A class with fields. Its body is the list of their values, and a last dict for state beyond that.

    Parts of that dict: ``dict`` further attributes, ``missing`` fields without a value, and for pydantic ``set``,
    ``extra`` and ``private``. Most instances have none of them.
    """

    __slots__ = ("count", "fields", "prefix")
    PARTS: ClassVar[frozenset[str]] = frozenset(("dict",))

    def __init__(self, cls: type, kind: str, fields: Sequence[str], annotations: dict[str, object]) -> None:
        super().__init__(cls)
        self.fields = tuple(fields)
        self.count = len(self.fields)
        self.prefix = self.id + schema_id(kind, [(name, annotations.get(name)) for name in annotations or fields])

    def dump(self, value: Any) -> list[object]:
        """The body: values in the order of `fields`, then the dict if there is more state."""
        raise NotImplementedError

    def load(self, body: list[Any]) -> object:
        raise NotImplementedError

    def pack(self, level: PackLevel, value: Any) -> Ext:
        return Ext(layout.MODEL, self.prefix + level.below.pack(self.dump(value)))

    def unpack(self, level: UnpackLevel, data: bytes) -> object:
        if data[: layout.PREFIX] != self.prefix:
            raise Undecodable(f"written by another schema of {self.label}")
        return self.load(level.below.items(memoryview(data)[layout.PREFIX :]))

    def members(self, value: Any) -> Iterator[tuple[str, object]]:
        body = self.dump(value)
        for name, item in zip(self.fields, body, strict=False):
            yield f".{name}", item
        if len(body) > self.count:
            parts: Any = body[-1]
            for part in ("dict", "extra", "private"):
                for name, item in parts.get(part, {}).items():
                    yield f".{name}", item

    def split(self, body: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Values of the fields and the checked parts of the last dict."""
        if len(body) == self.count:
            return body, {}
        *values, parts = body
        if len(values) != self.count or type(parts) is not dict or not parts.keys() <= self.PARTS:
            raise ValueError(f"no body of {self.label}")
        for part, content in parts.items():
            if type(content) is not (list if part in ("missing", "set") else dict):
                raise ValueError(f"no body of {self.label}")
            if part in ("dict", "private", "missing") and not all(type(name) is str for name in content):
                raise ValueError(f"no body of {self.label}")
        return values, parts


def picker(names: Sequence[str], *, attributes: bool) -> Callable[[Any], tuple[object, ...]]:
    """A fast reader of several attributes, or of several items of a dict."""
    if len(names) == 0:
        return lambda _source: ()
    if len(names) == 1:
        one = attrgetter(names[0]) if attributes else itemgetter(names[0])
        return lambda source: (one(source),)
    return attrgetter(*names) if attributes else itemgetter(*names)


def slots_of(cls: type) -> dict[str, Any]:
    """The descriptors of the class's slots, those of its bases included."""
    return {
        name: member
        for klass in reversed(cls.__mro__)
        for name, member in vars(klass).items()
        if isinstance(member, types.MemberDescriptorType)
    }


def cached_names(cls: type) -> frozenset[str]:
    """Names of cached properties: their values are no state, they are computed again when they are asked for."""
    return frozenset(
        name
        for klass in cls.__mro__
        for name, member in vars(klass).items()
        if isinstance(member, functools.cached_property)
    )


def builtin_base(cls: type) -> type | None:
    """A base with state of its own that no field shows, such as dict, Exception or random.Random."""
    return next((base for base in cls.__mro__[:-1] if not base.__flags__ & _HEAP_TYPE or _made_in_c(base)), None)


def attributes(state: Mapping[Any, object]) -> dict[str, object]:
    """Attributes beyond the fields. Raises NotHeld for what reading would refuse: a name that is no str."""
    if not all(type(name) is str for name in state):
        raise NotHeld("the name of an attribute is no str")
    return dict(state)


def _made_in_c(cls: type) -> bool:
    """Whether only the class's own constructor can make its instances."""
    return isinstance(vars(cls).get("__new__"), types.BuiltinFunctionType)
