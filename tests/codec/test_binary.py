"""A binary value is never overlooked, and what has none is told without a search."""

from __future__ import annotations

from typing import Any

import msgspec  # noqa: F401 - what is loaded must make no difference
import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis.codec import Codec, binary, packer
from pika_redis.errors import SerializationError

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


@given(value=PLAIN)
def test_a_binary_value_is_never_overlooked(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binary, "_WORTH_A_SCAN", 0)
        if has_binary(value):
            assert binary.may_hold_binary(ormsgpack.packb(value))


def test_no_text_can_be_made_to_hide_one_behind_it() -> None:
    # With the bytes that begin binary values taken for others, the first text ends three bytes early, and the rest of
    # it begins another text that takes in the bytearray.
    hidden = bytearray(b"B" * 50)
    value = ["x" * 193 + "a\u0640", hidden, "y" * 74, "z" * 60]
    assert binary.may_hold_binary(ormsgpack.packb(value))
    with pytest.raises(SerializationError, match="use bytes") as caught:
        Codec().encode(value)
    assert caught.value.path == "$[1]"


@pytest.mark.parametrize("size", [1, 255, 256, 258, 259, 65_535, 65_536])
def test_a_binary_value_of_any_size_is_seen(size: int) -> None:
    for value in (b"x" * size, [b"\x00" * size], {"k": [1, {"k": b"\xff" * size}]}):
        assert binary.may_hold_binary(ormsgpack.packb(value))


@pytest.mark.parametrize(
    "value",
    [[number / 7 for number in range(2_000)], [196] * 20_000, [[0.1] * 2_000, [70_000] * 4_000, "Ąę", None]],
    ids=["floats", "integers", "lists"],
)
def test_runs_of_numbers_are_not_searched(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = ormsgpack.packb(value)
    assert any(byte in packed for byte in (0xC4, 0xC5, 0xC6))
    monkeypatch.setattr(packer, "_of_kind", None)
    Codec().encode(value)


def test_a_binary_value_between_runs_of_numbers_is_seen() -> None:
    for binary_value in (bytearray(b"x"), bytearray(300), bytearray(70_000)):
        with pytest.raises(SerializationError, match="use bytes"):
            Codec().encode([[0.1] * 2_000, binary_value, [0.1] * 2_000])


def test_extension_values_are_passed_over() -> None:
    packed = ormsgpack.packb([[0.5] * 2_000, ormsgpack.Ext(5, b"\xc4\x01x\xc5\xc6"), "ą"])
    assert not binary.may_hold_binary(packed)
