from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis.errors import ArgumentError, ArgumentTypeError, CacheError
from pika_redis.model.duration import MAX_SECONDS, to_seconds, to_ttl


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (30, 30.0),
        (0.25, 0.25),
        (0, 0.0),
        (-1, -1.0),
        (timedelta(minutes=2), 120.0),
        (timedelta(milliseconds=1), 0.001),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("10m", 600.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("1w", 604800.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        (" 1h 30 m ", 5400.0),
        ("10M", 600.0),
        (math.inf, math.inf),
        (MAX_SECONDS, MAX_SECONDS),
    ],
)
def test_durations_are_seconds_whatever_their_form(value: float | timedelta | str, seconds: float) -> None:
    assert to_seconds(value, "ttl") == seconds
    assert type(to_seconds(value, "ttl")) is float


@pytest.mark.parametrize(
    "value",
    [
        "",
        "10",
        "m",
        "1 0m",
        "-5s",
        "1e3s",
        "10 minutes",
        "1h30",
        "\uff11\uff10s",
        "1s" * 40,
        "1" * 10_000,
        " " * 10_000,
    ],
    ids=lambda value: value[:20],
)
def test_text_that_is_no_duration_is_refused_with_an_example(value: str) -> None:
    with pytest.raises(ArgumentError, match="write for example '500ms'") as caught:
        to_seconds(value, "ttl")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        pytest.param(10**5000, id="too many digits to print"),
        pytest.param(-(10**5000), id="as many below zero"),
        1e300,
        MAX_SECONDS + 1,
        timedelta.max,
    ],
)
def test_numbers_that_mean_no_time_are_refused(value: float | timedelta) -> None:
    with pytest.raises(ArgumentError):
        to_seconds(value, "ttl")


@pytest.mark.parametrize("value", [None, True, False, b"10m", [], 1j])
def test_other_types_are_a_type_error_that_names_the_argument(value: object) -> None:
    with pytest.raises(ArgumentTypeError, match="refresh_ahead must be seconds") as caught:
        to_seconds(value, "refresh_ahead")  # type: ignore[arg-type]
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, CacheError)


@pytest.mark.parametrize("value", [0, -1, 0.0009, "0s", timedelta(0), -math.inf])
def test_a_ttl_below_a_millisecond_is_a_value_error(value: float | timedelta | str) -> None:
    with pytest.raises(ValueError, match="ttl must be at least 1 ms"):
        to_ttl(value)


@pytest.mark.parametrize(("value", "seconds"), [(0.001, 0.001), ("1ms", 0.001), (math.inf, math.inf), (1, 1.0)])
def test_a_ttl_from_a_millisecond_up_is_taken(value: float | str, seconds: float) -> None:
    assert to_ttl(value) == seconds


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 999))
def test_the_parts_of_a_text_add_up(hours: int, minutes: int, millis: int) -> None:
    expected = timedelta(hours=hours, minutes=minutes, milliseconds=millis).total_seconds()
    if expected <= MAX_SECONDS:
        assert to_seconds(f"{hours}h{minutes}m{millis}ms", "ttl") == pytest.approx(expected)
