"""Counts what a payload holds without decoding it, so that nothing is allocated for a payload that holds too much.

Counting in Python costs more than decoding, so it is done only where two cheap bounds don't answer already: what is
counted takes at least one byte, and each begins with a byte of a certain range. Truncated or lying bytes end the count
early; the unpacker refuses them anyway.
"""

from __future__ import annotations

from typing import Final

from . import layout
from .rows import LISTED_KINDS
from .scalars import DATE_FIELDS

__all__ = ["holds_more", "nests_deeper"]

_HIGH_BYTES: Final = bytes(range(0x80, 0x100))
_CONTAINER_HEADS: Final = bytes((*range(0x80, 0xA0), *range(0xDC, 0xE0)))
_SIZES: Final = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
"""Data bytes of numbers beyond one byte, by head."""
_LENGTHS: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Bytes of the length of binary data and text, by head."""
_COUNTS: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Bytes of the count, and values for each counted item, of arrays and maps, by head."""
_EXT_LENGTHS: Final = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_EXT_SIZES: Final = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_LISTED: Final = tuple(bytes((kind,)) for kind in LISTED_KINDS)
_INSIDE: Final = {
    layout.TUPLE: 0,
    layout.SET: 0,
    layout.FROZENSET: 0,
    layout.DICT: 0,
    layout.BLOCK: 0,
    layout.MODEL: layout.PREFIX,
}
"""Where the value inside an extension begins, by code."""


def holds_more(data: bytes, limit: int) -> bool:
    """Whether the payload holds more than `limit` objects: all but None, booleans and integers from 0 to 127."""
    if len(data) <= limit:
        return False
    # One-byte values cost a pointer each, as rows of a block a tuple; the size bounds their number.
    if len(data) <= 8 * limit and len(data) - len(data.translate(None, _HIGH_BYTES)) <= limit:
        return False
    return _Count(data, into_extensions=True).exceeds(objects=limit, depth=len(data))


def nests_deeper(data: bytes | memoryview, limit: int) -> bool:
    """Whether plain lists and dicts nest deeper than `limit`, not counting what lies inside extension values."""
    if len(data) <= limit:
        return False
    data = bytes(data)
    if len(data) - len(data.translate(None, _CONTAINER_HEADS)) <= limit:
        return False
    return _Count(data, into_extensions=False).exceeds(objects=len(data), depth=limit)


class _Count:
    """One pass over the heads of a payload."""

    __slots__ = ("_at", "_data", "_ends", "_into", "_objects", "_pending", "_rows")

    def __init__(self, data: bytes, *, into_extensions: bool) -> None:
        self._data = data
        self._at = 0
        self._into = into_extensions
        self._objects = 0
        self._pending = [1]  # values still to come, of each open container
        self._ends = [0]  # where an open extension value ends; 0 for plain containers
        self._rows = [0]  # for the containers of a block: how many more arrays until the one that counts its rows

    def exceeds(self, *, objects: int, depth: int) -> bool:
        """Whether there are more objects, or a deeper place."""
        data, pending, ends = self._data, self._pending, self._ends
        while pending:
            if not pending[-1]:
                pending.pop()
                self._rows.pop()
                self._at = ends.pop() or self._at
                continue
            if self._at >= len(data):
                return False
            pending[-1] -= 1
            head = data[self._at]
            self._at += 1
            if head < 0x80 or 0xC0 <= head <= 0xC3:
                continue
            self._objects += 1
            if head < 0xA0:
                self._open_plain((head & 0x0F) * (2 if head < 0x90 else 1))
            elif head < 0xC0:
                self._at += head & 0x1F
            elif head < 0xE0:
                self._pass(head)
            if self._objects > objects or len(pending) - 1 > depth:
                return True
        return False

    def _pass(self, head: int) -> None:
        if head in _SIZES:
            self._at += _SIZES[head]
        elif head in _LENGTHS:
            size = self._number(_LENGTHS[head])
            self._at += size
        elif head in _COUNTS:
            width, values = _COUNTS[head]
            self._open_plain(self._number(width) * values)
        else:
            size = _EXT_SIZES[head] if head in _EXT_SIZES else self._number(_EXT_LENGTHS[head])
            self._pass_extension(self._at + 1, self._at + 1 + size)

    def _pass_extension(self, start: int, end: int) -> None:
        code = self._number(1)
        if self._into and code in _INSIDE:
            self._open(1, end, rows=2 if code == layout.BLOCK else 0)
            self._at = start + _INSIDE[code]
        elif self._into and code == layout.COLUMN and self._data[start : start + 1] in _LISTED:
            rows, self._rows[-1] = self._rows[-1], 0
            self._open(1, end, rows)
            self._at = start + 1
        else:
            if code == layout.COLUMN:
                self._objects += (end - start) // DATE_FIELDS.size
            self._at = end

    def _open(self, values: int, end: int = 0, rows: int = 0) -> None:
        self._pending.append(values)
        self._ends.append(end)
        self._rows.append(rows)

    def _open_plain(self, values: int) -> None:
        """A list or dict. The first column of a block tells its rows, each of which becomes a tuple."""
        around = self._rows[-1]
        self._rows[-1] = 0
        if around == 1:
            self._objects += values
        self._open(values, rows=max(around - 1, 0))

    def _number(self, size: int) -> int:
        number = int.from_bytes(self._data[self._at : self._at + size], "big")
        self._at += size
        return number
