"""Value -> payload.

Strategy. `ormsgpack` walks plain data (None, bool, int, float, str, bytes, list, dict with str keys) at native speed
and hands everything else to a hook, which answers with an extension value. What lies inside an extension value is
packed by the next `_Level`; the chain of levels bounds how deep this can go and holds no state of a call, so one packer
serves all threads.

Native code can't do four things, for which a *walk* in Python replaces the odd parts of a segment by extension values
and leaves the rest to native code again. It happens when the native attempt fails or its output looks suspicious:

- a dict with a key that isn't exactly str is refused without saying where;
- so is a str with lone surrogates;
- a bytearray or memoryview is taken for bytes: if the output may hold a binary value, the value is searched for them;
- a list of tuples costs a hook call for each: after `_MANY_TUPLES` of them the walk looks for lists of rows, which
  `rows.py` packs by columns.

Invariants: what is packed can be unpacked to an equal value of the same types; a value that can't be held raises
`Refused` with the very object, from which `explain.py` finds the path.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Collection
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import ormsgpack
from ormsgpack import Ext, packb

from ..errors import ValueTooLargeError
from . import layout, rows, scalars, shape
from .alike import SMALL, Alike
from .binary import SHORT, may_hold_binary
from .explain import TOO_DEEP, Refused, TooLarge, explain
from .hooks import HookFailure
from .limits import Limits
from .models import ModelRegistry, NotHeld

__all__ = ["Packer"]

_OPTIONS: Final = (
    ormsgpack.OPT_PASSTHROUGH_BIG_INT
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)
_MANY_TUPLES: Final = 8
_WALK_DEPTH: Final = 255  # what native code allows
_ATOMS: Final = frozenset((type(None), bool, int, float, bytes, Ext))
"""Types that the walk leaves to native code; `Ext` is what it put there itself."""
_BUFFERS: Final = frozenset((bytearray, memoryview))
_HINTS: Final = {
    "bytearray": "use bytes",
    "memoryview": "use bytes",
    "generator": "use a list",
    "OrderedDict": "use dict, which keeps its order too",
    "defaultdict": "use dict",
    "Counter": "use dict",
    "deque": "use list or tuple",
}
_ALLOWED: Final = (
    "the codec holds None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset, dates and times, Decimal, "
    "UUID, enums, dataclasses, pydantic models, msgspec Structs and NamedTuples"
)


class _ManyTuples(Exception):
    """The segment may hold lists of rows: walk it."""


class _Bottom:
    """Below the last level."""

    __slots__ = ()

    def pack(self, value: object) -> bytes:
        raise Refused(TOO_DEEP)


class _Level:
    """Packs what lies at one depth of extension values."""

    __slots__ = ("_depth", "_failure", "_max_bytes", "_registry", "alike", "below", "hook", "tuples")

    def __init__(self, depth: int, limits: Limits, registry: ModelRegistry, failure: HookFailure, alike: Alike) -> None:
        self.below: _Level | _Bottom = _Bottom()
        if depth < limits.depth:
            self.below = _Level(depth + 1, limits, registry, failure, alike)
        self.alike = alike
        self.hook = self._hook  # bound once
        self._registry = registry
        self._failure = failure
        self._depth = depth
        self._max_bytes = layout.room(limits.max_bytes, depth)
        # How many tuples the segment at hand had. Threads may disturb each other's count: then another layout is
        # chosen for the same value.
        self.tuples = 0

    def pack(self, value: object) -> bytes:
        """One segment: plain data and the extension values in it."""
        if type(value) is list and rows.like_rows(value):
            return self._verified(self._pack_walked(value))
        self.tuples = 0
        try:
            packed = packb(value, self.hook, _OPTIONS)
        except TypeError:
            packed = self.recover(value)
        else:
            if 0xC4 in packed or len(packed) > SHORT:
                _refuse_buffers(value, packed)
        return self._verified(packed)

    def recover(self, value: object) -> bytes:
        """After native code gave up: packs by a walk if that helps."""
        self._raise_failure()
        return self._pack_walked(value)

    def pack_plain(self, value: object) -> bytes:
        """Plain data that our own code made."""
        return packb(value)

    def _hook(self, value: object) -> Ext:
        """Called by native code for all that it doesn't know."""
        try:
            kind = type(value)
            encode = _ENCODERS.get(kind)
            if encode is None:
                return self._model(value)
            if kind is tuple:
                self.tuples += 1
                if self.tuples == _MANY_TUPLES:
                    raise _ManyTuples
            return encode(self, value)
        except BaseException as error:
            self._failure.error = _blame(error, value)
            raise

    def _extension(self, value: object) -> Ext:
        """The same, for the walk."""
        encode = _ENCODERS.get(type(value))
        try:
            return self._model(value) if encode is None else encode(self, value)
        except Exception as error:
            blamed = _blame(error, value)
            if blamed is error:
                raise
            raise blamed from error

    def _model(self, value: object) -> Ext:
        cls = type(value)
        try:
            blueprint = self._registry.by_class.get(cls) or self._registry.learn(cls)
            if blueprint is not None:
                return blueprint.pack(self, value)
        except NotHeld as error:
            raise Refused(str(error), value) from error
        if cls.__module__ == "msgspec" and cls.__name__ == "UnsetType":
            return scalars.pack_unset(self, value)
        raise Refused(_HINTS.get(cls.__name__, _ALLOWED), value)

    def _verified(self, packed: bytes) -> bytes:
        size, most = len(packed), self._max_bytes
        if size > most:
            raise TooLarge(f"it takes {size} bytes, too many for a value nested {self._depth} deep: {most} are allowed")
        if self._depth >= layout.TRUSTED_LEVELS and shape.nests_deeper(packed, layout.NATIVE_DEPTH):
            raise Refused(TOO_DEEP)
        return packed

    def _raise_failure(self) -> None:
        """Raises what a hook raised, returns if native code itself gave up or the segment wants a walk."""
        error = self._failure.take()
        if error is not None and not isinstance(error, _ManyTuples):
            raise error

    def _pack_walked(self, value: object) -> bytes:
        walked = self._walk(value, _WALK_DEPTH)
        try:
            return packb(walked, self.hook, _OPTIONS)
        except TypeError as error:
            self._raise_failure()
            raise Refused(str(error), value) from error

    def _walk(self, value: Any, room: int) -> object:
        """The value with all that native code can't pack, or packs slowly, as extension values."""
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is str:
            return value if value.isascii() or _encodable(value) else scalars.pack_text(value)
        if kind is list:
            if not room:
                raise Refused(TOO_DEEP, value)
            block = rows.pack_rows(self, value) if rows.like_rows(value) else None
            return [self._walk(item, room - 1) for item in value] if block is None else block
        if kind is dict:
            if not room:
                raise Refused(TOO_DEEP, value)
            if all(type(key) is str and (key.isascii() or _encodable(key)) for key in value):
                return {key: self._walk(item, room - 1) for key, item in value.items()}
            return self._extension(value)
        return self._extension(value)


def _blame(error: BaseException, value: object) -> BaseException:
    """What to raise for an error that came up while the value was packed."""
    if isinstance(error, Refused):
        error.blame(value)
        return error
    if isinstance(error, _ManyTuples | MemoryError) or not isinstance(error, Exception):
        return error
    deep = isinstance(error, RecursionError)
    refusal = Refused(TOO_DEEP if deep else f"reading it raised {type(error).__name__}", value)
    refusal.__cause__ = error
    return refusal


def _pack_tuple(level: _Level, value: tuple[object, ...]) -> Ext:
    return Ext(layout.TUPLE, level.below.pack([*value]))


def _pack_set(level: _Level, value: set[object]) -> Ext:
    packed = level.below.pack([*value])
    if len(packed) > SMALL:
        _check_alike(level, value, packed)
    return Ext(layout.SET, packed)


def _pack_frozenset(level: _Level, value: frozenset[object]) -> Ext:
    packed = level.below.pack([*value])
    if len(packed) > SMALL:
        _check_alike(level, value, packed)
    return Ext(layout.FROZENSET, packed)


def _pack_dict(level: _Level, value: dict[object, object]) -> Ext:
    packed = level.below.pack([part for item in value.items() for part in item])
    if len(packed) > SMALL:
        _check_alike(level, value, packed)
    return Ext(layout.DICT, packed)


def _check_alike(level: _Level, members: Collection[object], packed: bytes) -> None:
    """Raises Refused when building a set or dict of these members again would take too long."""
    if level.alike.too_many(members, packed):
        raise Refused("too many of its members have the same hash", members)


_ENCODERS: Final[dict[type, Callable[[_Level, Any], Ext]]] = {
    tuple: _pack_tuple,
    set: _pack_set,
    frozenset: _pack_frozenset,
    dict: _pack_dict,
    int: scalars.pack_int,
    datetime: scalars.pack_datetime,
    date: scalars.pack_date,
    time: scalars.pack_time,
    timedelta: scalars.pack_timedelta,
    Decimal: scalars.pack_decimal,
    UUID: scalars.pack_uuid,
}


class Packer:
    """Packs values within limits."""

    __slots__ = ("_alike", "_max_objects", "_registry", "_top", "_unlooked")

    def __init__(self, limits: Limits, registry: ModelRegistry) -> None:
        self._alike = Alike(self._look_at_all)
        self._max_objects = limits.max_objects
        self._unlooked = limits.max_objects  # one comparison on the way of small payloads
        self._registry = registry
        self._top = _Level(0, limits, registry, HookFailure(), self._alike)

    def dumps(self, value: object) -> bytes:
        """The payload. Raises SerializationError with the path of what can't be held."""
        top = self._top
        if type(value) is list:
            return self._dumps(value, top.pack)
        # As in `_Level.pack`, but one call less: most values are small and plain.
        top.tuples = 0
        try:
            packed = packb(value, top.hook, _OPTIONS)
        except TypeError:
            return self._dumps(value, top.recover)
        if 0xC4 in packed or len(packed) > SHORT:
            return self._dumps(value, functools.partial(_checked, packed))
        return packed

    def _dumps(self, value: object, pack: Callable[[object], bytes]) -> bytes:
        try:
            packed = pack(value)
        except Refused as refusal:
            self._alike.restart()
            error = explain(value, refusal, self._members)
            raise error from refusal.__cause__
        except RecursionError as error:
            raise explain(value, Refused(TOO_DEEP), self._members) from error
        if len(packed) > self._unlooked:
            self._look(packed)
        return packed

    def _look(self, packed: bytes) -> None:
        """After what was packed: a set that costs something takes more bytes than pass by here."""
        self._alike.restart()
        if len(packed) > self._max_objects and shape.holds_more(packed, self._max_objects):
            raise ValueTooLargeError(f"the value has more than {self._max_objects} parts")

    def _look_at_all(self) -> None:
        self._unlooked = 0

    def _members(self, value: object) -> Any:
        blueprint = self._registry.by_class.get(type(value))
        try:
            return None if blueprint is None else iter([*blueprint.members(value)])
        except Exception:  # noqa: BLE001 - an instance of odd make is a leaf
            return None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked(packed: bytes, value: object) -> bytes:
    _refuse_buffers(value, packed)
    return packed


def _refuse_buffers(value: object, packed: bytes) -> None:
    """Raises Refused if plain data holds what native code silently packed as bytes. Level by level, all in C."""
    if not may_hold_binary(packed):
        return
    around: list[Any] = [value]
    while around:
        kinds = set(map(type, around))
        if kinds & _BUFFERS:
            culprit = next(item for item in around if type(item) in _BUFFERS)
            raise Refused(_HINTS[type(culprit).__name__], culprit)
        around = gc.get_referents(*_of_kind(list, kinds, around), *_of_kind(dict, kinds, around))


def _of_kind(kind: type, kinds: set[type], values: list[Any]) -> list[Any]:
    if kind not in kinds:
        return []
    return values if len(kinds) == 1 else [value for value in values if type(value) is kind]
