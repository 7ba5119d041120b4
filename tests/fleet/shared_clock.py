"""A clock of several processes in a file: one lets time pass while another is stopped."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

__all__ = ["SharedClock"]

_SECONDS = struct.Struct("d")


class SharedClock:
    """Monotonic seconds that stand still until `advance`, in whichever process."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_SECONDS.pack(1000.0))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SECONDS.size)

    def monotonic(self) -> float:
        (now,) = _SECONDS.unpack_from(self._memory)
        return float(now)

    def advance(self, seconds: float) -> None:
        _SECONDS.pack_into(self._memory, 0, self.monotonic() + seconds)
