"""Constants of the payload format; `docs/reference/values.md` describes every code byte by byte.

A payload is one MessagePack value. None, bool, integers of 64 bits, float, str, bytes, list and dict with str keys are
MessagePack's own; every other type is an extension with one of these codes. Codes are never reused for another layout.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BIG_INT",
    "BLOCK",
    "COLUMN",
    "DATE",
    "DATETIME",
    "DATETIME_UTC",
    "DATETIME_ZONED",
    "DECIMAL",
    "DICT",
    "ENUM",
    "FLAG",
    "FROZENSET",
    "MODEL",
    "NATIVE_DEPTH",
    "PREFIX",
    "SET",
    "TEXT",
    "TIME",
    "TIMEDELTA",
    "TIME_ZONED",
    "TRUSTED_LEVELS",
    "TUPLE",
    "UNSET",
    "UUID_",
    "room",
]

BIG_INT: Final = 1
TEXT: Final = 2
TUPLE: Final = 3
SET: Final = 4
FROZENSET: Final = 5
DICT: Final = 6
BLOCK: Final = 7
COLUMN: Final = 8
MODEL: Final = 9
ENUM: Final = 10
FLAG: Final = 11
DATETIME: Final = 12
DATETIME_UTC: Final = 13
DATETIME_ZONED: Final = 14
DATE: Final = 15
TIME: Final = 16
TIME_ZONED: Final = 17
TIMEDELTA: Final = 18
DECIMAL: Final = 19
UUID_: Final = 20
UNSET: Final = 21

PREFIX: Final = 16
"""Bytes before the body of a model or enum: 8 of class id, 8 of schema fingerprint."""

NATIVE_DEPTH: Final = 64
"""How deep plain lists and dicts may nest inside an extension value that itself lies below `TRUSTED_LEVELS` others."""
TRUSTED_LEVELS: Final = 3
"""Extension levels whose plain nesting only the native packer bounds (255 packing, 1023 unpacking).

Unpacking costs about 550 bytes of C stack a level, so the sum over all extension levels has to be bounded as well:
3 * 1023 + 61 * 64 levels stay below the 8 MiB that a thread has on Linux and macOS.
"""


def room(max_bytes: int, depth: int) -> int:
    """How many bytes an extension value may have at a depth.

    While it is unpacked each open level holds its bytes twice, so without this a payload of 64 levels would take 128
    times its size. So the sum stays below ten times `max_bytes`.
    """
    return max_bytes // depth if depth else max_bytes
