"""Extension values that hold no other values: dates and times, Decimal, UUID, integers beyond 64 bits.

Dates and times are their fields as fixed-width integers: `datetime(*fields)` checks them when it reads, and is twice as
fast as a count of microseconds. Readers raise ValueError, OverflowError or struct.error for bytes that are no value.
"""

from __future__ import annotations

import decimal
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from ormsgpack import Ext

from . import layout
from .explain import Refused
from .zones import pack_zone, unpack_zone

__all__ = [
    "DATETIME_FIELDS",
    "DATE_FIELDS",
    "bytes_to_uuid",
    "int_to_bytes",
    "make_datetime",
    "pack_date",
    "pack_datetime",
    "pack_decimal",
    "pack_int",
    "pack_text",
    "pack_time",
    "pack_timedelta",
    "pack_unset",
    "pack_uuid",
    "text_to_decimal",
    "unpack_date",
    "unpack_datetime",
    "unpack_datetime_utc",
    "unpack_datetime_zoned",
    "unpack_decimal",
    "unpack_int",
    "unpack_text",
    "unpack_time",
    "unpack_time_zoned",
    "unpack_timedelta",
    "unpack_unset",
    "unpack_uuid",
]

DATETIME_FIELDS: Final = struct.Struct(">HBBBBBI")
"""Year, month, day, hour, minute, second, microsecond: 11 bytes."""
DATE_FIELDS: Final = struct.Struct(">HBB")
"""Year, month, day: 4 bytes."""
_TIME_FIELDS: Final = struct.Struct(">BBBI")
_TIMEDELTA_FIELDS: Final = struct.Struct(">iII")
_pack_datetime: Final = DATETIME_FIELDS.pack
_unpack_datetime: Final = DATETIME_FIELDS.unpack

make_datetime: Final = cast("Callable[..., datetime]", datetime)  # the checkers don't know how many fields a struct has
_make_time: Final = cast("Callable[..., time]", time)

# A UUID through its constructor costs three times as much, for checks that sixteen bytes can't fail.
_new: Final = object.__new__
_set_uuid_int: Final = vars(UUID)["int"].__set__
_set_uuid_safety: Final = vars(UUID)["is_safe"].__set__
_SAFETY_UNKNOWN: Final = uuid.SafeUUID.unknown


def pack_int(_level: object, value: int) -> Ext:
    return Ext(layout.BIG_INT, int_to_bytes(value))


def unpack_int(_level: object, data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def int_to_bytes(value: int) -> bytes:
    """Two's complement, big-endian, as short as it goes."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def pack_text(value: str) -> Ext:
    """A str with lone surrogates, which MessagePack's own text can't hold."""
    return Ext(layout.TEXT, value.encode("utf-8", "surrogatepass"))


def unpack_text(_level: object, data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def pack_datetime(_level: object, value: datetime) -> Ext:
    zone = value.tzinfo
    fields = _pack_datetime(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond
    )
    if not value.fold:
        if zone is None:
            return Ext(layout.DATETIME, fields)
        if zone is UTC:
            return Ext(layout.DATETIME_UTC, fields)
    return Ext(layout.DATETIME_ZONED, fields + _fold_and_zone(value))


def unpack_datetime(_level: object, data: bytes) -> datetime:
    return datetime(*_unpack_datetime(data))


def unpack_datetime_utc(_level: object, data: bytes) -> datetime:
    return make_datetime(*_unpack_datetime(data), UTC)


def unpack_datetime_zoned(_level: object, data: bytes) -> datetime:
    return make_datetime(*_unpack_datetime(data[:11]), unpack_zone(data[12:]), fold=data[11])


def pack_date(_level: object, value: date) -> Ext:
    return Ext(layout.DATE, DATE_FIELDS.pack(value.year, value.month, value.day))


def unpack_date(_level: object, data: bytes) -> date:
    return date(*DATE_FIELDS.unpack(data))


def pack_time(_level: object, value: time) -> Ext:
    fields = _TIME_FIELDS.pack(value.hour, value.minute, value.second, value.microsecond)
    if value.tzinfo is None and not value.fold:
        return Ext(layout.TIME, fields)
    return Ext(layout.TIME_ZONED, fields + _fold_and_zone(value))


def unpack_time(_level: object, data: bytes) -> time:
    return time(*_TIME_FIELDS.unpack(data))


def unpack_time_zoned(_level: object, data: bytes) -> time:
    return _make_time(*_TIME_FIELDS.unpack(data[:7]), unpack_zone(data[8:]), fold=data[7])


def pack_timedelta(_level: object, value: timedelta) -> Ext:
    return Ext(layout.TIMEDELTA, _TIMEDELTA_FIELDS.pack(value.days, value.seconds, value.microseconds))


def unpack_timedelta(_level: object, data: bytes) -> timedelta:
    return timedelta(*_TIMEDELTA_FIELDS.unpack(data))


def pack_decimal(_level: object, value: Decimal) -> Ext:
    return Ext(layout.DECIMAL, str(value).encode())


def unpack_decimal(_level: object, data: bytes) -> Decimal:
    return text_to_decimal(data.decode("ascii"))


def text_to_decimal(text: str) -> Decimal:
    """The exact Decimal, whatever the context of the calling thread. Raises ValueError for other text."""
    try:
        return Decimal(text)
    except decimal.DecimalException as error:
        raise ValueError("no decimal number") from error


def pack_uuid(_level: object, value: UUID) -> Ext:
    return Ext(layout.UUID_, value.int.to_bytes(16, "big"))


def unpack_uuid(_level: object, data: bytes) -> UUID:
    if len(data) != 16:
        raise ValueError("a UUID has 16 bytes")
    return bytes_to_uuid(data)


def bytes_to_uuid(data: bytes) -> UUID:
    """The UUID of exactly 16 bytes, which the caller has checked."""
    value = _new(UUID)
    _set_uuid_int(value, int.from_bytes(data, "big"))
    _set_uuid_safety(value, _SAFETY_UNKNOWN)
    return value


def pack_unset(_level: object, _value: object) -> Ext:
    """`msgspec.UNSET`, which Struct fields hold for "not given"."""
    return Ext(layout.UNSET, b"")


def unpack_unset(_level: object, data: bytes) -> Any:
    import msgspec

    if data:
        raise ValueError("UNSET has no data")
    return msgspec.UNSET


def _fold_and_zone(value: datetime | time) -> bytes:
    zone = pack_zone(value.tzinfo)
    if zone is None:
        raise Refused(f"its time zone of class {type(value.tzinfo).__qualname__} can't be rebuilt; use zoneinfo", value)
    return bytes((value.fold,)) + zone
