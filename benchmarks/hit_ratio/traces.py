"""Reads traces of accesses, by path and format.

Formats: `u32be` and `u64be` (unsigned big-endian integers, one after another), `decimal` (one number a line; what
stands behind it is ignored). A name that ends in .xz or .gz is decompressed. The traces of the Caffeine simulator
(github.com/ben-manes/caffeine) come in these formats.
"""

from __future__ import annotations

import gzip
import lzma
import sys
from array import array
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FORMATS", "Trace", "read"]

FORMATS = ("u32be", "u64be", "decimal")


@dataclass(frozen=True)
class Trace:
    """A name, and the keys in the order in which they are asked for."""

    name: str
    keys: list[str]

    @property
    def distinct(self) -> int:
        return len(set(self.keys))


def read(path: Path, form: str, limit: int | None = None) -> Trace:
    """The first `limit` accesses of a file, or all."""
    data = _decompressed(path)
    numbers: list[int]
    if form == "decimal":
        numbers = [int(line.split()[0]) for line in data.splitlines()[:limit] if line.strip()]
    elif form in {"u32be", "u64be"}:
        column = array("I" if form == "u32be" else "Q")
        whole = len(data) - len(data) % column.itemsize
        column.frombytes(data[: whole if limit is None else min(whole, limit * column.itemsize)])
        if sys.byteorder == "little":
            column.byteswap()
        numbers = column.tolist()
    else:
        raise ValueError(f"unknown format {form!r} (there are {', '.join(FORMATS)})")
    named: dict[int, str] = {}
    return Trace(path.name.split(".")[0], [named.setdefault(number, f"key:{number}") for number in numbers])


def _decompressed(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    return gzip.decompress(data) if path.suffix == ".gz" else data
