"""What a fault is, and when one was there."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

__all__ = ["Begin", "End", "Fault", "Window", "nothing"]

End: TypeAlias = Callable[[], object]
"""Ends what was begun. Blocks."""
Begin: TypeAlias = Callable[[random.Random], End]
"""Begins a fault, by the throw of a dice. Blocks."""


class Fault(NamedTuple):
    """One kind of fault."""

    name: str
    begin: Begin
    shortest: float = 0.0
    """It lasts from so many seconds …"""
    longest: float = 0.0
    """… to so many."""
    loses: bool = False
    """Whether the server may lose what it has acknowledged: a replica takes over that hadn't heard of it."""


class Window(NamedTuple):
    """A fault that was there; nanoseconds of the monotonic clock."""

    name: str
    start: int
    end: int
    loses: bool = False


def nothing() -> None:
    """The end of a fault that is over when it has begun."""
