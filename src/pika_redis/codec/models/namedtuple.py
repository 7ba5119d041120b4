"""NamedTuples, made by `typing.NamedTuple` or `collections.namedtuple`."""

from __future__ import annotations

from typing import Any

from .base import Model, NotHeld, attributes
from .signature import declared

__all__ = ["NamedTupleModel"]


class NamedTupleModel(Model):
    """The state is the tuple; a subclass with a `__dict__` may hold further attributes."""

    __slots__ = ("_has_dict",)

    def __init__(self, cls: Any) -> None:
        annotations = declared(cls)
        super().__init__(cls, "namedtuple", cls._fields, {name: annotations.get(name) for name in cls._fields})
        self._has_dict = cls.__dictoffset__ != 0

    def dump(self, value: Any) -> list[object]:
        body: list[object] = [*tuple.__iter__(value)]
        if len(body) != self.count:
            raise NotHeld(f"it has {len(body)} items for {self.count} fields")
        if self._has_dict and value.__dict__:
            body.append({"dict": attributes(value.__dict__)})
        return body

    def load(self, body: list[Any]) -> object:
        values, parts = self.split(body)
        instance: Any = tuple.__new__(self.cls, values)
        if parts:
            instance.__dict__.update(parts.get("dict", {}))
        return instance
