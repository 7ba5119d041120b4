"""The bytes around a value: what is written is read again, and nothing else is taken for it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pika_redis.codec import Codec
from pika_redis.codec.envelope import (
    IDENTITY,
    NOT_PLAIN,
    Header,
    Kind,
    Malformed,
    all_plain,
    parse,
    plain,
    plain_entry,
    plain_head,
    plain_payloads,
    plain_start,
    render,
)
from pika_redis.model.entry import MAX_TAG_BYTES, MAX_TAGS
from pika_redis.service.key_checks import check_tags

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "envelope.md"
BORN = 1_767_225_600_000
EPOCH = bytes.fromhex("a1a2a3a4a5a6a7a8")

nonces = st.binary(min_size=8, max_size=8)
milliseconds = st.integers(0, 2**56 - 1)
tag_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
headers = st.builds(
    Header,
    kind=st.sampled_from([Kind.VALUE, Kind.NONE, Kind.STALE]),
    nonce=nonces,
    born_ms=st.integers(0, 2**48 - 1),
    epoch=nonces,
    fresh_ms=milliseconds,
    extra_ms=milliseconds,
    compressed=st.booleans(),
    tags=st.lists(st.tuples(tag_names, nonces), max_size=5).map(tuple),
)


def header(**changes: object) -> Header:
    plain: dict[str, object] = {
        "kind": Kind.VALUE,
        "nonce": bytes(8),
        "born_ms": BORN,
        "epoch": EPOCH,
        "fresh_ms": 60_000,
    }
    return Header(**{**plain, **changes})  # type: ignore[arg-type]


@given(headers, st.binary(max_size=50))
def test_what_is_rendered_is_parsed(given_header: Header, payload: bytes) -> None:
    raw = render(given_header, payload)
    assert parse(raw) == (given_header, payload)
    assert raw[:IDENTITY] == bytes([given_header.kind]) + given_header.nonce


@given(headers, st.binary(max_size=50), st.data())
def test_an_entry_that_is_cut_short_is_malformed_or_has_a_shorter_payload(
    given_header: Header, payload: bytes, data: st.DataObject
) -> None:
    raw = render(given_header, payload)
    cut = data.draw(st.integers(0, len(raw) - 1))
    try:
        parsed = parse(raw[:cut])
    except Malformed:
        assert cut < len(raw) - len(payload)
    else:
        assert parsed == (given_header, payload[: cut - len(raw)])


@given(
    st.one_of(
        st.binary(max_size=100),
        st.tuples(
            st.sampled_from([b"V", b"N", b"S", b"L", b"F", b"H"]),
            st.binary(min_size=8, max_size=8),
            st.integers(0x20, 0x27).map(lambda flags: bytes([flags])),
            st.binary(min_size=14, max_size=14),
            st.binary(max_size=60),
        ).map(b"".join),
    )
)
@example(b"")
@example(b"V" + bytes(8) + b"\x20" + bytes(14))
@example(b"V" + bytes(8) + b"\x22" + bytes(14) + b"\x00" + b"\xff" * 7 + b"\x7f")
@example(b"V" + bytes(8) + b"\x22" + bytes(14) + b"\x00\x01\x02\xff\xff" + bytes(8))
def test_hostile_bytes_are_an_entry_or_malformed(raw: bytes) -> None:
    try:
        parsed, payload = parse(raw)
    except Malformed:
        assert plain_payload(raw, raw[16:24]) is None
        return
    assert raw.endswith(payload)
    assert len(parsed.tags) <= len(raw) // 9
    assert parsed.fresh_ms < 2**56
    assert parsed.extra_ms < 2**56


def plain_payload(raw: bytes, epoch: bytes | None) -> bytes | None:
    """The payload that the short way finds."""
    found = plain(raw, epoch, lambda payload: payload)
    return None if found is NOT_PLAIN else cast("bytes", found)


@given(headers, st.binary(max_size=50), nonces)
def test_the_short_way_gives_what_the_long_way_gives_or_nothing(
    given_header: Header, payload: bytes, other: bytes
) -> None:
    raw = render(given_header, payload)
    is_plain = not (given_header.tags or given_header.compressed or given_header.extra_ms)
    expected = payload if is_plain and given_header.kind is Kind.VALUE else None
    assert plain_payload(raw, given_header.epoch) == expected
    assert plain_payload(raw, None) is None
    assert plain_payload(raw, other) == (expected if other == given_header.epoch else None)


@given(headers, st.binary(max_size=50))
def test_the_commonest_entry_is_written_as_all_are(given_header: Header, payload: bytes) -> None:
    bare = replace(given_header, kind=Kind.VALUE, tags=(), extra_ms=0, compressed=False)
    head = plain_head(bare.born_ms, bare.epoch, bare.fresh_ms)
    assert plain_entry(bare.nonce, head, payload) == render(bare, payload)


entries = st.builds(render, headers, st.binary(max_size=20))
alike = st.builds(
    lambda header, epoch, life: replace(header, epoch=epoch, fresh_ms=life),
    headers,
    *[st.sampled_from([bytes(8), b"\xff" * 8]), st.sampled_from([0, 127, 128, 3_600_000])],
).map(lambda header: render(header, b"payload"))


@given(st.lists(st.none() | st.binary(max_size=60) | entries | alike, max_size=12), st.none() | st.just(bytes(8)))
def test_of_several_it_gives_what_it_gives_of_each(raws: list[bytes | None], epoch: bytes | None) -> None:
    expected = [None if raw is None else plain_payload(raw, epoch) for raw in raws]
    payloads, others = plain_payloads(raws, epoch)
    assert others == [at for at, payload in enumerate(expected) if payload is None]
    assert payloads == [payload for payload in expected if payload is not None]


@given(st.lists(entries | alike, min_size=1, max_size=6), st.sampled_from([bytes(8), b"\xff" * 8]))
def test_what_they_have_in_common_tells_whether_all_are_plain(raws: list[bytes], epoch: bytes) -> None:
    start = plain_start(raws[0], epoch)
    payloads = [plain_payload(raw, epoch) for raw in raws]
    assert (start > 0) == (payloads[0] is not None)
    if start and min(map(len, raws)) >= start:
        heads = b"".join([raw[:start] for raw in raws])
        assert all_plain(heads, start) == (payloads == [raw[start:] for raw in raws])


@given(st.integers(1, 30), st.data())
def test_one_byte_tells_an_entry_that_is_not_plain_from_all_others(count: int, data: st.DataObject) -> None:
    raw = render(header(fresh_ms=3_600_000), b"")
    start = plain_start(raw, header().epoch)
    heads = bytearray(raw[:start] * count)
    assert all_plain(bytes(heads), start)
    one, at, byte = data.draw(st.tuples(st.integers(0, count - 1), st.integers(0, start - 1), st.integers(0, 255)))
    heads[one * start + at] = byte
    own = bytes(heads[one * start : (one + 1) * start])
    assert all_plain(bytes(heads), start) == (plain_start(own, header().epoch) == start or count == 1)


@given(st.binary(max_size=80), st.integers(0, 79), st.integers(0, 255))
def test_the_short_way_never_takes_what_the_long_way_refuses(tail: bytes, place: int, byte: int) -> None:
    raw = bytearray(b"V" + bytes(8) + b"\x20" + bytes(14) + tail)
    if place < len(raw):
        raw[place] = byte
    payload = plain_payload(bytes(raw), bytes(raw[16:24]))
    if payload is not None:
        assert parse(bytes(raw))[1] == payload


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"V",
        render(header(), b"")[:24],
        render(header(kind=Kind.LEASE), b"payload"),
        render(header(kind=Kind.FAILED), b"payload"),
        render(header(kind=Kind.HOLD), b"payload"),
        b"T" + render(header(), b"payload")[1:],
        *(
            render(header(), b"payload")[:9] + bytes([flags]) + render(header(), b"payload")[10:]
            for flags in (0, 0x40, 0xE0, 0x28, 0x30)
        ),
        render(header(), b"")[:24] + b"\x80" * 8 + b"\x00payload",
        render(header(tags=(("t", bytes(8)),)), b"")[:-1],
        render(header(tags=tuple((f"{at}", bytes(8)) for at in range(MAX_TAGS + 1))), b"payload"),
        render(header(tags=(("t" * (MAX_TAG_BYTES + 1), bytes(8)),)), b"payload"),
        render(header(tags=(("", bytes(8)),)), b"payload"),
    ],
)
def test_what_is_no_entry_of_this_version_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse(raw)
    assert plain_payload(raw, raw[16:24]) is None


def test_an_entry_may_carry_all_the_tags_that_a_verb_takes() -> None:
    tags = check_tags(f"{at:04}".ljust(MAX_TAG_BYTES, "x") for at in range(MAX_TAGS))
    given_header = header(tags=tuple((tag, bytes(8)) for tag in tags))
    assert parse(render(given_header, b"payload")) == (given_header, b"payload")


def test_an_entry_without_tags_costs_28_bytes_for_the_usual_times_to_live() -> None:
    sizes = {ttl: len(render(header(fresh_ms=ttl * 1000), b"")) for ttl in (1, 3600, 3 * 86400, 30 * 86400, 0)}
    assert sizes == {1: 26, 3600: 28, 3 * 86400: 28, 30 * 86400: 29, 0: 25}


def test_the_examples_of_the_page_are_what_is_written() -> None:
    payload, _ = Codec().encode({"id": 7})
    assert examples(PAGE.read_text("utf-8")) == [
        render(header(nonce=bytes(range(1, 9)), fresh_ms=3_600_000), payload),
        render(
            header(
                nonce=bytes(range(0x11, 0x19)),
                fresh_ms=60_000,
                extra_ms=300_000,
                tags=(("user:7", bytes.fromhex("b1b2b3b4b5b6b7b8")),),
            ),
            payload,
        ),
        render(header(kind=Kind.NONE, nonce=bytes(range(0x21, 0x29)), fresh_ms=0), b""),
    ]


def examples(page: str) -> list[bytes]:
    blocks = re.findall(r"^```hex\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [bytes.fromhex(" ".join(line[:24] for line in block.splitlines())) for block in blocks]
