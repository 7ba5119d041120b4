"""What could be written but never read is refused when it is written."""

from __future__ import annotations

import array
import collections
import random
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from pika_redis.codec import Codec
from pika_redis.errors import ArgumentError, SerializationError

from .. import samples


@dataclass
class Chance(random.Random):
    a: int = 0


@dataclass
class Numbers(array.array):  # type: ignore[type-arg]
    a: int = 0

    def __new__(cls, *_given: Any) -> Any:
        return array.array.__new__(cls, "i", [1])


@dataclass
class Queue(collections.deque[int]):
    a: int = 0


@pytest.mark.parametrize("cls", [Chance, Numbers, Queue])
def test_a_class_over_one_written_in_c_is_refused_by_name(cls: Any) -> None:
    with pytest.raises(ArgumentError, match=r"inherits from (Random|array|deque), whose state no field shows"):
        Codec().register(cls)


def test_an_instance_of_such_a_class_is_refused() -> None:
    for value in (Chance(1), Numbers(1)):
        with pytest.raises(SerializationError, match="whose state no field shows"):
            Codec().encode([value])


class Loose(msgspec.Struct, dict=True):
    a: int = 1


class Pair(samples.Pair):
    """Has a `__dict__`."""


@pytest.mark.parametrize(
    "make",
    [lambda: samples.Point(1), Loose, lambda: Pair(1), lambda: samples.Model(a=1)],
    ids=["dataclass", "msgspec", "subclass", "pydantic"],
)
def test_an_attribute_whose_name_is_no_text_is_refused(make: Any) -> None:
    value = make()
    value.__dict__[5] = 1
    with pytest.raises(SerializationError, match="the name of an attribute is no str"):
        Codec().encode(value)


def test_a_given_field_whose_name_is_no_text_is_refused() -> None:
    value = samples.Model.model_construct(a=1, _fields_set={0})  # type: ignore[arg-type]
    with pytest.raises(SerializationError, match="the name of an attribute is no str"):
        Codec().encode(value)
