"""Names and fingerprints are equal in every process and spell differences out."""

from __future__ import annotations

import os
import subprocess
import sys
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, NewType, Optional, TypeVar, Union
from uuid import UUID

import pytest

from pika_redis.codec.models.signature import class_label, describe, schema_id

from ..samples import Color, Extra, Page, Point

T = TypeVar("T")


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (None, "None"),
        (type(None), "None"),
        (UUID, "uuid:UUID"),
        ("list[ int ]", "list[int]"),
        (typing.ForwardRef("Later"), "Later"),
        (list[int], "list[int]"),
        (dict[str, list[UUID]], "dict[str, list[uuid:UUID]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (int | None, "int|None"),
        (Optional[int], "int|None"),  # noqa: UP045
        (Union[int, str], "int|str"),  # noqa: UP007
        (Any, "typing:Any"),
        (T, "T"),
        (NewType("UserId", int), "UserId"),
        (Annotated[int, lambda: 1], "int"),
        (Literal["a", 1, b"x"], "Literal['a', 1, b'x']"),
        (Literal[Color.RED], f"Literal[{__package__.rpartition('.')[0]}.samples:Color.RED]"),
        (Callable[[int], str], "collections.abc:Callable[[int], str]"),
    ],
)
def test_an_annotation_has_a_text(annotation: object, text: str) -> None:
    assert describe(annotation) == text


def test_a_generic_model_is_named_with_its_arguments() -> None:
    assert class_label(Page[int]).endswith("samples:Page[int]")
    assert class_label(Page[Extra]) == f"{class_label(Page)}[{class_label(Extra)}]"
    assert class_label(Point).endswith("samples:Point")


def test_the_fingerprint_tells_kind_name_order_and_annotation_apart() -> None:
    fingerprints = {
        schema_id("dataclass", [("a", int), ("b", int)]),
        schema_id("dataclass", [("b", int), ("a", int)]),
        schema_id("dataclass", [("a", int)]),
        schema_id("dataclass", [("a", str), ("b", int)]),
        schema_id("struct", [("a", int), ("b", int)]),
    }
    assert len(fingerprints) == 5


SCRIPT = """
import functools, typing, pydantic
from dataclasses import dataclass
from pika_redis.codec import Codec
@dataclass
class Order:
    a: typing.Annotated[int, lambda x: x, object()]
    b: typing.Literal["x", "y"]
    c: set[str] | None
class Sheet(pydantic.BaseModel):
    a: typing.Annotated[int, pydantic.AfterValidator(lambda x: x)] = 1
    b: Order | None = None
print(Codec().encode([Order(1, "x", None), Sheet(b=Order(2, "y", {"z"}))])[0].hex())
"""


def test_the_bytes_of_a_model_are_equal_in_every_process() -> None:
    outputs = set()
    for seed in ("0", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment, timeout=60
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
