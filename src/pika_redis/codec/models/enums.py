"""Enums by the name of the member, flags by their number.

A member's fingerprint covers its own name and value: a new member leaves the others' entries valid, a member with
another value doesn't. A flag's covers all of them, since a number may combine any. Name and value are those that `enum`
gave: a class may define `name` and `value` anew.

What a `_missing_` of the class made for a value that no member has can't be told from the bytes alone: it is refused.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from ormsgpack import Ext

from .. import layout
from ..scalars import int_to_bytes
from ..undecodable import Undecodable
from .base import Blueprint, NotHeld, PackLevel, UnpackLevel
from .signature import describe_value, schema_id

__all__ = ["EnumModel", "FlagModel"]

_NO_MEMBER: Final = "it is no member of its class, but was made by `_missing_`; make it a member, or cache its value"


class EnumModel(Blueprint):
    """Any enum that is no flag."""

    __slots__ = ("_extensions", "_members")

    def __init__(self, cls: type[enum.Enum]) -> None:
        super().__init__(cls)
        data = {self._data(member): member for member in cls._member_map_.values()}
        self._extensions = {id(member): Ext(layout.ENUM, content) for content, member in data.items()}
        self._members: dict[bytes, enum.Enum] = data

    def pack(self, level: PackLevel, value: Any) -> Ext:
        try:
            return self._extensions[id(value)]
        except KeyError:
            raise NotHeld(_NO_MEMBER) from None

    def unpack(self, level: UnpackLevel, data: bytes) -> object:
        member = self._members.get(data)
        if member is None:
            raise Undecodable(f"written by another schema of {self.label}")
        return member

    def _data(self, member: enum.Enum) -> bytes:
        name = member._name_
        fingerprint = schema_id("enum", [(name, describe_value(member._value_))])
        return self.id + fingerprint + name.encode("utf-8", "surrogatepass")


class FlagModel(Blueprint):
    """A flag, with every combination of its members."""

    __slots__ = ("_keeps", "_known", "_prefix")

    def __init__(self, cls: type[enum.Flag]) -> None:
        super().__init__(cls)
        members = cls.__members__.items()
        self._prefix = self.id + schema_id("flag", [(name, describe_value(member._value_)) for name, member in members])
        self._known: dict[Any, enum.Enum] = cls._value2member_map_
        flag: Any = cls
        stock = flag._missing_.__func__ is vars(enum.Flag)["_missing_"].__func__
        self._keeps = stock and flag._boundary_ is enum.KEEP
        """Whether Python makes values of unknown bits, which the 3.11.2 of Debian 12 does not remember."""

    def pack(self, level: PackLevel, value: Any) -> Ext:
        known: Any = self._known.get(value._value_)
        if known is not value and not (known is None and self._keeps):
            raise NotHeld(_NO_MEMBER)
        return Ext(layout.FLAG, self._prefix + int_to_bytes(value._value_))

    def unpack(self, level: UnpackLevel, data: bytes) -> object:
        if data[: layout.PREFIX] != self._prefix:
            raise Undecodable(f"written by another schema of {self.label}")
        number = int.from_bytes(data[layout.PREFIX :], "big", signed=True)
        cls: Any = self.cls
        member: Any = self._known.get(number)
        if member is None:
            # The class's own `_missing_` may be user code; this is the one that combines flags.
            member = vars(enum.Flag)["_missing_"].__func__(cls, number)
        if type(member) is not cls or member._value_ != number:
            raise ValueError(f"no value of {self.label}")
        return member
