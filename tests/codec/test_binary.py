"""A binary value is never overlooked, and what has none is told without a search."""

from __future__ import annotations

import sys
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis.codec import Codec, binary, packer

LEAVES = st.one_of(
    st.none(), st.floats(), st.integers(-(2**63), 2**64 - 1), st.text(max_size=300), st.binary(max_size=300)
)
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=12,
)


def has_binary(value: Any) -> bool:
    if isinstance(value, list | dict):
        return any(map(has_binary, value.values() if isinstance(value, dict) else value))
    return isinstance(value, bytes)


@pytest.mark.parametrize("loaded", [True, False])
@given(value=PLAIN)
def test_a_binary_value_is_never_overlooked(loaded: bool, value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not loaded:
            patch.delitem(sys.modules, "msgspec")
        if has_binary(value):
            assert binary.may_hold_binary(ormsgpack.packb(value))


@pytest.mark.parametrize("size", [1, 255, 256, 258, 259, 65_535, 65_536])
def test_a_binary_value_of_any_size_is_seen(size: int) -> None:
    for value in (b"x" * size, [b"\x00" * size], {"k": [1, {"k": b"\xff" * size}]}):
        assert binary.may_hold_binary(ormsgpack.packb(value))


@pytest.mark.parametrize(
    "value",
    [196, [197, 198, 2**40 * 196], "Łódź ąę", [{"id": n, "name": "ĄĆ", "x": n / 7} for n in range(500)]],
    ids=lambda value: str(value)[:20],
)
def test_numbers_and_text_are_not_taken_for_binary_values(value: Any) -> None:
    packed = ormsgpack.packb(value)
    assert any(byte in packed for byte in (0xC4, 0xC5, 0xC6))
    assert not binary.may_hold_binary(packed)


def test_plain_values_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packer, "_of_kind", None)
    Codec().encode([{"id": number, "name": "Łódź", "score": number / 7} for number in range(500)])


def test_extension_values_are_passed_over() -> None:
    packed = ormsgpack.packb([ormsgpack.Ext(5, b"\xc4\x01x\xc5\xc6"), "ą"])
    assert not binary.may_hold_binary(packed)
