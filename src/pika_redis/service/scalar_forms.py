"""Scalars as canonical bytes: one tag, one length, one content (see `canonical.py`)."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import struct
import uuid
from collections.abc import Callable
from typing import Any

__all__ = ["PLAIN", "SCALARS", "class_name", "text_form"]

_NAN = bytes.fromhex("7ff8000000000000")
"""What stands for every NaN: as long as any other float, or what follows could be taken for a part of it."""


def text_form(tag: bytes, text: str) -> bytes:
    """Any text, lone surrogates included."""
    return _blob(tag, text.encode("utf-8", "surrogatepass"))


def class_name(kind: type) -> bytes:
    """The class by module and qualified name."""
    module = "pathlib" if kind.__module__ == "pathlib._local" else kind.__module__  # as it is called in Python 3.13
    return text_form(b"C", f"{module}.{kind.__qualname__}")


def _blob(tag: bytes, data: bytes) -> bytes:
    return b"%b%d:%b" % (tag, len(data), data)


def _str(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(data), data)


def _int(value: int) -> bytes:
    return _blob(b"i", int.to_bytes(value, value.bit_length() // 8 + 1, "big", signed=True))


def _float(value: float) -> bytes:
    return b"f" + (_NAN if math.isnan(value) else struct.pack(">d", value))


def _zone(value: dt.datetime | dt.time) -> bytes:
    """Fold and zone: two zones that agree on the offset now, which `isoformat` tells, may differ on it tomorrow."""
    zone = value.tzinfo
    if zone is None:
        return b"%d-" % value.fold
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or value.tzname()
    return b"%d+%b%b" % (value.fold, class_name(type(zone)), text_form(b"s", str(name)))


def _datetime(value: dt.datetime) -> bytes:
    return text_form(b"M", dt.datetime.isoformat(value)) + _zone(value)


def _time(value: dt.time) -> bytes:
    return text_form(b"h", dt.time.isoformat(value)) + _zone(value)


def _timedelta(value: dt.timedelta) -> bytes:
    return b"w%d,%d,%d;" % (value.days, value.seconds, value.microseconds)


def _range(value: range) -> bytes:
    return b"r" + _int(value.start) + _int(value.stop) + _int(value.step)


SCALARS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _value: b"N",
    bool: lambda value: b"T" if value else b"F",
    str: _str,
    int: _int,
    float: _float,
    complex: lambda value: b"c" + _float(value.real) + _float(value.imag),
    bytes: lambda value: _blob(b"b", value),
    dt.datetime: _datetime,
    dt.date: lambda value: text_form(b"D", dt.date.isoformat(value)),
    dt.time: _time,
    dt.timedelta: _timedelta,
    decimal.Decimal: lambda value: text_form(b"x", decimal.Decimal.__str__(value)),
    uuid.UUID: lambda value: b"u" + value.bytes,
    range: _range,
    type(...): lambda _value: b".",
    type(NotImplemented): lambda _value: b"!",
}

PLAIN: dict[type, Callable[[Any], object]] = {
    str: str.__str__,
    int: int.__index__,
    float: float.__float__,
    complex: complex.__complex__,
    bytes: bytes.__bytes__,
}
"""The value of a subclass as an instance of the builtin, past methods that the subclass overrides."""
