"""Whether a value may be handed to several callers as it is.

True only for what nobody can change in place: scalars, and tuples, frozensets, enum members, NamedTuples, frozen
dataclasses and frozen Structs of such. In doubt the answer is no: then each caller gets a copy of its own. So it is for
a frozen pydantic model, whose `model_fields_set` is a plain set, and for a subclass of a frozen dataclass that is none
itself, which takes new attributes.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from .models.base import ORIG_CLASS, cached_names, picker, slots_of
from .models.kinds import is_namedtuple, is_pydantic, is_struct

__all__ = ["is_immutable"]

_SCALARS: Final = frozenset(
    (type(None), bool, int, float, complex, str, bytes, Decimal, UUID, datetime, date, time, timedelta)
)
_Parts = Callable[[Any], "Iterable[object] | None"]
_parts_of: dict[type, _Parts] = {tuple: iter, frozenset: iter}
"""How to list what lies in an instance; the answer None means that it can change."""


def is_immutable(value: object) -> bool:
    """One look-up for a scalar; a walk through tuples, frozensets and frozen models."""
    if type(value) in _SCALARS:
        return True
    waiting = [value]
    while waiting:
        current = waiting.pop()
        kind = type(current)
        if kind in _SCALARS:
            continue
        parts_of = _parts_of.get(kind)
        if parts_of is None:
            parts_of = _parts_of[kind] = _classify(kind)
        parts = parts_of(current)
        if parts is None:
            return False
        waiting.extend(parts)
    return True


def _classify(cls: type) -> _Parts:
    if issubclass(cls, enum.Enum):
        return _none_inside
    if cached_names(cls):  # a value computed later would be shared too
        return _can_change
    if is_struct(cls):
        return _frozen_struct(cls)
    if is_namedtuple(cls):
        return tuple.__iter__ if cls.__dictoffset__ == 0 else _can_change
    if dataclasses.is_dataclass(cls) and not is_pydantic(cls):
        return _frozen_dataclass(cls)
    return _can_change


def _none_inside(_value: object) -> Iterable[object]:
    return ()


def _can_change(_value: object) -> None:
    return None


def _frozen_struct(cls: Any) -> _Parts:
    if not cls.__struct_config__.frozen or cls.__dictoffset__ != 0:
        return _can_change
    return picker(cls.__struct_fields__, attributes=True)


def _frozen_dataclass(cls: Any) -> _Parts:
    own = vars(cls).get("__dataclass_params__")
    if own is None or not own.frozen:
        return _can_change
    slots = [slot.__get__ for slot in slots_of(cls).values()]

    def parts(instance: Any) -> Iterable[object] | None:
        try:
            own = [item for name, item in getattr(instance, "__dict__", {}).items() if name != ORIG_CLASS]
            return [*own, *(get(instance) for get in slots)]
        except AttributeError:  # a slot without a value
            return None

    return parts
