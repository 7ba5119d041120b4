"""Limits are checked when they are made; counting agrees with what a payload holds."""

from __future__ import annotations

from datetime import date
from typing import Any

import ormsgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pika_redis.codec import Codec, Limits, Undecodable, layout, shape
from pika_redis.errors import ConfigurationError, ValueTooLargeError

from . import strategies


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"max_bytes": 0}, "max_bytes=0 must be an integer of at least 1"),
        ({"max_bytes": None}, "max_bytes=None"),
        ({"depth": 65}, "depth=65 must be at most 64"),
        ({"depth": 1.5}, "depth=1.5"),
        ({"depth": True}, "depth=True"),
        ({"compress_from": 0}, "compress_from=0"),
        ({"compress_from": "8192"}, "compress_from='8192'"),
        ({"max_objects": -1}, "max_objects=-1"),
    ],
)
def test_a_limit_without_sense_is_refused_by_name(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Limits(**wrong)


def test_the_defaults_are_the_documented_ones() -> None:
    limits = Limits()
    assert (limits.max_bytes, limits.depth, limits.compress_from, limits.max_objects) == (1 << 26, 64, 8192, 2_000_000)


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner, max_size=20), st.dictionaries(st.text(max_size=40), inner, max_size=17)),
    max_leaves=40,
)


def parts(value: Any) -> tuple[int, int]:
    """How many objects, and how many one-byte values: None, booleans and integers from 0 to 127. Keys count too."""
    inside = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    small = value is None or isinstance(value, bool) or (type(value) is int and 0 <= value < 128)
    counts = [(0, 1) if small else (1, 0), *map(parts, inside)]
    return sum(objects for objects, _ in counts), sum(small for _, small in counts)


def assert_counted_exactly(value: Any) -> None:
    payload = ormsgpack.packb(value)
    objects, small = parts(value)
    assert not shape._exceeds(payload, objects, small)
    assert shape._exceeds(payload, objects - 1, small + 1)
    assert shape._exceeds(payload, objects + 1, small - 1)


def depth(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(depth, inside), default=0)


@given(plain)
@settings(max_examples=60)
def test_the_count_of_plain_data_is_exact(value: Any) -> None:
    assert_counted_exactly(value)


@given(plain)
@settings(max_examples=60)
def test_the_depth_of_plain_data_is_exact(value: Any) -> None:
    payload = ormsgpack.packb(value)
    deep = depth(value)
    assert not shape.nests_deeper(payload, deep)
    assert deep == 0 or shape.nests_deeper(payload, deep - 1)


@given(strategies.values)
def test_the_cheap_bounds_never_contradict_the_count(value: Any) -> None:
    payload, _ = Codec(limits=Limits(compress_from=None)).encode(value)
    for limit in (0, 1, 5, 20, 100):
        if shape.holds_more(payload, limit):
            assert shape._exceeds(payload, limit, limit * shape.SMALL_PER_OBJECT)


@given(st.binary(max_size=100), st.integers(0, 9))
def test_counting_ends_on_any_bytes(payload: bytes, limit: int) -> None:
    shape._exceeds(payload, 1_000, 1_000)
    shape.nests_deeper(payload, limit)


def test_the_inside_of_extensions_counts_as_objects_and_not_as_depth() -> None:
    inner = b"\x93\xa1a\xa1b\x91\x90"
    payload = b"\xc7" + bytes((len(inner),)) + bytes((layout.TUPLE,)) + inner
    assert [shape._exceeds(payload, n, 0) for n in (5, 6)] == [True, False]
    assert not shape.nests_deeper(payload, 0)


def test_values_between_and_behind_containers_are_told_from_their_contents() -> None:
    payload = ormsgpack.packb([1.5, [0] * 40, [1.5] * 40, "x" * 40, [[7] * 20, [1.5] * 20], 0, [[[]]]])
    assert [shape.nests_deeper(payload, limit) for limit in (3, 4)] == [True, False]


@pytest.mark.parametrize(
    "value",
    [
        [number / 7 for number in range(500)],
        [number * 7919 % 70_003 for number in range(500)],
        [-number for number in range(500)],
        ["x" * (number % 300) for number in range(500)],
        [b"\xc4\xdd" * (number % 40) for number in range(500)],
        [{"id": number, "name": f"name {number}", "score": number / 7, "on": True} for number in range(90)],
        [[number] * 20 for number in range(90)],
        [[0] * 9, [[]] * 300, {str(number): None for number in range(90)}],
    ],
    ids=["floats", "integers", "negative", "texts", "binary", "rows", "lists", "empty"],
)
def test_the_count_of_many_values_is_exact(value: Any) -> None:
    assert_counted_exactly(value)


def test_the_items_of_a_column_count_as_objects() -> None:
    payload, _ = Codec(limits=Limits(compress_from=None)).encode([(date(2024, 1, 1),)] * 1_000)
    assert [shape.holds_more(payload, limit) for limit in (100, 900, 2_010)] == [True, True, False]


def test_rows_of_one_byte_values_count_as_objects_too() -> None:
    small = b"\xdd" + (3_000_000).to_bytes(4, "big") + bytes(3_000_000)
    dates = b"\xc9" + (12_000_001).to_bytes(4, "big") + bytes((layout.COLUMN, 2)) + bytes(12_000_000)
    for column in (small, dates):
        block = b"\xc9" + (len(column) + 1).to_bytes(4, "big") + bytes((layout.BLOCK,)) + b"\x91" + column
        with pytest.raises(Undecodable, match="more than 2000000 parts"):
            Codec().decode(block, False)
    some = [(number % 100, None, True) for number in range(300_000)] * 3
    assert Codec().decode(*Codec().encode(some)) == some


def test_what_only_looks_like_blocks_needs_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "_exceeds", None)
    numbers = [number * 7_919 % 1_000_003 for number in range(500_000)]
    rows = [(number % 100, f"row {number}", None) for number in range(180_000)]
    for value in (numbers, rows, [[7, [1, 2, 3]]] * 400_000):
        payload, _ = Codec(limits=Limits(compress_from=None)).encode(value)
        assert len(payload) > Limits().max_objects


def test_a_row_counts_as_an_object() -> None:
    payload, _ = Codec().encode([(number % 9,) for number in range(1_000)])
    assert [shape.holds_more(payload, limit) for limit in (100, 2_000)] == [True, False]


def test_one_byte_values_have_a_limit_of_their_own() -> None:
    codec = Codec(limits=Limits(max_objects=1_000))
    for fits in ([0] * 8_000, [[number % 128] * 8 for number in range(999)]):
        assert codec.decode(*codec.encode(fits)) == fits
    for value in ([0] * 8_001, [None] * 9_000, [[0] * 9_000]):
        with pytest.raises(ValueTooLargeError):
            codec.encode(value)
        with pytest.raises(Undecodable):
            codec.decode(*Codec().encode(value))


def test_no_part_of_a_long_run_is_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    measured = shape._measured

    def look(data: bytes, at: int) -> tuple[int, int, int, int]:
        looked.append(at)
        return measured(data, at)

    monkeypatch.setattr(shape, "_measured", look)
    for value in ([0] * 100_000, [0.5] * 100_000, [300, 70_000] * 25_000, [{"a": "b"}] * 16_000):
        payload = ormsgpack.packb(value)
        looked.clear()
        assert not shape._exceeds(payload, len(payload), len(payload))
        assert len(looked) <= 3


def test_a_count_beyond_the_limit_is_refused_before_anything_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "_exceeds", None)
    for head in (b"\xdd\x02\x00\x00\x00", b"\xdf\x01\x00\x00\x00"):
        with pytest.raises(Undecodable):
            Codec().decode(head + bytes(33_554_432), False)


def test_what_containers_inside_each_other_announce_adds_up() -> None:
    payload = (b"\xdc" + (1_000).to_bytes(2, "big")) * 20 + bytes(9_000)
    assert [shape._exceeds(payload, room, 9_020) for room in (10_000, 11_000)] == [True, False]
