"""Waiting for what other processes bring about, with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import CacheUnavailableError

__all__ = ["wait_until"]

_PAUSE = 0.02


def wait_until(condition: Callable[[], bool], what: str, timeout: float) -> None:
    """Ask again and again whether it is so. Raises CacheUnavailableError, which says what, after `timeout` seconds.

    A server that can't answer meanwhile counts as no.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            if condition():
                return
        except CacheUnavailableError:
            pass
        if time.monotonic() > deadline:
            raise CacheUnavailableError(f"{what} did not happen within {timeout:g} s")
        time.sleep(_PAUSE)
