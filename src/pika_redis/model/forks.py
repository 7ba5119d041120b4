"""Nothing survives a fork: whoever holds process state registers here and is told, in the child, to forget it."""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import Protocol

__all__ = ["forget_after_fork"]


class _Forgetful(Protocol):
    def forget_all_after_fork(self) -> None: ...


_registered: weakref.WeakSet[_Forgetful] = weakref.WeakSet()


def forget_after_fork(holder: _Forgetful) -> None:
    """Call `holder.forget_all_after_fork()` in every forked child, as long as the holder lives."""
    _registered.add(holder)


def _in_child() -> None:
    with contextlib.ExitStack() as told:  # one that fails doesn't keep the others from being told
        for holder in list(_registered):
            told.callback(holder.forget_all_after_fork)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
