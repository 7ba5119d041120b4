"""What is put together here is what hiredis would have sent."""

from __future__ import annotations

from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis.errors import ArgumentError, ArgumentTypeError
from pika_redis.wire.packing import pack, pack_all

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
keys = texts | st.sampled_from(["k" * 319, "k" * 320, "ü" * 160, "ü" * 159, "k" * 5_000])
words = keys | st.binary(max_size=12) | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)


def by_hiredis(command: Any) -> bytes:
    packed: bytes = hiredis.pack_command(command)
    return packed


@given(keys, st.binary(max_size=40) | texts, st.sampled_from(["PX", "EX", "px", b"PX"]), st.integers(-5, 2**62) | texts)
def test_a_set_with_a_time_to_live(key: str, value: bytes | str, unit: str | bytes, life: int | str) -> None:
    command: Any = ("SET", key, value, unit, life)
    assert pack(command) == by_hiredis(command)


@given(
    st.sampled_from(["MGET", "DEL", b"MGET"]), st.lists(keys, min_size=1, max_size=40) | st.lists(words, max_size=40)
)
def test_a_read_of_many_keys(name: str | bytes, rest: list[Any]) -> None:
    assert pack((name, *rest)) == by_hiredis((name, *rest))


@given(st.lists(words, min_size=1, max_size=7))
def test_any_other_command(command: list[Any]) -> None:
    assert pack(tuple(command)) == by_hiredis(tuple(command))


def test_values_of_any_length() -> None:
    for length in (0, 9, 10, 4095, 100_000):
        command = ("SET", "key", b"v" * length, "PX", 60_000)
        assert pack(command) == by_hiredis(command)
    many = ("MGET", *[f"key{number}" for number in range(1_000)])
    assert pack(many) == by_hiredis(many)


@pytest.mark.parametrize(
    "command", [("SET", "\ud800", b"v", "PX", 1), ("MGET", *["k"] * 20, "\ud800"), ("GET", "\ud800")]
)
def test_a_lone_surrogate_is_refused(command: Any) -> None:
    with pytest.raises(ArgumentError, match="lone surrogate"):
        pack_all([("PING",), command])


@pytest.mark.parametrize("command", [("SET", "k", None, "PX", 1), ("MGET", *["k"] * 20, None), ("GET", ["k"])])
def test_what_is_no_word_is_refused(command: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="str, bytes, int or float"):
        pack_all([command])
