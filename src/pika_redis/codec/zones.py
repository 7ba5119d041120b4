"""Time zones as bytes: UTC, fixed offsets with and without a name, `ZoneInfo` by key, pydantic's own fixed offsets.

A zone is one byte of kind and its data. Any other tzinfo class is refused: nothing else can be rebuilt from data alone.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final

__all__ = ["pack_zone", "unpack_zone"]

_NAIVE: Final = 0
_UTC: Final = 1
_FIXED: Final = 2
_NAMED: Final = 3
_ZONE_INFO: Final = 4
_PYDANTIC: Final = 5

_ZONE_KEY: Final = re.compile(r"[A-Za-z0-9_+-]{1,64}(/[A-Za-z0-9_+-]{1,64}){0,3}")
"""Keys of the IANA database; nothing that could name another file."""
_MICROSECOND: Final = timedelta(microseconds=1)


def pack_zone(zone: tzinfo | None) -> bytes | None:
    """The zone's bytes, None for one that can't be held."""
    if zone is None:
        return bytes((_NAIVE,))
    if zone is UTC:
        return bytes((_UTC,))
    kind = type(zone)
    if kind is timezone:
        return _pack_fixed(zone)
    if kind.__module__ == "zoneinfo" and kind is sys.modules["zoneinfo"].ZoneInfo:
        key = getattr(zone, "key", None)
        if key is None or not _ZONE_KEY.fullmatch(key):
            return None
        return bytes((_ZONE_INFO,)) + str(key).encode()
    if kind.__name__ == "TzInfo" and _is_pydantic(kind):
        offset = zone.utcoffset(None)
        assert offset is not None
        return bytes((_PYDANTIC,)) + int(offset.total_seconds()).to_bytes(4, "big", signed=True)
    return None


def unpack_zone(data: bytes) -> tzinfo | None:
    """The zone. Raises ValueError, OverflowError or an error of zoneinfo when there is none."""
    kind, rest = data[0], data[1:]
    if kind == _NAIVE and not rest:
        return None
    if kind == _UTC and not rest:
        return UTC
    if kind == _FIXED and len(rest) == 8:
        return timezone(_offset(rest))
    if kind == _NAMED and len(rest) >= 8:
        return timezone(_offset(rest[:8]), rest[8:].decode("utf-8", "surrogatepass"))
    if kind == _ZONE_INFO:
        from zoneinfo import ZoneInfo

        key = rest.decode("ascii")
        if not _ZONE_KEY.fullmatch(key):
            raise ValueError("no key of a time zone")
        return ZoneInfo(key)
    if kind == _PYDANTIC and len(rest) == 4:
        from pydantic_core import TzInfo

        return TzInfo(int.from_bytes(rest, "big", signed=True))
    raise ValueError("no time zone")


def _pack_fixed(zone: tzinfo) -> bytes:
    offset = zone.utcoffset(None)
    assert offset is not None
    packed = (offset // _MICROSECOND).to_bytes(8, "big", signed=True)
    arguments = zone.__reduce__()[1]  # (offset,) or (offset, name), as pickle rebuilds it
    if len(arguments) == 1:
        return bytes((_FIXED,)) + packed
    return bytes((_NAMED,)) + packed + str(arguments[1]).encode("utf-8", "surrogatepass")


def _offset(data: bytes) -> timedelta:
    return timedelta(microseconds=int.from_bytes(data, "big", signed=True))


def _is_pydantic(kind: type) -> bool:
    core = sys.modules.get("pydantic_core")
    return core is not None and kind is getattr(core, "TzInfo", None)
