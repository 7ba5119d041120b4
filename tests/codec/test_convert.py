"""`type=`: plain data into the type that was asked for, and what is of that type as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
from tests.ids import shown

from pika_redis.codec import Codec, Undecodable
from pika_redis.errors import ArgumentTypeError

from . import samples

CODEC = Codec()


@dataclass
class Line:
    sku: str
    count: int = 1


@dataclass
class Order:
    id: UUID
    at: datetime
    lines: list[Line]
    total: Decimal | None = None


class User(pydantic.BaseModel):
    name: str
    age: int = 0


class Admin(User):
    level: int


class Team(msgspec.Struct):
    members: list[User]
    lead: User | None = None


class Record(TypedDict):
    id: int
    user: Line


class Row(NamedTuple):
    a: int
    b: str


@dataclass
class Wrapper:
    user: User


def convert(value: object, type_: Any) -> Any:
    return CODEC.convert(value, type_)


ORDER = {"id": str(UUID(int=1)), "at": "2024-01-01T00:00:00Z", "lines": [{"sku": "a"}], "total": "1.50"}


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        ({"sku": "a", "count": 2}, Line, Line("a", 2)),
        (ORDER, Order, Order(UUID(int=1), datetime(2024, 1, 1, tzinfo=UTC), [Line("a")], Decimal("1.50"))),
        (
            {**ORDER, "id": UUID(int=2)},
            Order,
            Order(UUID(int=2), datetime(2024, 1, 1, tzinfo=UTC), [Line("a")], Decimal("1.50")),
        ),
        ([{"sku": "a"}], list[Line], [Line("a")]),
        ({"x": [{"sku": "a"}]}, dict[str, list[Line]], {"x": [Line("a")]}),
        ({"name": "Ann", "age": "7"}, User, User(name="Ann", age=7)),
        ([{"name": "Ann"}], list[User], [User(name="Ann")]),
        ({"name": "Ann"}, User | None, User(name="Ann")),
        (None, User | None, None),
        ({"name": "Ann", "level": 1}, User | Admin, Admin(name="Ann", level=1)),
        ([{"name": "Ann"}, 5], list[User | int | Line], [User(name="Ann"), 5]),
        ({"members": [{"name": "Ann"}]}, Team, Team([User(name="Ann")])),
        ({"user": {"name": "Ann"}}, Wrapper, Wrapper(User(name="Ann"))),
        ({"id": 1, "user": {"sku": "a"}}, Record, {"id": 1, "user": Line("a")}),
        ([1, "x"], Row, Row(1, "x")),
        ((1, "x"), Row, Row(1, "x")),
        (1, samples.Color, samples.Color.RED),
        ("s", samples.Size, samples.Size.S),
        ([1, 2], tuple[int, ...], (1, 2)),
        ((1, 2), list[int], [1, 2]),
        (1, float, 1.0),
        ("a", Literal["a", "b"], "a"),
        (5, Annotated[int, msgspec.Meta(ge=1)], 5),
        ({"a": 1}, dict, {"a": 1}),
        ([1], Sequence[int], [1]),
        ({"a": object}, dict[str, Any], {"a": object}),
    ],
    ids=shown,
)
def test_plain_data_becomes_the_type(value: Any, type_: Any, expected: Any) -> None:
    outcome = convert(value, type_)
    assert outcome == expected
    assert type(outcome) is type(expected)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (Line("a"), Line),
        (User(name="Ann"), User),
        (Admin(name="Ann", level=1), User),
        (Team([]), Team),
        (Row(1, "x"), Row),
        (samples.Color.RED, samples.Color),
        ("x", str),
        (5, int),
        (True, bool),
        ([1, {"x": 2}], list),
        (datetime(2024, 1, 1, tzinfo=UTC), datetime),
        (None, type(None)),
        (1 + 2j, complex),
    ],
    ids=shown,
)
def test_what_is_of_the_type_passes_as_it_is(value: Any, type_: Any) -> None:
    assert convert(value, type_) is value


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ([Line("a")], list[Line]),
        ([User(name="Ann"), Admin(name="Bob", level=1)], list[User]),
        ({"k": Team([User(name="Ann")])}, dict[str, Team]),
        ((Row(1, "x"),), tuple[Row, ...]),
        ([samples.Color.RED], list[samples.Color]),
    ],
    ids=shown,
)
def test_models_inside_a_generic_pass_as_they_are(value: Any, type_: Any) -> None:
    outcome = convert(value, type_)
    assert outcome == value
    inside = [*(value.values() if isinstance(value, dict) else value)]
    for given, got in zip(inside, outcome.values() if isinstance(outcome, dict) else outcome, strict=True):
        assert type(given) is type(got)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ({"sku": 1}, Line),
        ({}, Line),
        ("text", Line),
        (None, Line),
        (Line("a"), Order),
        (User(name="Ann"), Line),
        ({"name": 5}, User),
        ([{"name": "Ann"}, {}], list[User]),
        ("7", int),
        (True, int),
        (1, bool),
        (1.5, int),
        (9, samples.Color),
        ({"name": 1}, User | Admin),
        (1, samples.Secretive),
        ({"a": -1}, samples.Secretive),
        (5, Exception),
        (0, Annotated[int, msgspec.Meta(ge=1)]),
    ],
    ids=shown,
)
def test_what_does_not_fit_is_undecodable(value: Any, type_: Any) -> None:
    with pytest.raises(Undecodable):
        convert(value, type_)


@pytest.mark.parametrize("wrong", ["Line", 5, list["Nowhere"]], ids=str)  # type: ignore[name-defined]  # noqa: F821
def test_what_is_no_type_is_the_callers_mistake(wrong: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="can't be decoded"):
        convert({"a": 1}, wrong)


def test_a_failing_post_init_does_not_fit() -> None:
    @dataclass
    class Picky:
        a: int

        def __post_init__(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(Undecodable, match="doesn't fit"):
        convert({"a": 1}, Picky)


def test_a_circle_does_not_fit() -> None:
    @dataclass
    class Node:
        next: Any

    circle: dict[str, Any] = {}
    circle["members"] = [circle]
    with pytest.raises(Undecodable):
        convert(circle, Team)
