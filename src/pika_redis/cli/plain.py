"""Cached values as JSON. What JSON has no form for becomes the nearest text, number or list."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["Plain", "is_plain", "plain"]

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

_MAX_BITS = 10_000
"""Python refuses to write much larger integers in decimal, since that takes quadratic time."""


def is_plain(value: object) -> bool:
    """Whether JSON holds the value without loss, so that reading it back gives an equal value of the same types."""
    if isinstance(value, list):
        return all(is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is int:
        return value.bit_length() <= _MAX_BITS
    return value is None or type(value) in (bool, str)


def plain(value: object) -> Plain:
    """The value's JSON form.

    Bytes are base64, dates and times ISO 8601, a timedelta its seconds, other scalars text; tuples and sets are lists,
    the latter sorted. A dict whose keys would collide as text is a list of pairs.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _MAX_BITS else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value, key=repr)]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _plain_scalar(value)


def _plain_scalar(value: object) -> Plain:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dt.date | dt.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return str(value)


def _plain_mapping(value: Mapping[object, object]) -> Plain:
    names = [key if isinstance(key, str) else str(plain(key)) for key in value]
    items = [plain(item) for item in value.values()]
    if len(set(names)) == len(names):
        return dict(zip(names, items, strict=True))
    return [[plain(key), item] for key, item in zip(value, items, strict=True)]
