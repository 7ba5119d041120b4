"""Which kind of model a class is. Looks at the class alone; msgspec and pydantic are never imported for it."""

from __future__ import annotations

import dataclasses
import enum
import sys
from typing import Any

from .base import Blueprint
from .dataclass import DataclassModel
from .enums import EnumModel, FlagModel
from .namedtuple import NamedTupleModel
from .pydantic import PydanticModel
from .struct import StructModel

__all__ = ["blueprint", "is_model", "is_namedtuple", "is_pydantic", "is_struct"]


def blueprint(cls: type) -> Blueprint | None:
    """How to take instances of the class apart, None for what is no model. Raises NotHeld for models of odd make."""
    if issubclass(cls, enum.Flag):
        return FlagModel(cls)
    if issubclass(cls, enum.Enum):
        return EnumModel(cls)
    if is_struct(cls):
        return StructModel(cls)
    if is_pydantic(cls):
        return PydanticModel(cls)
    if is_namedtuple(cls):
        return NamedTupleModel(cls)
    if dataclasses.is_dataclass(cls):
        return DataclassModel(cls)
    return None


def is_model(cls: type) -> bool:
    return (
        issubclass(cls, enum.Enum)
        or is_struct(cls)
        or is_pydantic(cls)
        or is_namedtuple(cls)
        or dataclasses.is_dataclass(cls)
    )


def is_struct(cls: type) -> bool:
    msgspec: Any = sys.modules.get("msgspec")
    return msgspec is not None and issubclass(cls, msgspec.Struct)


def is_pydantic(cls: type) -> bool:
    main: Any = sys.modules.get("pydantic.main")
    return main is not None and issubclass(cls, main.BaseModel)


def is_namedtuple(cls: type) -> bool:
    fields = getattr(cls, "_fields", None)
    return issubclass(cls, tuple) and type(fields) is tuple and all(type(name) is str for name in fields)
