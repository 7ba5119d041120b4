"""What a service leaves behind in its process when it is closed: nothing, or it leaks.

Bytes are those of the library's own objects that are still there after a collection. They are few when there is no
leak, so each is worth counting; the memory of the whole process would say nothing, since the allocator keeps it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import stat
import sys
from time import monotonic
from typing import Final, NamedTuple

__all__ = ["Residue", "residue", "residue_since"]

_ROOMS: Final = tuple(
    f"{__name__.split('.', maxsplit=1)[0]}.{room}." for room in ("wire", "storage", "policy", "service")
)
_PASSES = 3
_PATIENCE = 12.0
_GLANCE = 0.2


class Residue(NamedTuple):
    """What there is of each kind."""

    tasks: int = 0
    sockets: int = 0
    bytes: int = 0

    def __sub__(self, before: Residue) -> Residue:
        """What has been added; nothing is as good as less than before."""
        return Residue(*(max(0, now - then) for now, then in zip(self, before, strict=True)))

    def plus(self, other: Residue) -> Residue:
        """Of two processes together."""
        return Residue(*(one + two for one, two in zip(self, other, strict=True)))


async def residue_since(before: Residue) -> Residue:
    """What this process holds more than before, and doesn't let go of within some seconds.

    Timers that were cancelled keep the context in which they were set until their time has come: that passes.
    """
    deadline = monotonic() + _PATIENCE
    while (left := await residue() - before) != Residue() and monotonic() < deadline:  # noqa: ASYNC110 (nobody tells)
        await asyncio.sleep(_GLANCE)
    return left


async def residue() -> Residue:
    """What this process holds now."""
    for _ in range(_PASSES):
        await asyncio.sleep(0)
        gc.collect()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    held = sum(sys.getsizeof(one) for one in gc.get_objects() if _is_ours(type(one)))
    return Residue(len(tasks), _sockets(), held)


def _is_ours(kind: type) -> bool:
    room: object = kind.__module__  # some of other people's classes say there something that isn't text
    return isinstance(room, str) and room.startswith(_ROOMS)


def _sockets() -> int:
    found = 0
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 (descriptors are no paths)
        with contextlib.suppress(OSError):
            found += stat.S_ISSOCK(os.fstat(int(name)).st_mode)
    return found
