"""Models: dataclasses, pydantic models, msgspec Structs, NamedTuples and enums, and which of them may be rebuilt."""

from .base import Blueprint
from .registry import ModelRegistry, NotHeld

__all__ = ["Blueprint", "ModelRegistry", "NotHeld"]
