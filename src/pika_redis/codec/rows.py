"""Lists of flat tuples, such as database rows, as one extension value that holds columns.

A hook call for each row costs more than all that lies in it. So rows of one length are turned into columns, each a
plain list; columns of one class that would need a hook call for each item (datetime, date, UUID, Decimal) are packed
as fixed-width fields or as plain lists. None is allowed among them. Columns of other items are packed like any list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Protocol
from uuid import UUID

from ormsgpack import Ext

from . import layout, scalars
from .scalars import DATE_FIELDS, DATETIME_FIELDS, make_datetime

__all__ = ["LISTED_KINDS", "like_rows", "pack_rows", "unpack_column", "unpack_rows"]

_MIN_ROWS: Final = 4
_DATETIME: Final = 0
_DATETIME_UTC: Final = 1
_DATE: Final = 2
_UUID: Final = 3
_DECIMAL: Final = 4
LISTED_KINDS: Final = (_UUID, _DECIMAL)
"""Kinds of column whose content is a plain list; the others are fixed-width fields."""
_NO_DATETIME: Final = bytes(DATETIME_FIELDS.size)
_NO_DATE: Final = bytes(DATE_FIELDS.size)
_NONE: Final = type(None)


class _PackLevel(Protocol):
    @property
    def below(self) -> _Packs: ...

    def pack_plain(self, value: object, /) -> bytes: ...


class _Packs(Protocol):
    def pack(self, value: object, /) -> bytes: ...


class _UnpackLevel(Protocol):
    @property
    def below(self) -> _Unpacks: ...

    def plain_items(self, data: bytes, /) -> list[Any]: ...


class _Unpacks(Protocol):
    def items(self, data: bytes, /) -> list[Any]: ...


def like_rows(value: list[Any]) -> bool:
    """Whether it is worth trying: a look at length and first item."""
    return len(value) >= _MIN_ROWS and type(value[0]) is tuple and len(value[0]) > 0


def pack_rows(level: _PackLevel, value: list[Any]) -> Ext | None:
    """The block, None when the items aren't all tuples of one length."""
    if set(map(type, value)) != {tuple} or len(set(map(len, value))) != 1:
        return None
    columns = [_pack_column(level, column) for column in zip(*value, strict=True)]
    return Ext(layout.BLOCK, level.below.pack(columns))


def unpack_rows(level: _UnpackLevel, data: bytes) -> list[tuple[object, ...]]:
    columns = level.below.items(data)
    if not columns or not all(type(column) is list for column in columns):
        raise ValueError("no columns")
    return list(zip(*columns, strict=True))


def unpack_column(level: _UnpackLevel, data: bytes) -> list[Any]:
    kind, content = data[0], data[1:]
    if kind in (_DATETIME, _DATETIME_UTC):
        zone = UTC if kind == _DATETIME_UTC else None
        return [make_datetime(*fields, zone) if fields[0] else None for fields in DATETIME_FIELDS.iter_unpack(content)]
    if kind == _DATE:
        return [date(*fields) if fields[0] else None for fields in DATE_FIELDS.iter_unpack(content)]
    items = level.plain_items(content)
    if kind == _UUID and all(item is None or (type(item) is bytes and len(item) == 16) for item in items):
        return [None if item is None else scalars.bytes_to_uuid(item) for item in items]
    if kind == _DECIMAL and all(item is None or type(item) is str for item in items):
        return [None if item is None else scalars.text_to_decimal(item) for item in items]
    raise ValueError("no column")


def _pack_column(level: _PackLevel, column: tuple[Any, ...]) -> object:
    first = column[0]
    if first is None:
        first = next((item for item in column if item is not None), None)
    pack = _COLUMN_PACKERS.get(type(first))
    if pack is None or not set(map(type, column)) <= {type(first), _NONE}:
        return [*column]
    return pack(level, column) or [*column]


def _pack_datetimes(_level: _PackLevel, column: Sequence[datetime | None]) -> Ext | None:
    zone = next(item.tzinfo for item in column if item is not None)
    if zone is not None and zone is not UTC:
        return None
    if any(item is not None and (item.tzinfo is not zone or item.fold) for item in column):
        return None
    pack = DATETIME_FIELDS.pack
    content = b"".join(
        [
            _NO_DATETIME
            if at is None
            else pack(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond)
            for at in column
        ]
    )
    return Ext(layout.COLUMN, bytes((_DATETIME if zone is None else _DATETIME_UTC,)) + content)


def _pack_dates(_level: _PackLevel, column: Sequence[date | None]) -> Ext:
    pack = DATE_FIELDS.pack
    content = b"".join([_NO_DATE if day is None else pack(day.year, day.month, day.day) for day in column])
    return Ext(layout.COLUMN, bytes((_DATE,)) + content)


def _pack_uuids(level: _PackLevel, column: Sequence[UUID | None]) -> Ext:
    plain = [None if item is None else item.int.to_bytes(16, "big") for item in column]
    return Ext(layout.COLUMN, bytes((_UUID,)) + level.pack_plain(plain))


def _pack_decimals(level: _PackLevel, column: Sequence[Decimal | None]) -> Ext:
    plain = [None if item is None else str(item) for item in column]
    return Ext(layout.COLUMN, bytes((_DECIMAL,)) + level.pack_plain(plain))


_COLUMN_PACKERS: Final[dict[type, Callable[[_PackLevel, Any], Ext | None]]] = {
    datetime: _pack_datetimes,
    date: _pack_dates,
    UUID: _pack_uuids,
    Decimal: _pack_decimals,
}
