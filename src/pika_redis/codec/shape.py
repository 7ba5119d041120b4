"""Measures what a payload holds without decoding it, so that nothing is allocated for a payload that holds too much.

What decoding allocates is told by the *heads* of a payload, the first bytes of its values. MessagePack has no closing
marks, so heads can be met from left to right without knowing what contains what. Most are met by the thousand in one
match of a regular expression; Python itself steps over long texts, long containers and extension values. Even so it is
done only where cheap bounds don't answer already: a part takes at least a byte, and begins with one of a certain range,
but for the rows of blocks, whose number stands behind what looks like the head of a block. Truncated or lying bytes end
the count early or carry it astray; the unpacker, which meets the same heads in the same order, refuses them there. What
containers announce is allocated at once, so it is counted by itself.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from . import layout
from .rows import LISTED_KINDS
from .scalars import DATE_FIELDS

__all__ = ["SMALL_PER_OBJECT", "holds_more", "nests_deeper", "run"]

SMALL_PER_OBJECT: Final = 8
"""How many values that take one byte (None, booleans, integers from 0 to 127) are as good as an object: each costs a
pointer when decoded."""
_OBJECT_HEADS: Final = bytes((*range(0x80, 0xC0), *range(0xC4, 0x100)))
_CONTAINER_HEADS: Final = bytes((*range(0x80, 0xA0), *range(0xDC, 0xE0)))
_WIDTHS: Final = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
"""Data bytes of numbers beyond one byte, by head."""
_LENGTHS: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Bytes of the length of binary data and text, by head."""
_COUNTS: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Bytes of the count, and values for each counted item, of arrays and maps, by head."""
_EXT_LENGTHS: Final = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_EXT_SIZES: Final = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_INSIDE: Final = {
    layout.TUPLE: 0,
    layout.SET: 0,
    layout.FROZENSET: 0,
    layout.DICT: 0,
    layout.BLOCK: 0,
    layout.MODEL: layout.PREFIX,
}
"""Where the value inside an extension begins, by code."""

_LISTED: Final = tuple(bytes((kind,)) for kind in LISTED_KINDS)
_SMALL: Final = rb"[\x00-\x7f\xc0-\xc3]"
_OBJECT: Final = b"|".join(
    (
        rb"[\x80-\xa0\xe0-\xff]",  # heads of short lists and dicts, the empty text, negative numbers
        rb"[\xcd\xd1].{2}|[\xca\xce\xd2].{4}|[\xcb\xcf\xd3].{8}|[\xcc\xd0].",
        *(b"%b.{%d}" % (re.escape(bytes((0xA0 + size,))), size) for size in range(1, 32)),  # short texts
        rb"(?:[\xd4-\xd8]|\xc7.|\xc8.{2}|\xc9.{4})[\x03-\x06]",  # heads of tuples, sets, frozensets, dicts
        rb"(?:\xc7.|\xc8.{2}|\xc9.{4})\x09.{16}",  # and of models
        *(b"%b[^\\x03-\\x09].{%d}" % (re.escape(bytes((head,))), size) for head, size in _EXT_SIZES.items()),
        *(b"\\xc7%b[^\\x03-\\x09].{%d}" % (re.escape(bytes((size,))), size) for size in range(32)),
        *(b"[\\xc4\\xd9]%b.{%d}" % (re.escape(bytes((size,))), size) for size in range(32)),  # short binary data
        rb"[\xdc\xde]\x00[\x00-\x0f]|[\xdd\xdf]\x00\x00\x00[\x00-\x0f]",  # heads longer than they need to be
    )
)
"""Objects of few bytes, each with all that is to be passed over behind its head."""
_FEW: Final = 16
"""Numbers and one-byte values are matched by themselves where so many alike stand in a row."""


def holds_more(data: bytes, limit: int) -> bool:
    """Whether the payload holds more than `limit` objects, or `SMALL_PER_OBJECT` times as many one-byte values."""
    if len(data) <= limit:
        return False
    if _counted(data, 0) > limit + limit * SMALL_PER_OBJECT:
        return True
    if len(data) <= limit * SMALL_PER_OBJECT:
        heads = len(data) - len(data.translate(None, _OBJECT_HEADS))
        if heads <= limit and heads + sum(_most_rows(data, at.start()) for at in _block().finditer(data)) <= limit:
            return False
    return _exceeds(data, limit, limit * SMALL_PER_OBJECT)


def _exceeds(data: bytes, most_objects: int, most_small: int) -> bool:
    objects = small = announced = at = 0
    number, size = int.from_bytes, len(data)
    while at < size:
        width = _LENGTHS.get(data[at])
        if width is not None and (width > 1 or data[at + 1 : at + 2] > b"\x1f"):  # text that no match covers
            start = at + 1 + width
            at = start + number(data[at + 1 : start], "big")
            objects += 1
        else:
            more_objects, more_small, values, at = _measured(data, at)
            objects += more_objects
            small += more_small
            announced += values
        if objects > most_objects or small > most_small or announced > most_objects + most_small:
            return True
    return False


def nests_deeper(data: bytes | memoryview, limit: int) -> bool:
    """Whether plain lists and dicts nest deeper than `limit`, not counting what lies inside extension values."""
    if len(data) <= limit:
        return False
    data = bytes(data)
    if len(data) - len(data.translate(None, _CONTAINER_HEADS)) <= limit:
        return False
    pending = [1]  # values still to come, of each open container
    at = 0
    while at < len(data):
        while not pending[-1]:
            pending.pop()
            if not pending:
                return False
        head = data[at]
        count, after = run(data, at, pending[-1])
        pending[-1] -= count
        if 0x80 <= head < 0xA0 or head in _COUNTS:
            pending.append(_counted(data, at))
            if len(pending) - 1 > limit:
                return True
        at = after
    return False


def _measured(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Objects and one-byte values from a place on, what a long container there announces, and the place behind."""
    head = data[at]
    if head in _WIDTHS:
        count, after = run(data, at, len(data))
        if count >= _FEW:
            return count, 0, 0, after
    several, one = _mixed()
    found = several.match(data, at)
    if found:
        rest, objects = one.subn(b"", found[0])
        return objects, len(rest), 0, found.end()
    if head in _COUNTS:
        return 1, 0, _counted(data, at), _after(data, at)
    if head in _EXT_SIZES or head in _EXT_LENGTHS:
        return _measured_extension(data, at)
    count, after = run(data, at, len(data))
    return (0, count, 0, after) if _is_small(head) else (count, 0, 0, after)


def _measured_extension(data: bytes, at: int) -> tuple[int, int, int, int]:
    start, end = _extension(data, at)
    code = _number(data, start - 1, 1)
    if code == layout.BLOCK:
        return 1 + _rows(data, start), 0, 0, start
    if code in _INSIDE:
        return 1, 0, 0, start + _INSIDE[code]
    if code == layout.COLUMN:
        if data[start : start + 1] in _LISTED:
            return 1, 0, 0, start + 1
        return 1 + (end - start) // DATE_FIELDS.size, 0, 0, end
    return 1, 0, 0, end


def _most_rows(data: bytes, code_at: int) -> int:
    """How many rows a block has at most, if it is one: its code stands there, and what may be its head before it."""
    most = 0
    for head in (*_EXT_SIZES, *_EXT_LENGTHS):
        at = code_at - 1 - _EXT_LENGTHS.get(head, 0)
        if at >= 0 and data[at] == head:
            start, end = _extension(data, at)
            if end <= len(data):
                most = max(most, min(_rows(data, start), end - start))  # a row takes at least a byte
    return most


def _rows(data: bytes, at: int) -> int:
    """How many tuples a block becomes, told by its first column."""
    at = _after(data, at)
    if data[at : at + 1] and (data[at] in _EXT_SIZES or data[at] in _EXT_LENGTHS):
        start, end = _extension(data, at)
        if data[start : start + 1] not in _LISTED:
            return (end - start) // DATE_FIELDS.size
        at = start + 1
    return _counted(data, at)


def run(data: bytes, at: int, most: int) -> tuple[int, int]:
    """How many values alike stand at a place, at most `most`, and where the next value begins."""
    head = data[at]
    if not _is_small(head) and head not in _WIDTHS:
        return 1, _after(data, at)
    width = 1 + _WIDTHS.get(head, 0)
    found = _alike(head).match(data, at)
    count = min((found.end() - at) // width, most) if found else 1  # cut off: not even one
    return count, at + count * width


def _is_small(head: int) -> bool:
    return head < 0x80 or 0xC0 <= head <= 0xC3


@functools.cache
def _alike(head: int) -> re.Pattern[bytes]:
    """Numbers of one head in a row; for a one-byte value, any of these."""
    one = _SMALL if _is_small(head) else b"%b.{%d}" % (re.escape(bytes((head,))), _WIDTHS[head])
    return re.compile(b"(?:%b)++" % one, re.DOTALL)


@functools.cache
def _block() -> re.Pattern[bytes]:
    """What every block has: its code and the head of the array of columns, behind the head of an extension value."""
    heads = rb"(?<=[\xd4-\xd8]..)|(?<=\xc7...)|(?<=\xc8....)|(?<=\xc9......)"
    return re.compile(rb"%b[\x91-\x9f\xdc\xdd](?:%b)" % (re.escape(bytes((layout.BLOCK,))), heads), re.DOTALL)


@functools.cache
def _mixed() -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Objects of few bytes in a row, with one-byte values unless there are many in a row; and one such object."""
    small = b"%b{1,%d}+(?!%b)" % (_SMALL, _FEW - 1, _SMALL)
    return re.compile(b"(?:%b|%b){1,50000}+" % (_OBJECT, small), re.DOTALL), re.compile(_OBJECT, re.DOTALL)


def _after(data: bytes, at: int) -> int:
    """Where the head stands that follows the value at a place; that of a container's first item, if it has any."""
    head = data[at]
    if head in _LENGTHS:
        width = _LENGTHS[head]
        return at + 1 + width + _number(data, at + 1, width)
    if head in _COUNTS:
        return at + 1 + _COUNTS[head][0]
    if head < 0xA0 or head >= 0xE0 or 0xC0 <= head <= 0xC3:
        return at + 1
    if head < 0xC0:
        return at + 1 + (head & 0x1F)
    if head in _WIDTHS:
        return at + 1 + _WIDTHS[head]
    return _extension(data, at)[1]


def _extension(data: bytes, at: int) -> tuple[int, int]:
    """Where the data of an extension value begins, one behind its code, and where it ends."""
    head = data[at]
    if head in _EXT_SIZES:
        return at + 2, at + 2 + _EXT_SIZES[head]
    width = _EXT_LENGTHS[head]
    start = at + 2 + width
    return start, start + _number(data, at + 1, width)


def _counted(data: bytes, at: int) -> int:
    """How many values the list or dict at a place announces; 0 if there is none."""
    head = data[at] if at < len(data) else 0
    if head in _COUNTS:
        width, values = _COUNTS[head]
        return _number(data, at + 1, width) * values
    if 0x80 <= head < 0xA0:
        return (head & 0x0F) * (2 if head < 0x90 else 1)
    return 0


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")
