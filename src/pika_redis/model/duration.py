"""Durations as users write them: seconds, `timedelta`, or text such as ``"500ms"``, ``"10m"``, ``"1h30m"``."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TypeAlias, cast

from ..errors import ArgumentError, ArgumentTypeError

__all__ = ["MAX_SECONDS", "Duration", "to_seconds", "to_ttl"]

Duration: TypeAlias = float | timedelta | str
"""Seconds (int or float), a `timedelta`, or text with units: ms, s, m, h, d, w."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|w)")
_WHOLE = re.compile(rf"\s*(?:{_PART.pattern}\s*)+")
_MAX_TEXT = 64
_NUMBERS = frozenset((int, float))
MAX_SECONDS = 100 * 365 * 86400.0
"""The longest finite duration, a hundred years: beyond it, say `math.inf`."""
_TOO_LONG = 2 * int(MAX_SECONDS)  # what an int is clamped to, since a float may not hold it


def to_seconds(value: Duration, name: str) -> float:
    """The duration in seconds, `math.inf` included.

    Raises ArgumentTypeError for anything that is no duration and ArgumentError for text that doesn't parse,
    NaN, or a finite value above a hundred years. Zero and negative values pass: the caller knows what they mean.
    """
    if isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be seconds, a timedelta or text such as '10m', not the bool {value}")
    if isinstance(value, int):
        seconds = float(min(max(value, -_TOO_LONG), _TOO_LONG))
    elif isinstance(value, float):
        seconds = value
    elif isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, str):
        seconds = _parse(value, name)
    else:
        raise ArgumentTypeError(
            f"{name} must be seconds, a timedelta or text such as '10m', not {type(value).__name__}"
        )
    if math.isnan(seconds):
        raise ArgumentError(f"{name} must be a number of seconds, not NaN")
    if MAX_SECONDS < abs(seconds) < math.inf:
        raise ArgumentError(f"{name} is more than a hundred years; use math.inf for no expiry")
    return seconds


def to_ttl(value: Duration, name: str = "ttl") -> float:
    """A time to live in seconds, above zero; `math.inf` means no expiry.

    Raises ArgumentError (a ValueError) for zero and below, and for less than the server's resolution of 1 ms.
    """
    if value.__class__ in _NUMBERS and 0.001 <= cast("float", value) <= MAX_SECONDS:  # by far the most
        return float(cast("float", value))
    seconds = to_seconds(value, name)
    if seconds < 0.001:
        raise ArgumentError(f"{name} must be at least 1 ms (math.inf for no expiry), not {value!r}")
    return seconds


def _parse(text: str, name: str) -> float:
    shown = text[:_MAX_TEXT]
    if shown != text or not _WHOLE.fullmatch(text.lower()):
        raise ArgumentError(f"{name}={shown!r} is no duration; write for example '500ms', '30s', '10m', '1h30m'")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text.lower()))
