"""Limits are checked when they are made; counting agrees with what a payload holds."""

from __future__ import annotations

from datetime import date
from typing import Any

import ormsgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pika_redis.codec import Codec, Limits, layout, shape
from pika_redis.errors import ConfigurationError

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


def objects(value: Any) -> int:
    """All but None, booleans and integers from 0 to 127; keys count too."""
    own = 0 if value is None or isinstance(value, bool) or (type(value) is int and 0 <= value < 128) else 1
    if isinstance(value, dict):
        return own + sum(objects(key) + objects(item) for key, item in value.items())
    return own + sum(map(objects, value)) if isinstance(value, list) else own


def depth(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(depth, inside), default=0)


@given(plain)
@settings(max_examples=60)
def test_the_count_of_plain_data_is_exact(value: Any) -> None:
    payload = ormsgpack.packb(value)
    count = objects(value)
    assert not shape._Count(payload, into_extensions=True).exceeds(objects=count, depth=len(payload))
    assert count == 0 or shape._Count(payload, into_extensions=True).exceeds(objects=count - 1, depth=len(payload))


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
        counted = shape._Count(payload, into_extensions=True).exceeds(objects=limit, depth=len(payload))
        if shape.holds_more(payload, limit):
            assert counted


@given(st.binary(max_size=100), st.booleans())
def test_counting_ends_on_any_bytes(payload: bytes, into: bool) -> None:
    shape._Count(payload, into_extensions=into).exceeds(objects=1_000, depth=100)


def test_the_inside_of_extensions_counts_as_objects_and_not_as_depth() -> None:
    inner = b"\x93\xa1a\xa1b\x91\x90"
    payload = b"\xc7" + bytes((len(inner),)) + bytes((layout.TUPLE,)) + inner
    assert [shape._Count(payload, into_extensions=True).exceeds(objects=n, depth=99) for n in (5, 6)] == [True, False]
    assert not shape.nests_deeper(payload, 0)


def test_the_items_of_a_column_count_as_objects() -> None:
    payload, _ = Codec(limits=Limits(compress_from=None)).encode([(date(2024, 1, 1),)] * 1_000)
    assert [shape.holds_more(payload, limit) for limit in (100, 900, 2_000)] == [True, True, False]


def test_a_row_counts_as_an_object() -> None:
    payload, _ = Codec().encode([(number % 9,) for number in range(1_000)])
    assert [shape.holds_more(payload, limit) for limit in (100, 2_000)] == [True, False]
