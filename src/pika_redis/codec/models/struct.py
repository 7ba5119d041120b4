"""msgspec Structs.

A Struct can only be made by its constructor, which runs `__post_init__`. A class that has one is therefore built as a
subclass without it, which lies alike in memory, and then given its own class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .base import Model, NotHeld, picker
from .signature import declared

__all__ = ["StructModel"]

_set_class: Final = vars(object)["__class__"].__set__  # a frozen Struct refuses assignment


class StructModel(Model):
    """The state is the fields, and a `__dict__` for classes made with `dict=True`."""

    __slots__ = ("_has_dict", "_make", "_pick", "_positional", "_retype")

    def __init__(self, cls: Any) -> None:
        names: tuple[str, ...] = cls.__struct_fields__
        annotations = declared(cls)
        super().__init__(cls, "struct", names, {name: annotations.get(name) for name in names})
        self._pick = picker(names, attributes=True)
        self._has_dict = cls.__dictoffset__ != 0
        self._positional = cls.__match_args__ == names
        self._retype = hasattr(cls, "__post_init__")
        self._make: Callable[..., Any] = _without_post_init(cls) if self._retype else cls

    def dump(self, value: Any) -> list[object]:
        try:
            body: list[object] = [*self._pick(value)]
        except AttributeError as error:
            raise NotHeld("a field of the Struct has no value") from error
        if self._has_dict and value.__dict__:
            body.append({"dict": dict(value.__dict__)})
        return body

    def load(self, body: list[Any]) -> object:
        values, parts = self.split(body)
        if self._positional:
            instance = self._make(*values)
        else:
            instance = self._make(**dict(zip(self.fields, values, strict=True)))
        if self._retype:
            _set_class(instance, self.cls)
        if parts:
            instance.__dict__.update(parts.get("dict", {}))
        return instance


def _without_post_init(cls: Any) -> Callable[..., Any]:
    import msgspec

    try:
        return msgspec.defstruct(cls.__name__, [], bases=(cls,), namespace={"__post_init__": _nothing})
    except TypeError as error:
        raise NotHeld(f"the Struct can't be built without its __post_init__: {error}") from error


def _nothing(_self: object) -> None:
    """Stands in for `__post_init__`."""
