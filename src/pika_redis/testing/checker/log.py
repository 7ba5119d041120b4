"""Histories on disk: one file of fixed records for each process.

Each record is one `write` of 48 bytes, which is in the kernel's hands when it returns: a process that is killed loses
no operation that it had finished. Nothing is ever rewritten, and nothing is shared between writers. A record costs
some four microseconds, a small part of the operation that it tells of.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from .history import Kind, Operation, Tier

__all__ = ["History", "Log"]

_RECORD = struct.Struct("<BBHIqqqqq")
_BLOCK = 4096 * _RECORD.size
_KINDS = {int(kind): kind for kind in Kind}
_TIERS = {int(tier): tier for tier in Tier}


class Log:
    """The writer's end: what one process did."""

    def __init__(self, path: Path, process: int) -> None:
        self._process = process
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, done: Operation) -> None:
        """Add an operation; its `process` is the log's own."""
        record = _RECORD.pack(
            done.kind,
            done.tier,
            self._process,
            done.subject,
            done.start,
            done.end,
            done.version,
            done.as_of,
            done.origin,
        )
        os.write(self._file, record)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class History:
    """The readers' end: what all processes did. Each iteration reads the files anew, in no order of time."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)

    def __iter__(self) -> Iterator[Operation]:
        for path in self._paths:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    whole = len(block) - len(block) % _RECORD.size  # a killed process may leave half a record
                    for kind, tier, process, subject, start, end, *value in _RECORD.iter_unpack(block[:whole]):
                        yield Operation(_KINDS[kind], start, end, subject, process, _TIERS[tier], *value)

    def __len__(self) -> int:
        return sum(path.stat().st_size // _RECORD.size for path in self._paths)
