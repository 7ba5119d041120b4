"""Letting go of a socket that another process still uses."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Protocol

__all__ = ["point_at_nothing"]


class _Socket(Protocol):
    def fileno(self) -> int: ...


def point_at_nothing(sock: _Socket | None) -> None:
    """Point this process's descriptor at the null device, so that whoever closes it later closes nothing else."""
    if sock is not None and sock.fileno() >= 0:
        with suppress(OSError):
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, sock.fileno(), inheritable=False)
            os.close(null)
