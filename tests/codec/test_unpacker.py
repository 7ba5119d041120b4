"""Whatever the bytes are: a value or `Undecodable`, in bounded memory and stack."""

from __future__ import annotations

import enum
import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import ormsgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pika_redis.codec import Codec, Limits, Undecodable, layout, unpacker
from pika_redis.codec.models import ModelRegistry
from pika_redis.codec.unpacker import Unpacker

from . import samples

CODEC = Codec()
CODEC.register(samples.Point, samples.Struct, samples.Model, samples.Pair, samples.Color, samples.Access, samples.Extra)

VALUES: list[Any] = [
    {"id": 7, "name": "Ann", "tags": ["a", "b"], "score": 1.5, "raw": b"\x00\xff", "none": None, "yes": True},
    [(1, "a", datetime(2024, 1, 1, tzinfo=UTC)), (2, "b", None), (3, "c", None), (4, "d", None)],
    [(UUID(int=n), Decimal(n), date(2024, 1, n + 1)) for n in range(6)],
    {1: {2, 3}, (4, 5): frozenset({6}), None: [()]},
    [2**100, "\ud800", datetime(2024, 1, 1, tzinfo=UTC, fold=1), timedelta(1), Decimal("1.5"), UUID(int=9)],
    [samples.Point(1, [2]), samples.Struct(1), samples.Model(a=1), samples.extra(more=2), samples.Pair(1, 2)],
    [samples.Color.RED, samples.Access.READ | samples.Access.RUN, samples.Point(samples.Point(1, {}))],
]
PAYLOADS = [CODEC.encode(value)[0] for value in VALUES]


def decoded(payload: bytes, codec: Codec = CODEC) -> object:
    """The value, or Undecodable itself; any other exception is the test's failure."""
    try:
        return codec.decode(payload, False)
    except Undecodable:
        return Undecodable


def ext(code: int, data: bytes) -> bytes:
    return b"\xc9" + struct.pack(">Ib", len(data), code) + data


@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_truncation_is_undecodable(payload: bytes) -> None:
    assert [size for size in range(len(payload)) if decoded(payload[:size]) is not Undecodable] == []


@pytest.mark.parametrize("payload", [*PAYLOADS, b"\x01", b"\xc0", b"\xa0", b"\x80"])
def test_bytes_after_the_value_are_undecodable(payload: bytes) -> None:
    tails = [bytes((byte,)) for byte in range(256)] + [payload, payload * 2, b"\x00" * 100]
    assert [tail for tail in tails if decoded(payload + tail) is not Undecodable] == []


@pytest.mark.parametrize("code", [layout.TUPLE, layout.SET, layout.FROZENSET, layout.DICT])
def test_bytes_after_a_nested_value_are_undecodable(code: int) -> None:
    assert decoded(ext(code, b"\x90")) is not Undecodable
    assert decoded(ext(code, b"\x90\xc0")) is Undecodable
    assert decoded(ext(code, b"\x90\x90")) is Undecodable


@pytest.mark.parametrize("seed", range(4))
def test_mutated_payloads_give_a_value_or_undecodable(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(15_000):
        payload = bytearray(chance.choice(PAYLOADS))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(payload))
            match chance.randrange(4):
                case 0:
                    payload[at] = chance.randrange(256)
                case 1:
                    payload[at] ^= 1 << chance.randrange(8)
                case 2:
                    del payload[at : at + chance.randrange(1, 4)]
                case _:
                    payload[at:at] = chance.randbytes(chance.randrange(1, 4))
            if not payload:
                break
        decoded(bytes(payload))


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_random_bytes_give_a_value_or_undecodable(payload: bytes) -> None:
    decoded(payload)


def _extensions(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    few = st.lists(inner, max_size=4)
    heads = st.sampled_from([b"", *(payload[4:20] for payload in PAYLOADS[5:]), b"\x00", b"\x03", b"\x04"])
    return st.one_of(
        st.tuples(st.integers(-3, 25), heads, inner).map(lambda parts: ext(parts[0], parts[1] + parts[2])),
        few.map(lambda parts: bytes((0x90 | len(parts),)) + b"".join(parts)),
        few.map(lambda parts: bytes((0x80 | len(parts),)) + b"".join(b"\xa1k" + p for p in parts)),
    )


@given(
    st.recursive(
        st.one_of(
            st.binary(max_size=30),
            st.integers(0, 2**64 - 1).map(ormsgpack.packb),
            st.text(max_size=9).map(ormsgpack.packb),
        ),
        _extensions,
        max_leaves=8,
    )
)
@settings(max_examples=600)
def test_extensions_with_any_content_give_a_value_or_undecodable(payload: bytes) -> None:
    decoded(payload)


@pytest.mark.parametrize(
    ("code", "data"),
    [
        (0, b""),
        (22, b""),
        (127, b"\x90"),
        (-1, b"\x00\x00\x00\x00"),
        (layout.TEXT, b"\xff"),
        (layout.TUPLE, b"\x80"),
        (layout.TUPLE, b""),
        (layout.SET, b"\x91\x90"),
        (layout.FROZENSET, b"\x91\x80"),
        (layout.DICT, b"\x91\x01"),
        (layout.DICT, b"\x92\x90\x01"),
        (layout.BLOCK, b"\x90"),
        (layout.BLOCK, b"\x91\x01"),
        (layout.BLOCK, b"\x92\x91\x01\x90"),
        (layout.COLUMN, b""),
        (layout.COLUMN, b"\x09\x90"),
        (layout.COLUMN, b"\x00\x00"),
        (layout.COLUMN, b"\x03\x91\xc4\x01x"),
        (layout.COLUMN, b"\x03\x91" + ext(layout.TUPLE, b"\x90")),
        (layout.COLUMN, b"\x04\x91\x01"),
        (layout.COLUMN, b"\x04\x91\xa1x"),
        (layout.MODEL, b""),
        (layout.MODEL, bytes(16) + b"\x90"),
        (layout.ENUM, bytes(17)),
        (layout.DATETIME, bytes(11)),
        (layout.DATETIME, b"\x07\xe8\x0d\x01" + bytes(7)),
        (layout.DATETIME, bytes(10)),
        (layout.DATETIME_ZONED, b"\x07\xe8\x01\x01" + bytes(7)),
        (layout.DATETIME_ZONED, b"\x07\xe8\x01\x01" + bytes(7) + b"\x02\x01"),
        (layout.DATETIME_ZONED, b"\x07\xe8\x01\x01" + bytes(7) + b"\x00\x06"),
        (layout.DATETIME_ZONED, b"\x07\xe8\x01\x01" + bytes(7) + b"\x00\x02" + b"\x7f" * 8),
        (layout.DATETIME_ZONED, b"\x07\xe8\x01\x01" + bytes(7) + b"\x00\x04No/Where"),
        (layout.DATETIME_ZONED, b"\x07\xe8\x01\x01" + bytes(7) + b"\x00\x04../../etc/passwd"),
        (layout.DATETIME_ZONED, b"\x07\xe8\x01\x01" + bytes(7) + b"\x00\x04/etc/localtime"),
        (layout.DATETIME_ZONED, b"\x07\xe8\x01\x01" + bytes(7) + b"\x00\x05\x7f\xff\xff\xff"),
        (layout.DATE, b"\x00\x00\x01\x01"),
        (layout.TIME, b"\x18" + bytes(6)),
        (layout.TIME_ZONED, bytes(7)),
        (layout.TIMEDELTA, b"\x7f\xff\xff\xff" + bytes(8)),
        (layout.DECIMAL, b"1.2.3"),
        (layout.DECIMAL, "\u0661".encode()),
        (layout.UUID_, bytes(15)),
        (layout.UNSET, b"\x00"),
    ],
)
def test_an_extension_without_sense_is_undecodable(code: int, data: bytes) -> None:
    assert decoded(ext(code, data)) is Undecodable
    assert decoded(b"\x91" + ext(code, data)) is Undecodable


def _bodies() -> Iterator[bytes]:
    """Bodies that no instance of a class with two fields writes."""
    wrong: list[Any] = [
        [],
        [1],
        [1, 2, 3],
        [1, 2, {}, {}],
        [1, 2, {"else": {}}],
        [1, 2, {"dict": [1]}],
        [1, 2, {"dict": 1}],
        [1, 2, {"missing": {"a": 1}}],
        [1, 2, {"missing": ["nothing"]}],
        [1, 2, {"missing": [1]}],
        [1, 2, {"set": [1.5]}],
        [1, 2, {"set": [-1]}],
        [1, 2, {"private": []}],
        {"a": 1},
        5,
    ]
    yield from map(ormsgpack.packb, wrong)
    yield b"\x93\x01\x02\x81\xa4dict" + ext(layout.DICT, b"\x92\x01\x02")


@pytest.mark.parametrize("cls", [samples.Point, samples.Slotted, samples.Struct, samples.Model, samples.Pair])
def test_a_body_without_sense_is_undecodable(cls: type) -> None:
    codec = Codec()
    codec.register(cls)
    payload, _ = codec.encode(cls(a=1, b=2) if cls is samples.Model else cls(1, 2))
    head = payload[3 : 3 + layout.PREFIX]
    accepted = [body for body in _bodies() if decoded(ext(layout.MODEL, head + body), codec) is not Undecodable]
    assert accepted == []


def test_a_flag_of_unknown_bits_is_undecodable() -> None:
    payload, _ = CODEC.encode(samples.Access.READ)
    head = payload[3 : 3 + layout.PREFIX]
    assert decoded(ext(layout.FLAG, head + b"\x04")) == samples.Access.RUN
    assert decoded(ext(layout.FLAG, head + b"\x40")) is Undecodable


def test_a_flag_that_turns_into_a_plain_int_is_undecodable() -> None:
    class Ejecting(enum.IntFlag, boundary=enum.EJECT):
        A = 1

    codec = Codec()
    payload, _ = codec.encode(Ejecting.A)
    assert decoded(payload, codec) is Ejecting.A
    assert decoded(payload[:-1] + b"\x08", codec) is Undecodable


@pytest.mark.parametrize("allowed", [1, 5, 64])
def test_extensions_nest_as_deep_as_allowed_and_no_deeper(allowed: int) -> None:
    codec = Codec(limits=Limits(depth=allowed))
    payload = b"\xc0"
    for _ in range(allowed):
        payload = ext(layout.TUPLE, b"\x91" + payload)
    assert decoded(payload, codec) is not Undecodable
    assert decoded(ext(layout.TUPLE, b"\x91" + payload), codec) is Undecodable


def test_a_decode_near_the_recursion_limit_is_undecodable() -> None:
    payload = b"\xc0"
    for _ in range(60):
        payload = ext(layout.TUPLE, b"\x91" + payload)

    def dive(left: int) -> object:
        return decoded(payload) if left == 0 else dive(left - 1)

    depths = range(0, sys.getrecursionlimit() - 60, 40)
    outcomes = []
    for depth in depths:
        try:
            outcomes.append(dive(depth))
        except RecursionError:  # raised by `dive` or the test itself, not through the codec
            break
    assert Undecodable in outcomes


def test_an_interrupt_inside_a_hook_is_not_taken_for_bad_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(level: object, data: bytes) -> object:
        raise KeyboardInterrupt

    monkeypatch.setitem(unpacker._DECODERS, layout.UUID_, interrupt)
    with pytest.raises(KeyboardInterrupt):
        CODEC.decode(CODEC.encode([(UUID(int=1),)])[0], False)
    assert CODEC.decode(b"\x01", False) == 1


def test_the_reason_of_an_inner_failure_survives() -> None:
    payload, _ = Codec().encode([{"deep": (samples.Point(1),)}])
    with pytest.raises(Undecodable, match="isn't registered"):
        Unpacker(Limits(), ModelRegistry()).loads(payload)


def alike(count: int) -> list[ormsgpack.Ext]:
    """UUIDs that differ and hash alike."""
    step = sys.hash_info.modulus
    return [ormsgpack.Ext(layout.UUID_, (number * step).to_bytes(16, "big")) for number in range(1, count + 1)]


def of_many_alike(count: int) -> dict[str, bytes]:
    members = alike(count)
    pairs = [part for member in members for part in (member, 0)]
    inside = [ormsgpack.Ext(layout.TUPLE, ormsgpack.packb([1, member])) for member in members]
    return {
        "set": ext(layout.SET, ormsgpack.packb(members)),
        "frozenset": ext(layout.FROZENSET, ormsgpack.packb(members)),
        "dict": ext(layout.DICT, ormsgpack.packb(pairs)),
        "tuples": ext(layout.SET, ormsgpack.packb(inside)),
    }


@pytest.mark.parametrize("kind", ["set", "frozenset", "dict", "tuples"])
def test_many_members_that_hash_alike_are_undecodable(kind: str) -> None:
    assert decoded(of_many_alike(2_500)[kind]) is Undecodable
    assert len(decoded(of_many_alike(500)[kind])) == 500  # type: ignore[arg-type]


def test_many_sets_of_members_that_hash_alike_count_together() -> None:
    members = ext(layout.SET, ormsgpack.packb(alike(500)))
    assert len(decoded(b"\x92" + members * 2)) == 2  # type: ignore[arg-type]
    assert decoded(b"\xdc\x00\x32" + members * 50) is Undecodable


def test_what_one_payload_spent_is_not_charged_to_the_next() -> None:
    codec = Codec()
    payload = of_many_alike(1_000)["set"]
    for _ in range(4):
        assert decoded(payload, codec) is not Undecodable


@pytest.mark.skipif(sys.platform == "win32", reason="measures with the resource module, which Windows lacks")
def test_hostile_payloads_stay_within_memory_and_stack() -> None:
    script = Path(__file__).with_name("hostile.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, env=environment, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 150  # MiB, for payloads of at most 4


# -- several by one call -----------------------------------------------------------------------------------------------

UNPACKER = Unpacker(Limits(), ModelRegistry())
SMALL = [CODEC.encode(value)[0] for value in (None, 1, "text", 1.5, [1, [2]], {"a": None}, 2**100, (1, 2), {3})]
WRONG = [
    b"",
    b"\x01\x02",
    b"\x92\x01",
    b"\x93\x01",
    b"\xc1",
    b"\xdd\xff\xff\xff\xff",
    b"\x92",
    b"\xc7\x00\x63",
    b"\xcb",
]


def each(payloads: list[bytes]) -> object:
    try:
        return [UNPACKER.loads(payload) for payload in payloads]
    except Undecodable:
        return Undecodable


def together(payloads: list[bytes]) -> object:
    try:
        return UNPACKER.loads_many(payloads)
    except Undecodable:
        return Undecodable


def behind(raws: list[bytes], start: int) -> object:
    try:
        return UNPACKER.loads_behind(raws, start)
    except Undecodable:
        return Undecodable


@given(st.lists(st.sampled_from(SMALL) | st.sampled_from(WRONG) | st.binary(max_size=20), max_size=8))
def test_several_give_what_each_gives_or_nothing(payloads: list[bytes]) -> None:
    assert together(payloads) == each(payloads)


@given(
    st.lists(st.sampled_from(SMALL) | st.sampled_from(WRONG) | st.binary(max_size=20), min_size=1, max_size=8),
    st.integers(1, 40),
    st.binary(min_size=40, max_size=40),
)
def test_several_behind_something_else_give_the_same_and_what_that_is(
    payloads: list[bytes], start: int, head: bytes
) -> None:
    values = each(payloads)
    expected = Undecodable if values is Undecodable else (values, head[:start] * len(payloads))
    assert behind([head[:start] + payload for payload in payloads], start) == expected


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6), st.integers(1, 40))
def test_one_that_is_too_short_takes_nothing_from_the_next(raws: list[bytes], start: int) -> None:
    expected = each([raw[start:] for raw in raws]) if min(map(len, raws)) >= start else Undecodable
    outcome = behind(raws, start)
    assert (outcome[0] if isinstance(outcome, tuple) else outcome) == expected


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("other", WRONG)
def test_what_one_has_too_much_another_cannot_lack(wrong: bytes, other: bytes) -> None:
    for payloads in ([wrong, other], [wrong, b"\x01", other], [b"\x01", wrong, other, b"\x02"]):
        assert together(payloads) is Undecodable


def test_what_equals_the_mark_between_them_is_no_mark() -> None:
    mark = unpacker._BETWEEN
    payload = CODEC.encode(mark)[0]
    assert together([payload, b"\x01"]) == [mark, 1]
    for forged in (mark[:4], b"", mark.hex(), int.from_bytes(mark, "big")):
        packed = CODEC.encode(forged)[0]
        assert together([b"\x01" + packed + b"\x02", b""]) is Undecodable


def test_large_payloads_are_left_to_be_unpacked_alone() -> None:
    large = CODEC.encode("x" * 5_000)[0]
    assert together([large, b"\x01"]) is Undecodable
    assert UNPACKER.loads_many([]) == []
