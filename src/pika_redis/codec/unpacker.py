"""Payload -> value. Whatever the bytes are, the outcome is a value or `Undecodable`.

Strategy. `ormsgpack` checks every length against the bytes that are left before it allocates, and hands extension
values to a hook, which looks up the code and nothing else: no code means "import" or "call". What lies inside an
extension value is unpacked by the next `_Level`; the chain ends at the depth limit.

Native code ignores bytes after a value. So each segment is unpacked as the first of an array of two, whose second is a
random number made at import: a segment that ends early or late doesn't leave it as the second.

Several payloads are unpacked by one call, as one array in which that number follows each of them. It is at every odd
place of the outcome only if each payload is one value: none of them can hold it, and one that swallows it is short of
it. What is wrong with any of them sends all back, to be unpacked one by one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from ormsgpack import packb, unpackb

from . import layout, rows, scalars, shape
from .alike import SMALL, Alike
from .hooks import HookFailure
from .limits import Limits
from .models import ModelRegistry
from .undecodable import Undecodable

__all__ = ["Unpacker"]

_HEAD: Final = b"\x92"
_END: Final = float(int.from_bytes(os.urandom(6), "big"))
_TAIL: Final = packb(_END)
_BETWEEN: Final = os.urandom(8)
_MARK: Final = packb(_BETWEEN)
_ARRAY: Final = 0xDD
_BYTES: Final = b"\xc4"
_SMALL: Final = 4096
"""Bytes of a payload that may be unpacked with others: copying it once more costs less than a call."""
_ID_BYTES: Final = 8


class _Bottom:
    """Below the last level."""

    __slots__ = ()

    def items(self, data: bytes | memoryview) -> list[Any]:
        raise Undecodable("nested too deep")


class _Level:
    """Unpacks what lies at one depth of extension values."""

    __slots__ = ("_depth", "_failure", "_max_bytes", "alike", "below", "hook", "registry")

    def __init__(self, depth: int, limits: Limits, registry: ModelRegistry, failure: HookFailure, alike: Alike) -> None:
        self.below: _Level | _Bottom = _Bottom()
        if depth < limits.depth:
            self.below = _Level(depth + 1, limits, registry, failure, alike)
        self.alike = alike
        self.hook = self._hook  # bound once
        self.registry = registry
        self._failure = failure
        self._depth = depth
        self._max_bytes = layout.room(limits.max_bytes, depth)

    def items(self, data: bytes | memoryview) -> list[Any]:
        """One segment that is a list."""
        if len(data) > self._max_bytes:
            raise Undecodable("too large for a nested value")
        if self._depth >= layout.TRUSTED_LEVELS and shape.nests_deeper(data, layout.NATIVE_DEPTH):
            raise Undecodable("nested too deep")
        return _items(data, self.hook)

    def plain_items(self, data: bytes) -> list[Any]:
        """A list without extension values."""
        return _items(data, None)

    def _hook(self, code: int, data: bytes) -> object:
        try:
            return _DECODERS[code](self, data)
        except BaseException as error:
            if self._failure.error is None:
                self._failure.error = error
            raise


def _items(data: bytes | memoryview, hook: Callable[[int, bytes], object] | None) -> list[Any]:
    value, end = unpackb(_HEAD + data + _TAIL, ext_hook=hook)
    if type(end) is not float or end != _END:
        raise Undecodable("bytes after the end of a value")
    if type(value) is not list:
        raise Undecodable("not a list where one belongs")
    return value


def _unpack_tuple(level: _Level, data: bytes) -> tuple[Any, ...]:
    return tuple(level.below.items(data))


def _unpack_set(level: _Level, data: bytes) -> set[Any]:
    members = level.below.items(data)
    if len(data) > SMALL:
        _check_alike(level, members, data)
    return set(members)


def _unpack_frozenset(level: _Level, data: bytes) -> frozenset[Any]:
    members = level.below.items(data)
    if len(data) > SMALL:
        _check_alike(level, members, data)
    return frozenset(members)


def _unpack_dict(level: _Level, data: bytes) -> dict[Any, Any]:
    parts = level.below.items(data)
    if len(data) > SMALL:
        _check_alike(level, parts[::2], data)
    pairs = iter(parts)
    return dict(zip(pairs, pairs, strict=True))


def _check_alike(level: _Level, members: list[Any], data: bytes) -> None:
    """Raises Undecodable when building a set or dict of these members would take too long."""
    if level.alike.too_many(members, data):
        raise Undecodable("too many members hash alike")


def _unpack_model(level: _Level, data: bytes) -> object:
    return level.registry.find(data[:_ID_BYTES]).unpack(level, data)


_DECODERS: Final[dict[int, Callable[[_Level, bytes], object]]] = {
    layout.BIG_INT: scalars.unpack_int,
    layout.TEXT: scalars.unpack_text,
    layout.TUPLE: _unpack_tuple,
    layout.SET: _unpack_set,
    layout.FROZENSET: _unpack_frozenset,
    layout.DICT: _unpack_dict,
    layout.BLOCK: rows.unpack_rows,
    layout.COLUMN: rows.unpack_column,
    layout.MODEL: _unpack_model,
    layout.ENUM: _unpack_model,
    layout.FLAG: _unpack_model,
    layout.DATETIME: scalars.unpack_datetime,
    layout.DATETIME_UTC: scalars.unpack_datetime_utc,
    layout.DATETIME_ZONED: scalars.unpack_datetime_zoned,
    layout.DATE: scalars.unpack_date,
    layout.TIME: scalars.unpack_time,
    layout.TIME_ZONED: scalars.unpack_time_zoned,
    layout.TIMEDELTA: scalars.unpack_timedelta,
    layout.DECIMAL: scalars.unpack_decimal,
    layout.UUID_: scalars.unpack_uuid,
    layout.UNSET: scalars.unpack_unset,
}


class Unpacker:
    """Unpacks payloads within limits."""

    __slots__ = ("_alike", "_failure", "_hook", "_max_objects", "_small", "_unlooked")

    def __init__(self, limits: Limits, registry: ModelRegistry) -> None:
        self._alike = Alike(self._look_at_all)
        self._failure = HookFailure()
        self._hook = _Level(0, limits, registry, self._failure, self._alike).hook
        self._max_objects = limits.max_objects
        self._unlooked = limits.max_objects  # one comparison on the way of small payloads
        self._small = min(_SMALL, limits.max_objects, limits.max_bytes)

    def loads(self, data: bytes | memoryview) -> object:
        """The value. Raises Undecodable for anything that is none."""
        if len(data) > self._unlooked:
            self._look(data)
        try:
            value, end = unpackb(_HEAD + data + _TAIL, ext_hook=self._hook)
        except Exception as error:  # noqa: BLE001 - whatever it is, the bytes are at fault
            raise self._undecodable(error) from None
        if type(end) is not float or end != _END:
            raise Undecodable("bytes after the end of the value")
        return value

    def loads_many(self, payloads: Sequence[bytes]) -> list[object]:
        """The values of several small ones. Raises Undecodable if any of them is none or large, for whatever reason."""
        return self._together(payloads, b"", 2)[::2] if payloads else []

    def loads_behind(self, raws: Sequence[bytes], start: int) -> tuple[list[object], bytes]:
        """The values of several small ones, each from `start` (up to 255), and what stands before that, joined.

        Raises Undecodable as `loads_many`; something small enough is not copied apart for it.
        """
        parts = self._together(raws, _BYTES + bytes((start,)), 3)
        return parts[1::3], b"".join(parts[::3])

    def _together(self, payloads: Sequence[bytes], before: bytes, each: int) -> list[Any]:
        """One array of all these, with something `before` each and the mark behind it: `each` parts of the array."""
        if max(map(len, payloads)) > self._small or not self._unlooked:
            raise Undecodable("to be unpacked alone")
        count = len(payloads)
        head = (_ARRAY << 32 | each * count).to_bytes(5, "big")
        try:
            parts = unpackb(b"".join((head, before, (_MARK + before).join(payloads), _MARK)), ext_hook=self._hook)
        except Exception as error:  # noqa: BLE001 - as above
            raise self._undecodable(error) from None
        try:
            alike = b"".join(parts[each - 1 :: each]) == _BETWEEN * count
        except TypeError:  # something else than bytes stands where a mark belongs
            alike = False
        if not alike:
            raise Undecodable("bytes after the end of a value")
        return cast("list[Any]", parts)

    def _look(self, data: bytes | memoryview) -> None:
        self._alike.restart()
        if len(data) > self._max_objects and shape.holds_more(bytes(data), self._max_objects):
            raise Undecodable(f"more than {self._max_objects} parts")

    def _look_at_all(self) -> None:
        self._unlooked = 0

    def _undecodable(self, native: Exception) -> Undecodable:
        """The reason, from the hook if it was one. Interrupts that struck inside a hook go on."""
        error = self._failure.take() or native
        if isinstance(error, Undecodable):
            return error
        if not isinstance(error, Exception):
            raise error
        if error is native:
            return Undecodable(f"no payload: {native}")
        return Undecodable(f"no value of its type: {type(error).__name__}")
