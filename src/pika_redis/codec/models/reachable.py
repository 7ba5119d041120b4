"""The model classes that a value of an annotated type may hold: those named in it, and in the fields of these."""

from __future__ import annotations

import enum
import sys
import typing
from collections.abc import Iterable
from typing import Any

from .kinds import is_model, is_pydantic
from .signature import declared

__all__ = ["reachable"]


def reachable(annotation: object) -> tuple[list[type], bool]:
    """Model classes in no particular order, and whether every name could be resolved (yet)."""
    models: dict[type, None] = {}
    seen: dict[int, object] = {}
    complete = True
    waiting: list[tuple[object, type | None]] = [(annotation, None)]
    while waiting:
        current, owner = waiting.pop()
        if id(current) in seen:
            continue
        seen[id(current)] = current
        if isinstance(current, str | typing.ForwardRef):
            resolved = _resolve(current, owner)
            complete = complete and resolved is not None
            waiting.append((resolved, owner))
        elif typing.get_origin(current) is None and isinstance(current, type):
            if is_model(current):
                models[current] = None
            if current in models or typing.is_typeddict(current):
                waiting.extend((field, current) for field in _fields(current))
        else:
            waiting.extend((part, owner) for part in _parts(current))
    return list(models), complete


def _parts(annotation: object) -> Iterable[object]:
    """What an annotation that isn't a plain class is made of."""
    if isinstance(annotation, list | tuple):  # parameters of a Callable
        return [*annotation]
    if isinstance(annotation, typing.TypeVar):
        return [annotation.__bound__, *annotation.__constraints__]
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Literal:
        return [type(argument) for argument in arguments if isinstance(argument, enum.Enum)]
    if origin is typing.Annotated:
        return arguments[:1]
    if origin is not None:
        return [origin, *arguments]
    supertype = getattr(annotation, "__supertype__", None)  # NewType
    try:
        alias = getattr(annotation, "__value__", None)  # `type X = …`
    except Exception:  # noqa: BLE001 - it is evaluated when it is read, and may name what isn't defined
        alias = None
    return [part for part in (supertype, alias) if part is not None]


def _fields(cls: Any) -> Iterable[object]:
    if issubclass(cls, enum.Enum):
        return ()
    if is_pydantic(cls):
        return [field.annotation for field in cls.model_fields.values()]
    return declared(cls, as_text=False).values()


def _resolve(name: str | typing.ForwardRef, owner: type | None) -> object | None:
    """What a postponed annotation means where its class was defined; None while that can't be told."""
    text = name if isinstance(name, str) else name.__forward_arg__
    module = sys.modules.get(owner.__module__) if owner is not None else None
    scope = dict(vars(module)) if module is not None else {}
    if owner is not None:
        scope.setdefault(owner.__name__, owner)
    holder = type("_Holder", (), {"__annotations__": {"value": text}})
    try:
        return typing.get_type_hints(holder, scope).get("value")
    except Exception:  # noqa: BLE001 - a name that isn't defined (yet), or only for type checkers
        return None
