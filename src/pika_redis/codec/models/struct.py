"""msgspec Structs.

A Struct can only be made by its constructor, which runs `__post_init__`, or as a copy of another. For a class that has
one, a blank instance is therefore allocated as the constructor does it, once, and instances are copies of that one with
the fields put in place. (A subclass without `__post_init__` would do as well, but run the class's `__init_subclass__`
and stay among its subclasses.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .base import Model, NotHeld, attributes, picker, slots_of
from .signature import declared

__all__ = ["StructModel"]


class StructModel(Model):
    """The state is the fields, and a `__dict__` for classes made with `dict=True`."""

    __slots__ = ("_fresh", "_has_dict", "_make", "_pick", "_positional", "_setters")

    def __init__(self, cls: Any) -> None:
        names: tuple[str, ...] = cls.__struct_fields__
        annotations = declared(cls)
        super().__init__(cls, "struct", names, {name: annotations.get(name) for name in names})
        self._pick = picker(names, attributes=True)
        self._has_dict = cls.__dictoffset__ != 0
        self._positional = cls.__match_args__ == names
        self._make: Callable[..., Any] = cls
        slots = slots_of(cls)
        self._setters = [slots[name].__set__ for name in names]
        self._fresh = _fresh(cls, self._setters) if hasattr(cls, "__post_init__") else None

    def dump(self, value: Any) -> list[object]:
        try:
            body: list[object] = [*self._pick(value)]
        except AttributeError as error:
            raise NotHeld("a field of the Struct has no value") from error
        if self._has_dict and value.__dict__:
            body.append({"dict": attributes(value.__dict__)})
        return body

    def load(self, body: list[Any]) -> object:
        values, parts = self.split(body)
        if self._fresh is not None:
            instance = self._fresh()
            for set_field, value in zip(self._setters, values, strict=True):
                set_field(instance, value)
        elif self._positional:
            instance = self._make(*values)
        else:
            instance = self._make(**dict(zip(self.fields, values, strict=True)))
        if parts:
            instance.__dict__.update(parts.get("dict", {}))
        return instance


def _fresh(cls: type, setters: Sequence[Callable[[Any, object], None]]) -> Callable[[], Any]:
    """A maker of instances that want their fields put in place. Raises NotHeld."""
    from msgspec import Struct

    blank = _allocated(cls)
    for set_field in setters:
        set_field(blank, [])  # what a garbage collector has to know makes it know the copies
    copy: Any = Struct.__copy__  # type: ignore[attr-defined]  # the class may define its own
    return functools.partial(copy, blank)


def _allocated(cls: type) -> Any:
    """An instance without any state. `object.__new__` refuses classes that have a constructor in C."""
    try:
        import ctypes

        allocate = ctypes.pythonapi["PyType_GenericAlloc"]
    except (ImportError, AttributeError) as error:
        raise NotHeld("without ctypes a Struct can't be built past its __post_init__") from error
    allocate.restype = ctypes.py_object
    allocate.argtypes = (ctypes.py_object, ctypes.c_ssize_t)
    return allocate(cls, 0)
