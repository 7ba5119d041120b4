"""pydantic v2 models, root models and generic ones included."""

from __future__ import annotations

from typing import Any, Final

from .base import Model, NotHeld, attributes, builtin_base, cached_names, picker, slots_of

__all__ = ["PydanticModel"]

_set: Final = object.__setattr__  # a frozen model refuses assignment
_OWN_SLOTS: Final = ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")


class PydanticModel(Model):
    """The state is the fields, which of them were given (part ``set``), extra values and private attributes."""

    __slots__ = ("_all_set", "_cached", "_indexes", "_pick", "_set_extra", "_set_given", "_set_private")
    PARTS = frozenset(("dict", "missing", "set", "extra", "private"))

    def __init__(self, cls: Any) -> None:
        base = builtin_base(cls)
        if base is not None:
            raise NotHeld(f"the model inherits from {base.__name__}, whose state no field shows")
        slots = slots_of(cls)
        if slots.keys() - {*_OWN_SLOTS}:
            raise NotHeld("the model has slots of its own")
        # By descriptor: a root model says None for two of them as a class, and by name they would get into its state.
        self._set_given, self._set_extra, self._set_private = (slots[name].__set__ for name in _OWN_SLOTS)
        annotations = {name: field.annotation for name, field in cls.model_fields.items()}
        private = dict.fromkeys(cls.__private_attributes__)
        super().__init__(cls, "pydantic", list(annotations), {**annotations, **private})
        self._pick = picker(self.fields, attributes=False)
        self._cached = cached_names(cls)
        self._all_set = frozenset(self.fields)
        self._indexes = {name: index for index, name in enumerate(self.fields)}

    def dump(self, value: Any) -> list[object]:
        state = value.__dict__
        given = value.__pydantic_fields_set__
        extra = value.__pydantic_extra__
        private = value.__pydantic_private__
        parts: dict[str, object] = {}
        try:
            body: list[object] = [*self._pick(state)]
        except KeyError:
            body = [state.get(name) for name in self.fields]
            parts["missing"] = [name for name in self.fields if name not in state]
        if len(state) > self.count:
            further = {
                name: item for name, item in state.items() if name not in self._all_set and name not in self._cached
            }
            if further:
                parts["dict"] = attributes(further)
        if given != self._all_set:
            parts["set"] = [self._indexes.get(name, name) for name in attributes(dict.fromkeys(given))]
        if extra is not None:
            parts["extra"] = extra
        if private is not None:
            parts["private"] = attributes(private)
        return [*body, parts] if parts else body

    def load(self, body: list[Any]) -> object:
        values, parts = self.split(body)
        state = dict(zip(self.fields, values, strict=True))
        given: set[str] = set(self.fields)
        if parts:
            for name in parts.get("missing", ()):
                del state[name]
            state.update(parts.get("dict", {}))
            if "set" in parts:
                given = {self._given(entry) for entry in parts["set"]}
        instance: Any = object.__new__(self.cls)
        _set(instance, "__dict__", state)
        self._set_given(instance, given)
        self._set_extra(instance, parts.get("extra"))
        self._set_private(instance, parts.get("private"))
        return instance

    def _given(self, entry: object) -> str:
        if type(entry) is int and 0 <= entry < self.count:
            return self.fields[entry]
        if type(entry) is str:
            return entry
        raise ValueError(f"no body of {self.label}")
