"""The documented bytes: other releases read and write exactly these."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import ormsgpack
import pydantic_core
import pytest
from tests.ids import shown

from pika_redis.codec import Codec, layout

from . import samples

AT = datetime(2024, 5, 6, 7, 8, 9, 10)  # noqa: DTZ001 - naive on purpose
AT_BYTES = "07e8 05 06 07 08 09 0000000a"
COLUMN_OF_DATES = [(date(2024, 5, 6),), (None,), (None,), (None,)]


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def extension(code: int, data: bytes) -> bytes:
    return ormsgpack.packb(ormsgpack.Ext(code, data))


@pytest.mark.parametrize(
    ("value", "code", "data"),
    [
        (2**64, 1, "01 00 00 00 00 00 00 00 00"),
        (-(2**63) - 1, 1, "ff 7f ff ff ff ff ff ff ff"),
        ("\ud800", 2, "ed a0 80"),
        ((1, "a"), 3, "92 01 a1 61"),
        ({1}, 4, "91 01"),
        (frozenset({1}), 5, "91 01"),
        ({1: 2, None: 3}, 6, "94 01 02 c0 03"),
        ([(1, "a")] * 4, 7, "92 94 01 01 01 01 94 a1 61 a1 61 a1 61 a1 61"),
        (COLUMN_OF_DATES, 7, "91 c7 11 08 02 07e8 05 06 00000000 00000000 00000000"),
        (AT, 12, AT_BYTES),
        (AT.replace(tzinfo=UTC), 13, AT_BYTES),
        (AT.replace(fold=1), 14, f"{AT_BYTES} 01 00"),
        (AT.replace(tzinfo=UTC, fold=1), 14, f"{AT_BYTES} 01 01"),
        (AT.replace(tzinfo=timezone(timedelta(seconds=-1))), 14, f"{AT_BYTES} 00 02 fffffffffff0bdc0"),
        (AT.replace(tzinfo=timezone(timedelta(0), "Z")), 14, f"{AT_BYTES} 00 03 0000000000000000 5a"),
        (AT.replace(tzinfo=ZoneInfo("Asia/Tokyo")), 14, f"{AT_BYTES} 00 04 417369612f546f6b796f"),
        (AT.replace(tzinfo=pydantic_core.TzInfo(3600)), 14, f"{AT_BYTES} 00 05 00000e10"),
        (date(2024, 5, 6), 15, "07e8 05 06"),
        (time(7, 8, 9, 10), 16, "07 08 09 0000000a"),
        (time(7, 8, 9, 10, UTC), 17, "07 08 09 0000000a 00 01"),
        (timedelta(days=-1, seconds=2, microseconds=3), 18, "ffffffff 00000002 00000003"),
        (Decimal("-1.50"), 19, "2d312e3530"),
        (UUID(int=1), 20, "00" * 15 + "01"),
        (msgspec.UNSET, 21, ""),
    ],
    ids=shown,
)
def test_a_value_has_the_documented_bytes(value: Any, code: int, data: str) -> None:
    codec = Codec()
    payload = extension(code, unhex(data))
    assert codec.encode(value) == (payload, False)
    assert samples.text(codec.decode(payload, False)) == samples.text(value)


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ([(AT,), (None,), (AT,), (AT,)], f"00 {AT_BYTES} {'00' * 11} {AT_BYTES} {AT_BYTES}"),
        ([(AT.replace(tzinfo=UTC),)] * 4, "01" + AT_BYTES * 4),
        (COLUMN_OF_DATES, "02 07e80506" + "00" * 12),
        ([(UUID(int=1),), (None,), (None,), (None,)], f"03 94 c410 {'00' * 15}01 c0 c0 c0"),
        ([(Decimal("1.0"),), (None,), (None,), (None,)], "04 94 a3312e30 c0 c0 c0"),
    ],
    ids=shown,
)
def test_a_column_has_the_documented_bytes(rows: list[Any], column: str) -> None:
    assert Codec().encode(rows)[0] == extension(7, b"\x91" + extension(8, unhex(column)))


def blake(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


MODULE = samples.__name__


@pytest.mark.parametrize(
    ("value", "name", "lines", "body"),
    [
        (samples.Point(1), "Point", "dataclass\nx: Any\ny: Any", [1, 0]),
        (samples.Struct(1), "Struct", "struct\na: Any\nb: Any", [1, None]),
        (samples.Pair(1), "Pair", "namedtuple\nleft: Any\nright: Any", [1, None]),
        (samples.Model(a=1, b=2), "Model", "pydantic\na: typing:Any\nb: typing:Any", [1, 2]),
        (samples.Model(a=1), "Model", "pydantic\na: typing:Any\nb: typing:Any", [1, None, {"set": [0]}]),
        (samples.extra(x=2), "Extra", "pydantic\na: typing:Any", [1, {"set": ["x"], "extra": {"x": 2}}]),
        (
            samples.Secretive(a=1),
            "Secretive",
            "pydantic\na: int\n_hidden: None",
            [1, {"private": {"_hidden": "hidden"}}],
        ),
        (
            samples.Derived(1),
            "Derived",
            "dataclass\ngiven: Any\ndoubled: Any\nunset: Any\nruns: list[int]",
            [1, [1, 1], None, [1], {"dict": {"beyond": "no field"}, "missing": ["unset"]}],
        ),
    ],
    ids=lambda part: part if isinstance(part, str) and part.isidentifier() else "",
)
def test_a_model_has_the_documented_bytes(value: Any, name: str, lines: str, body: list[Any]) -> None:
    data = blake(f"{MODULE}:{name}") + blake(lines) + ormsgpack.packb(body)
    assert Codec().encode(value)[0] == extension(9, data)


def test_enums_and_flags_have_the_documented_bytes() -> None:
    red = blake(f"{MODULE}:Color") + blake("enum\nRED: 1") + b"RED"
    assert Codec().encode(samples.Color.RED)[0] == extension(10, red)
    access = blake(f"{MODULE}:Access") + blake("flag\nREAD: 1\nWRITE: 2\nRUN: 4") + b"\x05"
    assert Codec().encode(samples.Access(5))[0] == extension(11, access)


def test_the_page_lists_every_code() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "values.md"
    table = page.read_text(encoding="utf-8").partition("| code | type | data |")[2].partition("\n\n")[0]
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    tuning = {"PREFIX", "NATIVE_DEPTH", "TRUSTED_LEVELS"}
    codes = {getattr(layout, name) for name in layout.__all__ if name.isupper() and name not in tuning}
    assert documented == codes == set(range(1, 22))
