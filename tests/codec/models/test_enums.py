"""Members come back as the very members; what only looks like one is refused."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from pika_redis.codec import Codec
from pika_redis.errors import SerializationError


class State(enum.StrEnum):
    """Takes values it doesn't know, under the name of a member."""

    UNKNOWN = "unknown"
    OPEN = "open"

    @classmethod
    def _missing_(cls, value: object) -> State:
        made = str.__new__(cls, value)
        made._name_ = "UNKNOWN"
        made._value_ = str(value)
        return made


class Label(enum.Enum):
    """Shows other names and values than it has."""

    FIRST = 1
    SECOND = 2

    @property
    def name(self) -> str:
        return "label"

    @property
    def value(self) -> Any:
        return "value"


class Odd(enum.Flag):
    A = 1

    @classmethod
    def _missing_(cls, value: object) -> Odd:
        made = object.__new__(cls)
        made._name_ = None
        made._value_ = 1
        return made


@pytest.mark.parametrize("make", [lambda: State("closed"), lambda: Odd(64)], ids=["enum", "flag"])
def test_what_missing_made_is_refused_and_not_taken_for_a_member(make: Any) -> None:
    with pytest.raises(SerializationError, match="is no member of its class, but was made by `_missing_`") as caught:
        Codec().encode({"state": make()})
    assert caught.value.path == "$.state"


def test_members_of_a_class_with_its_own_missing_are_held() -> None:
    codec = Codec()
    for member in (State.UNKNOWN, State("open"), Odd.A):
        assert codec.decode(*codec.encode(member)) is member


def test_a_class_that_defines_name_and_value_anew_keeps_its_members_apart() -> None:
    codec = Codec()
    for member in Label:
        assert codec.decode(*codec.encode([member])) == [member]
    assert codec.encode(Label.FIRST) != codec.encode(Label.SECOND)


def test_a_member_with_any_name_comes_back() -> None:
    wild: Any = enum.Enum("wild", {"\ud800": 1, "é": 2})
    codec = Codec()
    for member in wild:
        assert codec.decode(*codec.encode(member)) is member
