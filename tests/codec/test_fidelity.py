"""What comes back equals what went in, with the same types, however it is nested."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID, uuid1
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ids import shown

from pika_redis.codec import Codec

from . import samples, strategies
from .samples import assert_kept, text

CODEC = Codec()


@given(strategies.values)
@settings(max_examples=300)
def test_every_value_comes_back_with_the_same_types(value: Any) -> None:
    assert_kept(value, CODEC)


@given(strategies.rows(strategies.scalars))
@settings(max_examples=150)
def test_lists_of_tuples_come_back_at_the_top_and_nested(rows: Any) -> None:
    assert_kept(rows, CODEC)
    assert_kept({"rows": rows, "pages": [{"rows": rows * 3}], "as key": {tuple(map(text, rows)): 1}}, CODEC)


@given(st.dictionaries(strategies.keys, st.integers(), max_size=6))
@settings(max_examples=100)
def test_any_hashable_key_comes_back_in_its_place(value: dict[Any, int]) -> None:
    assert_kept(value, CODEC)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        2**63 - 1,
        2**63,
        2**64,
        -(2**63) - 1,
        10**4000,
        -(10**4000),
        math.nan,
        -math.nan,
        math.inf,
        -0.0,
        5e-324,
        "",
        "\x00",
        "\ud800 alone",
        {"\udfff": "key"},
        b"",
        b"\xc4\xc5\xc6",
        "ŁĄĆ ÆÐ",
        [],
        (),
        {},
        set(),
        frozenset(),
        [()],
        [(), (), (), (), ()],
        [(1,), (2, 3), (4,), (5,)],
        ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10)),
        {(1, 2), (3, 4), (5, 6), (7, 8)},
        datetime.min,  # noqa: DTZ901 - naive on purpose
        datetime.max,  # noqa: DTZ901 - naive on purpose
        datetime.min.replace(tzinfo=UTC),
        datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        datetime(2024, 3, 31, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2024, 1, 1, tzinfo=UTC, fold=1),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(0), "UTC")),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2), "")),
        datetime(2024, 1, 1, tzinfo=timezone(-timedelta(microseconds=1))),
        date.min,
        date.max,
        time.min,
        time.max,
        time(2, 3, tzinfo=UTC),
        time(2, 3, fold=1),
        timedelta.min,
        timedelta.max,
        timedelta(microseconds=-1),
        Decimal("1E+999999999999999999"),
        Decimal("-0.00"),
        Decimal("sNaN123"),
        Decimal("0." + "1" * 500),
        UUID(int=0),
        UUID(int=2**128 - 1),
        samples.Access(0),
        samples.Access.READ | samples.Access.RUN,
        samples.Bits(96),
        {1: "int", "1": "str", 1.5: "float", None: "none", (1,): "tuple", b"1": "bytes"},
        {samples.Size.S: 1},
        {"a": {True: 1}},
        {samples.Level.LOW: {samples.Color.BLUE: [samples.Size.L]}},
    ],
    ids=shown,
)
def test_corner_values_come_back(value: Any) -> None:
    assert_kept(value, CODEC)
    assert_kept([value, {"inside": value}], CODEC)


def test_the_order_of_keys_is_kept() -> None:
    value = {9: "a", "z": 1, 1: "b", "a": 2, (2,): "c"}
    back = CODEC.decode(*CODEC.encode(value))
    assert isinstance(back, dict)
    assert list(back) == list(value)


def test_a_decimal_is_exact_whatever_the_context_of_the_thread() -> None:
    value = Decimal("1.234567890123456789012345678901234567890")
    payload, compressed = CODEC.encode(value)
    with localcontext() as context:
        context.prec = 3
        assert CODEC.decode(payload, compressed) == value


def test_a_uuid_of_this_machine_is_equal() -> None:
    value = uuid1()
    assert CODEC.decode(*CODEC.encode(value)) == value


@pytest.mark.parametrize("given_at", ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00+05:30", "2024-01-01T00:00:00-08:00"])
def test_a_datetime_that_pydantic_parsed_keeps_its_zone(given_at: str) -> None:
    value = pydantic.TypeAdapter(datetime).validate_python(given_at)
    assert_kept(value, CODEC)
    assert_kept({"rows": [(value,)] * 10}, CODEC)


@pytest.mark.parametrize(
    "make",
    [
        lambda inner: [inner],
        lambda inner: (inner,),
        lambda inner: {"k": inner},
        lambda inner: {1: inner},
        samples.Point,
        samples.Struct,
        lambda inner: samples.Model(a=inner),
        samples.Pair,
    ],
)
def test_a_value_as_deep_as_allowed_comes_back(make: Callable[[Any], Any]) -> None:
    value: Any = "innermost"
    for _ in range(64):
        value = make(value)
    assert_kept(value, CODEC)


def test_a_zone_of_a_rebuilt_datetime_is_the_shared_object() -> None:
    zones: list[tzinfo] = [UTC, ZoneInfo("Europe/Berlin")]
    for zone in zones:
        back = CODEC.decode(*CODEC.encode(datetime(2024, 1, 1, tzinfo=zone)))
        assert isinstance(back, datetime)
        assert back.tzinfo is zone
