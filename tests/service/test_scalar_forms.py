"""A scalar's bytes say where they end, whatever follows."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from pika_redis.service.canonical import Place, encode
from pika_redis.service.scalar_forms import PLAIN, SCALARS

PLACE = Place("filters", "shop.find")


@pytest.mark.parametrize("number", [math.nan, complex(math.nan, 1), complex(1, math.nan), complex(math.nan, math.nan)])
def test_nan_is_as_long_as_any_other_number(number: complex) -> None:
    assert len(SCALARS[type(number)](number)) == len(SCALARS[type(number)](type(number)(1)))


def test_no_number_and_text_together_look_like_nan_and_another_text() -> None:
    (number,) = struct.unpack(">d", b"nans11:a")
    assert encode([math.nan, "as7:hello12"], PLACE) != encode([number, "hello12"], PLACE)
    assert encode([complex(math.nan, number), "x"], PLACE) != encode([complex(number, math.nan), "x"], PLACE)


def test_all_nans_are_one() -> None:
    (other,) = struct.unpack(">d", bytes.fromhex("fff8000000000001"))
    assert SCALARS[float](other) == SCALARS[float](math.nan)


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "loud"

    def encode(self, *_how: Any) -> bytes:
        return b"loud"


class Count(int):
    def __index__(self) -> int:
        return 7

    def bit_length(self) -> int:
        raise RuntimeError


class Blob(bytes):
    def __bytes__(self) -> bytes:
        return b"blob"

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("value", [Loud("quiet"), Count(3), Blob(b"xyz")])
def test_a_subclass_is_read_as_the_builtin_that_it_is(value: Any) -> None:
    base: Any = type(value).__mro__[1]
    plain: Any = PLAIN[base](value)
    assert type(plain) is base
    assert SCALARS[base](plain) in encode(value, PLACE)
    assert plain == value
