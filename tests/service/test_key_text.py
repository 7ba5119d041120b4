from __future__ import annotations

import datetime as dt
import decimal
import enum
import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis.model.glob import compile_glob
from pika_redis.service.key_text import MIN_KEY_LENGTH, argument_text, bound_key, escape_text, named_text


class Colour(enum.Enum):
    RED = 1


class Right(enum.Flag):
    READ = 1


class Name(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class State(enum.StrEnum):
    UNKNOWN = "unknown"

    @property
    def name(self) -> str:
        raise ZeroDivisionError

    @classmethod
    def _missing_(cls, value: object) -> State:
        made = str.__new__(cls, value)
        made._name_ = "UNKNOWN"
        made._value_ = str(value)
        return made


class Silent(int):
    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


class Proxy:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (42, "42"),
        ("42", "42"),
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        ("", ""),
        ("é", "é"),
        ("a:b", "a%3Ab"),
        ("50%", "50%25"),
        ("*?[a]\\", "%2A%3F%5Ba%5D%5C"),
        ("{tag}", "%7Btag%7D"),
        ("a b\n\x00\x7f\u2003\x85", "a%20b%0A%00%7F%E2%80%83%C2%85"),
        ("\ud800", "%ED%A0%80"),
        ("a-b_c.d/e=f@g,h^i", "a-b_c.d/e=f@g,h^i"),
        (b"ab\xff", "ab\xff"),
        (Name("real"), "real"),
        (Colour.RED, "RED"),
        (Right.READ, "READ"),
        (Right(0), "Right"),
        pytest.param(State.UNKNOWN, "UNKNOWN", id="a member with a name of its own"),
        pytest.param(State("open:"), "open%3A", id="made under the name of a member"),
        pytest.param(Silent(7), "7", id="without a str"),
        pytest.param(Proxy(), "Proxy", id="of a class that can't be asked for"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.50"), "1.50"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), "2026-01-02T03%3A04%3A00+00%3A00"),
        ([1, 2], "list"),
        ({"a": 1}, "dict"),
        (object(), "object"),
        (2**127, str(2**127)),
        pytest.param(10**10_000, "int", id="too many digits to print"),
    ],
)
def test_arguments_show_as_short_safe_text(value: object, text: str) -> None:
    assert argument_text(value) == text


@given(st.text(st.characters()) | st.binary() | st.integers() | st.floats() | st.datetimes())
def test_text_is_short_and_holds_nothing_that_a_key_or_a_pattern_reads_as_syntax(value: object) -> None:
    text = argument_text(value)
    assert len(text) <= 40
    assert not re.search(r"[:*?\[\]\\{}\s\x00-\x1f\x7f-\x9f]", text)
    assert not re.search(r"%(?![0-9A-F]{2})", text)
    assert text.encode().decode() == text
    assert compile_glob(f"a:*:{text}:*")(f"a:b:{text}:c")


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("a" * 41, "a" * 40),
        ("a" * 37 + ":b", "a" * 37 + "%3A"),
        ("a" * 38 + ":b", "a" * 38),
        ("a" * 39 + ":b", "a" * 39),
        ("a" * 39 + "b:", "a" * 39 + "b"),
        (":" * 40, "%3A" * 13),
    ],
)
def test_a_cut_does_not_leave_half_an_escape(text: str, cut: str) -> None:
    assert escape_text(text) == cut


def test_named_text_escapes_once() -> None:
    assert named_text("q", "a:b") == "q=a%3Ab"
    assert named_text("n" * 30, "v" * 30) == "n" * 30 + "=" + "v" * 9


@pytest.mark.parametrize("key", ["a" * 250, "é" * 125, "short"])
def test_a_key_within_the_limit_stays(key: str) -> None:
    assert bound_key(key, 250) == key


@given(st.text(min_size=60), st.text(min_size=60), st.integers(MIN_KEY_LENGTH, 300))
def test_a_longer_key_keeps_its_head_and_its_difference(one: str, other: str, limit: int) -> None:
    bound = bound_key(one * 5, limit)
    assert len(bound.encode()) <= limit
    assert bound == bound_key(one * 5, limit)
    assert (bound == bound_key(other * 5, limit)) is (one == other)
    if bound != one * 5:
        head, digest = bound[:-33], bound[-32:]
        assert bound[-33] == "…"
        assert re.fullmatch("[0-9a-f]{32}", digest)
        assert (one * 5).startswith(head)
        assert len(head.encode()) > limit - 35 - 4


def test_bounding_gives_the_same_key_in_every_release() -> None:
    assert bound_key("users:" + "x" * 100, 64) == "users:xxxxxxxxxxxxxxxxxxxxxxx…7a7e4d7abe86049da5837025c71d3227"


@given(st.text(min_size=70), st.integers(MIN_KEY_LENGTH, 300))
def test_no_key_becomes_what_another_one_was_shortened_to(key: str, limit: int) -> None:
    bound = bound_key(key * 5, limit)
    if bound != key * 5:
        again = bound_key(bound, limit)
        assert again != bound
        assert len(again.encode()) <= limit
        assert bound_key(again, limit) not in (again, bound)


@pytest.mark.parametrize("key", ["a…" + "0" * 31, "a…" + "0" * 31 + "g", "a:" + "0" * 32, "…" * 40, "a…" + "0" * 33])
def test_a_key_that_only_resembles_a_shortened_one_stays(key: str) -> None:
    assert bound_key(key, 250) == key


def test_a_text_that_cannot_be_encoded_is_shortened_however_short_it_is() -> None:
    texts = ["user:\ud800", "user:\udfff", "user:", "\ud800" * 300]
    bound = [bound_key(text, 250) for text in texts]
    assert len({*bound}) == 4
    assert all(len(text.encode()) <= 250 for text in bound)
    assert bound[0].startswith("user:…")
