"""Enums by the name of the member, flags by their number.

A member's fingerprint covers its own name and value: a new member leaves the others' entries valid, a member with
another value doesn't. A flag's covers all of them, since a number may combine any.
"""

from __future__ import annotations

import enum
from typing import Any

from ormsgpack import Ext

from .. import layout
from ..scalars import int_to_bytes
from ..undecodable import Undecodable
from .base import Blueprint, PackLevel, UnpackLevel
from .signature import describe_value, schema_id

__all__ = ["EnumModel", "FlagModel"]


class EnumModel(Blueprint):
    """Any enum that is no flag."""

    __slots__ = ("_extensions", "_members", "_names")

    def __init__(self, cls: type[enum.Enum]) -> None:
        super().__init__(cls)
        data = {member.name: self._data(member) for member in cls}
        self._extensions = {name: Ext(layout.ENUM, content) for name, content in data.items()}
        self._members: dict[bytes, enum.Enum] = {data[member.name]: member for member in cls}
        self._names = frozenset(data)

    def pack(self, level: PackLevel, value: Any) -> Ext:
        return self._extensions[value._name_]

    def unpack(self, level: UnpackLevel, data: bytes) -> object:
        member = self._members.get(data)
        if member is None:
            raise Undecodable(f"written by another schema of {self.label}")
        return member

    def _data(self, member: enum.Enum) -> bytes:
        name = member.name
        return self.id + schema_id("enum", [(name, describe_value(member.value))]) + name.encode()


class FlagModel(Blueprint):
    """A flag, with every combination of its members."""

    __slots__ = ("_prefix",)

    def __init__(self, cls: type[enum.Flag]) -> None:
        super().__init__(cls)
        members = cls.__members__.items()
        self._prefix = self.id + schema_id("flag", [(name, describe_value(member.value)) for name, member in members])

    def pack(self, level: PackLevel, value: Any) -> Ext:
        return Ext(layout.FLAG, self._prefix + int_to_bytes(value._value_))

    def unpack(self, level: UnpackLevel, data: bytes) -> object:
        if data[: layout.PREFIX] != self._prefix:
            raise Undecodable(f"written by another schema of {self.label}")
        number = int.from_bytes(data[layout.PREFIX :], "big", signed=True)
        cls: Any = self.cls
        member = cls._value2member_map_.get(number)
        if member is None:
            # The class's own `_missing_` may be user code; this is the one that combines flags.
            member = vars(enum.Flag)["_missing_"].__func__(cls, number)
        if type(member) is not cls:
            raise ValueError(f"no value of {self.label}")
        return member
