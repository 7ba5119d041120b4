"""Structs with a `__post_init__` are rebuilt without it, and without a trace in their classes."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any, ClassVar

import msgspec
import pytest

from pika_redis.codec import Codec

made: list[str] = []


class Event(msgspec.Struct, tag=True):
    """Keeps account of its subclasses."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        made.append(cls.__name__)


class Paid(Event):
    amount: Any
    runs: ClassVar[int] = 0

    def __post_init__(self) -> None:
        Paid.runs += 1

    def __copy__(self) -> Paid:
        raise AssertionError("ran")


class Refunded(Paid, kw_only=True):
    reason: Any = "none"
    __private: Any = 0


class Everything(msgspec.Struct, frozen=True, dict=True, weakref=True, cache_hash=True):
    a: Any

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "a", (self.a,))


def test_the_class_sees_no_subclass_that_it_has_not() -> None:
    made.clear()
    codec = Codec()
    assert codec.decode(*codec.encode([Paid(1), Refunded(amount=2, reason="x")])) == [Paid(1), Refunded(2, reason="x")]
    assert made == []
    assert Event.__subclasses__() == [Paid]
    assert Paid.__subclasses__() == [Refunded]
    assert msgspec.json.decode(b'{"type":"Paid","amount":1}', type=Event | Paid) == Paid(1)


def test_neither_post_init_nor_an_own_copy_runs() -> None:
    codec = Codec()
    payload = codec.encode(Paid([1]))
    runs = Paid.runs
    back: Any = codec.decode(*payload)
    assert Paid.runs == runs
    assert back == Paid([1])
    with pytest.raises(AssertionError):
        copy.copy(back)


def test_a_struct_without_fields_is_rebuilt_without_its_post_init() -> None:
    class Mark(msgspec.Struct):
        def __post_init__(self) -> None:
            runs.append(1)

    runs: list[int] = []
    codec = Codec()
    payload = codec.encode(Mark())
    assert type(codec.decode(*payload)) is Mark
    assert len(runs) == 1


def test_all_that_a_struct_can_do_works_on_a_rebuilt_one() -> None:
    value = Everything(1)
    value.__dict__["more"] = [2]
    codec = Codec()
    back: Any = codec.decode(*codec.encode([value, value]))
    one, two = back
    assert (one.a, one.more, hash(one), one) == ((1,), [2], hash(value), value)
    assert weakref.ref(one)() == one
    assert one.__dict__ is not two.__dict__
    with pytest.raises(AttributeError):
        one.a = 3
    assert msgspec.json.encode(one) == b'{"a":[1]}'


def test_rebuilt_structs_in_a_circle_are_collected() -> None:
    codec = Codec()
    back: Any = codec.decode(*codec.encode(Everything([])))
    back.a[0].append(back)
    gone = weakref.ref(back)
    del back
    gc.collect()
    assert gone() is None
