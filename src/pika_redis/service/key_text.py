"""The readable part of a key: argument values as short, escaped text, and keys cut to a length.

The text is for people and for glob patterns. Two different arguments may show the same text; the digest behind it
tells them apart.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import re
import uuid
from typing import Any

from .canonical import digest

__all__ = ["MAX_ARGUMENT_TEXT", "MIN_KEY_LENGTH", "argument_text", "bound_key", "escape_text", "named_text"]

MAX_ARGUMENT_TEXT = 40
MIN_KEY_LENGTH = 64
"""The smallest limit for `bound_key`: below it, no head would be left beside the digest."""

_CUT = "…"
"""Stands between the head and the digest of a shortened key; 3 bytes."""
_DIGEST = re.compile(r"[0-9a-f]{32}")
_SHORT_NUMBER_BITS = 128
# The separator, our escape character, what a glob or a cluster's hash tag reads as syntax, and what doesn't print.
_UNSAFE = re.compile(r"[:%*?\[\]\\{}\s\x00-\x20\x7f-\x9f\ud800-\udfff]")
_SHOWN_AS_STR = frozenset({bool, type(None), float, decimal.Decimal, uuid.UUID, dt.date, dt.time, dt.timedelta})


def argument_text(value: Any) -> str:
    """The value as at most 40 characters without ``:``, glob syntax, control or white space characters.

    Strings, bytes, numbers, dates, UUIDs and names of enum members show their content, everything else its class.
    """
    kind = type(value)  # no `isinstance`, and no method of a subclass: it may raise, or tell something else
    if issubclass(kind, enum.Enum):
        return _member_text(value)
    if issubclass(kind, str):
        return escape_text(str.__getitem__(value, slice(MAX_ARGUMENT_TEXT)))
    if issubclass(kind, bytes):
        return escape_text(bytes.__getitem__(value, slice(MAX_ARGUMENT_TEXT)).decode("latin-1"))
    if issubclass(kind, dt.datetime):
        return escape_text(dt.datetime.isoformat(value))
    if kind in _SHOWN_AS_STR:
        return escape_text(str(value))
    if issubclass(kind, int) and int.bit_length(value) <= _SHORT_NUMBER_BITS:
        return escape_text(int.__repr__(value))
    return escape_text(kind.__name__)


def _member_text(member: Any) -> str:
    """The name of a member; the value of what `_missing_` made under one; the class of flags without a name."""
    kind = type(member)
    if issubclass(kind, enum.Flag) or kind._member_map_.get(member._name_) is member:
        return escape_text(member._name_ or kind.__name__)
    return argument_text(member._value_)


def named_text(name: str, value: object) -> str:
    """``name=value`` for an argument that `**kwargs` took, as short and as escaped."""
    return _cut(f"{escape_text(name)}={argument_text(value)}")


def escape_text(text: str) -> str:
    """At most 40 characters of the text, each unsafe character as ``%`` and two hexadecimal digits a byte."""
    return _cut(_UNSAFE.sub(_percent, text[:MAX_ARGUMENT_TEXT]))


def _cut(escaped: str) -> str:
    """The text's first 40 characters, without the beginning of an escape that doesn't fit."""
    if len(escaped) <= MAX_ARGUMENT_TEXT:
        return escaped
    broken = escaped.find("%", MAX_ARGUMENT_TEXT - 2, MAX_ARGUMENT_TEXT)
    return escaped[: MAX_ARGUMENT_TEXT if broken < 0 else broken]


def bound_key(key: str, limit: int) -> str:
    """The key itself, or, where its UTF-8 is longer than `limit` bytes, a readable head and the digest of all of it.

    `limit` is at least `MIN_KEY_LENGTH`. The same key always gives the same result, and another key another one: a key
    that looks like such a result is shortened too. So is a text that UTF-8 can't encode.
    """
    if _fits(key, limit):
        return key
    data = key.encode("utf-8", "surrogatepass")
    head = data[: limit - 35].decode("utf-8", "ignore")
    return f"{head}{_CUT}{digest(data)}"


def _fits(key: str, limit: int) -> bool:
    if key.isascii():
        return len(key) <= limit
    if key[-33:-32] == _CUT and _DIGEST.fullmatch(key, len(key) - 32):
        return False
    try:
        return len(key.encode()) <= limit
    except UnicodeEncodeError:
        return False


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
