"""Dataclasses: with a `__dict__`, with slots, or with both along their bases."""

from __future__ import annotations

import dataclasses
from typing import Any

from .base import ORIG_CLASS, Model, NotHeld, attributes, builtin_base, cached_names, picker, slots_of
from .signature import declared

__all__ = ["DataclassModel"]


class DataclassModel(Model):
    """The state is what lies in `__dict__` and slots; fields first, further attributes in the part ``dict``."""

    __slots__ = ("_from_dict", "_left_out", "_pick", "_set_slots", "_slots")
    PARTS = frozenset(("dict", "missing"))

    def __init__(self, cls: type) -> None:
        base = builtin_base(cls)
        if base is not None:
            raise NotHeld(f"the dataclass inherits from {base.__name__}, whose state no field shows")
        names = [field.name for field in dataclasses.fields(cls)]
        annotations = declared(cls)
        super().__init__(cls, "dataclass", names, {name: annotations.get(name) for name in names})
        self._left_out = cached_names(cls) | {ORIG_CLASS}
        self._slots = slots_of(cls)
        has_dict = cls.__dictoffset__ != 0
        self._from_dict = has_dict and not self._slots
        plain_slots = not has_dict and self._slots.keys() == set(names)
        self._set_slots = [self._slots[name].__set__ for name in names] if plain_slots else None
        self._pick = picker(names, attributes=not self._from_dict)

    def dump(self, value: Any) -> list[object]:
        try:
            if self._from_dict:
                state = value.__dict__
                if len(state) == self.count:
                    return [*self._pick(state)]
            elif self._set_slots is not None:
                return [*self._pick(value)]
        except (AttributeError, KeyError):
            pass  # a field without a value
        return self._dump_any(value)

    def load(self, body: list[Any]) -> object:
        instance: Any = object.__new__(self.cls)
        if len(body) == self.count:
            if self._from_dict:
                instance.__dict__.update(zip(self.fields, body, strict=True))
                return instance
            if self._set_slots is not None:
                for set_slot, item in zip(self._set_slots, body, strict=True):
                    set_slot(instance, item)
                return instance
        values, parts = self.split(body)
        state = dict(zip(self.fields, values, strict=True))
        for name in parts.get("missing", ()):
            del state[name]
        state.update(parts.get("dict", {}))
        for name, item in state.items():
            slot = self._slots.get(name)
            if slot is None:
                instance.__dict__[name] = item
            else:
                slot.__set__(instance, item)
        return instance

    def _dump_any(self, value: Any) -> list[object]:
        state: dict[str, object] = {}
        for name, slot in self._slots.items():
            try:
                state[name] = slot.__get__(value)
            except AttributeError:
                pass
        state.update(
            (name, item) for name, item in getattr(value, "__dict__", {}).items() if name not in self._left_out
        )
        missing = [name for name in self.fields if name not in state]
        body: list[object] = [state.pop(name, None) for name in self.fields]
        parts: dict[str, object] = {}
        if state:
            parts["dict"] = attributes(state)
        if missing:
            parts["missing"] = missing
        return [*body, parts] if parts else body
