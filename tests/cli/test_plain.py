from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis.cli.plain import is_plain, plain

UUID_5 = uuid.UUID(int=5)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
ANYTHING = st.recursive(
    DATA | st.binary() | st.floats() | st.datetimes() | st.timedeltas() | st.decimals() | st.uuids() | st.times(),
    lambda inner: st.tuples(inner, inner) | st.dictionaries(st.integers() | st.text() | st.dates(), inner),
    max_leaves=20,
)


@given(value=DATA)
def test_data_is_plain_and_stays_as_it_is(value: object) -> None:
    assert is_plain(value)
    assert plain(value) == value
    assert json.loads(json.dumps(value)) == value


@given(value=ANYTHING)
def test_everything_has_a_form_that_strict_json_takes(value: object) -> None:
    text = json.dumps(plain(value), allow_nan=False)
    assert is_plain(json.loads(text))


@given(value=ANYTHING)
def test_what_counts_as_plain_comes_back_equal(value: object) -> None:
    if is_plain(value):
        assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (b"\x00\xff", "AP8="),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05+00:00"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(minutes=1.5), 90.0),
        (Decimal("1.10"), "1.10"),
        (UUID_5, str(UUID_5)),
        ((1, (2,)), [1, [2]]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({3, 1}), [1, 3]),
        ({1: "a", None: "b", dt.date(2026, 1, 2): "c"}, {"1": "a", "None": "b", "2026-01-02": "c"}),
        ({1: "a", "1": "b"}, [[1, "a"], ["1", "b"]]),
        ({(1, 2): "a"}, {"[1, 2]": "a"}),
        pytest.param(2**20_000, hex(2**20_000), id="an integer too long to print"),
    ],
)
def test_what_json_does_not_have(value: object, form: object) -> None:
    assert not is_plain(value)
    assert plain(value) == form
