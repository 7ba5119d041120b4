"""`MISSING`: the answer "there is nothing here", where None is a legal value."""

from __future__ import annotations

import enum
from typing import Final, Literal, TypeAlias

__all__ = ["MISSING", "Missing"]


class Missing(enum.Enum):
    """An enum of one member, so that type checkers can narrow ``value is MISSING``."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> Literal[False]:
        return False


MISSING: Final = Missing.MISSING
MissingType: TypeAlias = Literal[Missing.MISSING]
