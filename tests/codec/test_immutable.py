"""A value is immutable only if nobody can change it or what lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
import pydantic
import pytest
from tests.ids import shown

from pika_redis.codec import Codec

from . import samples

T = TypeVar("T")


class Text(str):
    """A str with a `__dict__`."""


class Lazy:
    @cached_property
    def items(self) -> list[int]:
        return []


@dataclass(frozen=True)
class FrozenLazy(Lazy):
    a: int = 1


@dataclass(frozen=True)
class Crate(Generic[T]):
    item: T


class PlainSubclass(samples.Frozen):
    """No dataclass itself: its instances take attributes beyond the fields."""


@dataclass(frozen=True, slots=True)
class FrozenSlots:
    a: Any


class SlottedSubclass(FrozenSlots):
    __slots__ = ("note",)


@dataclass(frozen=True)
class FrozenSubclass(PlainSubclass):
    more: Any = 1


class FrozenModel(pydantic.BaseModel, frozen=True):
    a: Any


class FrozenWithPrivate(pydantic.BaseModel, frozen=True):
    a: int = 1
    _note: str = "x"


class FrozenStruct(msgspec.Struct, frozen=True):
    a: Any


class FrozenDictStruct(msgspec.Struct, frozen=True, dict=True):
    a: Any = 1


class Row(NamedTuple):
    a: Any


CODEC = Codec()


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1,
        1.5,
        "x",
        b"x",
        Decimal(1),
        UUID(int=1),
        datetime(2024, 1, 1, tzinfo=UTC),
        date(2024, 1, 1),
        time(1),
        timedelta(1),
        samples.Color.RED,
        samples.Level.LOW,
        samples.Access(3),
        (),
        (1, ("a", None)),
        frozenset({1, (2,)}),
        samples.Frozen("a"),
        samples.Strict(key=1, value=(1, 2)),
        samples.Frozen((samples.Frozen("x"), samples.Color.RED)),
        Crate[int](1),
        FrozenSubclass(1),
        FrozenSlots((1,)),
        FrozenStruct((1,)),
        Row(1),
        (Row((1,)), FrozenStruct(samples.Frozen(1))),
    ],
    ids=shown,
)
def test_what_nobody_can_change_is_immutable(value: Any) -> None:
    assert CODEC.is_immutable(value)
    assert CODEC.is_immutable((value, frozenset()))


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        set(),
        bytearray(),
        object(),
        Text("x"),
        ([],),
        (1, (2, ({},))),
        samples.Point(1),
        samples.Slotted(1),
        samples.Frozen([1]),
        samples.Strict(key=1, value=[1]),
        FrozenLazy(),
        Crate([1]),
        PlainSubclass(1),
        SlottedSubclass(1),
        FrozenModel(a=1),
        FrozenStruct(FrozenModel(a=1)),
        FrozenWithPrivate(),
        samples.Model(a=1),
        samples.extra(more=1),
        FrozenStruct([1]),
        FrozenDictStruct(),
        samples.Struct(1),
        samples.Tagged(1),
        Row([1]),
        samples.Pair(1, [2]),
        object.__new__(samples.Strict),
        iter([]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_change_is_not(value: Any) -> None:
    assert not CODEC.is_immutable(value)
    assert not CODEC.is_immutable((1, value))


def test_depth_is_no_obstacle() -> None:
    value: Any = ()
    for _ in range(100_000):
        value = (value,)
    assert CODEC.is_immutable(value)
    while value:  # taken apart level by level: some interpreters free deep tuples by recursion
        (value,) = value
