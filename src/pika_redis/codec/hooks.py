"""What a hook raised, carried past the native code that called it and raises an error of its own instead."""

from __future__ import annotations

import threading

__all__ = ["HookFailure"]


class HookFailure(threading.local):
    """One slot a thread: a hook fills it and raises, whoever called the native code takes it."""

    error: BaseException | None = None

    def take(self) -> BaseException | None:
        """The error, which is then forgotten; None if no hook failed."""
        error, self.error = self.error, None
        return error
