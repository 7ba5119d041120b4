"""Lists of tuples become one block of columns, wherever they are, when that is possible."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from tests.ids import shown

from pika_redis.codec import Codec, layout

from . import samples
from .samples import assert_kept

AT = datetime(2024, 5, 6, 7, 8, 9, 10)  # noqa: DTZ001 - naive on purpose


def is_block(payload: bytes) -> bool:
    """Whether the payload is one block and nothing else."""
    sizes = {0xC7: 1, 0xC8: 2, 0xC9: 4}
    return payload[0] in sizes and payload[1 + sizes[payload[0]]] == layout.BLOCK


@pytest.mark.parametrize(
    "column",
    [
        [1, 2, 3, 4],
        ["a", "", None, "d"],
        [AT, AT, AT, AT],
        [None, AT, None, AT],
        [None] * 4,
        [AT.replace(tzinfo=UTC)] * 4,
        [AT.replace(tzinfo=UTC), AT, AT, AT],
        [AT.replace(fold=1), AT, AT, AT],
        [AT.replace(tzinfo=timezone(timedelta(hours=1)))] * 4,
        [AT.replace(tzinfo=timezone(timedelta(0), "UTC"))] * 4,
        [date(2024, 1, 1), None, date.min, date.max],
        [AT, date(2024, 1, 1), AT, AT],
        [UUID(int=0), None, UUID(int=2**128 - 1), UUID(int=1)],
        [Decimal("1.50"), Decimal("NaN"), None, Decimal("sNaN")],
        [1, 1.0, True, "1"],
        [[1], {"a": 2}, (3,), {4}],
        [samples.Color.RED, samples.Point(1), 2**100, b"x"],
        ["\ud800", {1: 2}, (), ""],
    ],
    ids=shown,
)
def test_a_column_of_any_content_comes_back(column: list[Any]) -> None:
    codec = Codec()
    rows = [(index, item, "x") for index, item in enumerate(column)]
    assert is_block(codec.encode(rows)[0])
    assert_kept(rows, codec)
    assert_kept([(item,) for item in column], codec)


def test_only_lists_of_tuples_of_one_length_are_blocks() -> None:
    codec = Codec()
    others: list[Any] = [
        [(1, 2)] * 3,
        [()] * 9,
        [(1, 2)] * 8 + [(1,)],
        [(1, 2)] * 8 + [[1, 2]],
        [[1, 2]] * 9,
        [samples.Pair(1, 2)] * 9,
        ((1, 2),) * 9,
    ]
    for value in others:
        assert not is_block(codec.encode(value)[0])
        assert_kept(value, codec)


def test_nested_rows_are_packed_as_tightly_as_rows_at_the_top() -> None:
    codec = Codec()
    rows = [(number, f"name {number}", None, number * 1.5) for number in range(60)]
    alone = len(codec.encode(rows)[0])
    for value in (
        {"rows": rows},
        {"page": {"rows": rows, "next": 2}},
        [{"rows": rows}],
        {1: rows},
        (rows,),
        samples.Point(rows),
        samples.Model(a={"rows": rows}),
    ):
        assert len(codec.encode(value)[0]) < alone + 60
        assert_kept(value, codec)


def test_lone_tuples_beside_rows_come_back() -> None:
    value = {"first": (1, 2), "rows": [(n, (n, n)) for n in range(30)], "points": [{"at": (n, n)} for n in range(30)]}
    assert_kept(value)


def test_a_set_or_tuple_of_rows_comes_back() -> None:
    rows = [(number, str(number)) for number in range(30)]
    assert_kept(tuple(rows))
    assert_kept(set(rows))
    assert_kept({frozenset(rows): tuple(rows)})


def test_many_rows_come_back() -> None:
    assert_kept([(number, AT, str(number)) for number in range(30_000)])
