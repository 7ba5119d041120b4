"""All model classes in an annotation, and in the fields of those."""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union

import msgspec
import pydantic
import pytest
from tests.ids import shown

from pika_redis.codec import Codec, Undecodable
from pika_redis.codec.models.reachable import reachable

from .. import samples
from ..samples import Access, Color, Extra, Frozen, Page, Pair, Point, Struct

B = TypeVar("B", bound=Point)
C = TypeVar("C", Point, Pair)
Alias = NewType("Alias", Point)


@dataclass
class Leaf:
    colour: Color


@dataclass
class Tree:
    """Names what is defined below it, and itself."""

    left: Tree | None
    leaves: list[Leaf]
    later: Later


class Later(msgspec.Struct):
    pair: Optional[Row]  # noqa: UP045 - both spellings are in use
    model: Sheet


class Row(NamedTuple):
    access: Access


class Sheet(pydantic.BaseModel):
    extras: dict[str, Extra]
    choice: Union[Frozen, int] = 1  # noqa: UP007 - both spellings are in use


class Record(TypedDict):
    point: Point


@dataclass
class Broken:
    known: Point
    unknown: Nowhere  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (int, set()),
        (None, set()),
        (Any, set()),
        (Point, {Point}),
        (Point | None, {Point}),
        (Optional[Point], {Point}),  # noqa: UP045
        (Union[Point, Pair, int], {Point, Pair}),  # noqa: UP007
        (list[Point], {Point}),
        (dict[Color, tuple[Pair, ...]], {Color, Pair}),
        (typing.List[Struct], {Struct}),  # noqa: UP006
        (Mapping[str, Sequence[set[Frozen]]], {Frozen}),
        (Annotated[list[Point], "note", Pair], {Point}),
        (Literal[Color.RED, "x"], {Color}),
        (Awaitable[AsyncIterator[Point]], {Point}),
        (Callable[[Pair], Point], {Pair, Point}),
        (B, {Point}),
        (C, {Point, Pair}),
        (Alias, {Point}),
        (Leaf, {Leaf, Color}),
        (Tree, {Tree, Leaf, Color, Later, Row, Access, Sheet, Extra, Frozen}),
        (Page[Extra], set[type]((Page[Extra], Extra))),
        (type[Point], {Point}),
    ],
    ids=shown,
)
def test_models_are_found(annotation: object, found: set[type]) -> None:
    models, complete = reachable(annotation)
    assert set(models) == found
    assert complete


def test_the_fields_of_a_typed_dict_are_found() -> None:
    assert set(reachable(Record)[0]) == {Point}
    assert set(reachable(list[Record])[0]) == {Point}


def test_a_name_that_is_not_defined_is_left_out() -> None:
    models, complete = reachable(Broken)
    assert set(models) == {Broken, Point}
    assert not complete


@pytest.mark.parametrize("annotation", ["Point", typing.ForwardRef("Nowhere"), list["Nowhere"], "not even python ("])  # type: ignore[name-defined]  # noqa: F821
def test_text_without_a_module_is_left_out(annotation: object) -> None:
    assert reachable(annotation) == ([], False)


def test_an_annotation_registers_what_it_names() -> None:
    payload, _ = Codec().encode([samples.Point(Leaf(Color.RED))])
    reader = Codec()
    reader.register_annotation(list[Point])
    with pytest.raises(Undecodable):
        reader.decode(payload, False)
    reader.register_annotation(dict[str, Leaf])
    assert reader.decode(payload, False) == [samples.Point(Leaf(Color.RED))]


def test_a_name_defined_later_is_found_by_the_next_call() -> None:
    annotation = Holder
    codec = Codec()
    codec.register_annotation(annotation)
    payload, _ = Codec().encode(Point(1))
    with pytest.raises(Undecodable):
        codec.decode(payload, False)
    globals()["DefinedLater"] = Point
    try:
        codec.register_annotation(annotation)
        assert codec.decode(payload, False) == Point(1)
    finally:
        del globals()["DefinedLater"]


@dataclass
class Holder:
    later: DefinedLater  # type: ignore[name-defined]  # noqa: F821


def test_unhashable_metadata_is_no_obstacle() -> None:
    codec = Codec()
    codec.register_annotation(Annotated[Point, {"un": "hashable"}])
    payload, _ = Codec().encode(Point(1))
    assert codec.decode(payload, False) == Point(1)


def test_a_generic_dataclass_names_its_argument() -> None:
    assert set(reachable(Box[Pair])[0]) == {Box, Pair}


X = TypeVar("X")


@dataclass
class Box(Generic[X]):
    item: X
