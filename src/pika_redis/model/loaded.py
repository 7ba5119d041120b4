"""What a loader may say beside its value."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from .duration import Duration

__all__ = ["DO_NOT_STORE", "DoNotStore", "DoNotStoreType", "Loaded"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """A loader's result with what only the loader knows: callers get `value`."""

    value: T
    ttl: Duration | None = None
    """Seconds, a timedelta or "10m" instead of the ttl asked for; 0 = do not store, None = as asked for."""
    tags: Sequence[str] = ()
    """More tags for the entry. If one of them was invalidated while the loader ran, the value is not stored."""


class DoNotStore(enum.Enum):
    """An enum of one member, so that type checkers can tell it from values."""

    DO_NOT_STORE = "DO_NOT_STORE"

    def __repr__(self) -> str:
        return "DO_NOT_STORE"


DO_NOT_STORE: Final = DoNotStore.DO_NOT_STORE
"""A loader returns it when there is nothing to give and nothing to remember: callers get None, nothing is stored."""
DoNotStoreType: TypeAlias = Literal[DoNotStore.DO_NOT_STORE]
