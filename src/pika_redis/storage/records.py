"""Between what a key holds and what policy sees: drafts become bytes, bytes become entries and values."""

from __future__ import annotations

import math
import os
from dataclasses import replace

from ..codec import Codec, Undecodable
from ..codec.envelope import IDENTITY, Header, Kind, Malformed, parse, render
from ..model.counters import Counters
from ..model.entry import Capture, Draft, Entry
from ..model.missing import MISSING, MissingType

__all__ = ["INT64", "Record", "Records", "plain_integer", "ttl_ms"]

INT64 = range(-(2**63), 2**63)
_LONGEST_INTEGER = 20


def plain_integer(raw: bytes) -> int | None:
    """The number that a counter's bytes stand for; None for anything else, ``007`` and ``-0`` among it."""
    digits = raw[1:] if raw[:1] == b"-" else raw
    if digits.isdigit() and len(raw) <= _LONGEST_INTEGER:
        number = int(raw)
        return number if number in INT64 and b"%d" % number == raw else None
    return None


class Record:
    """What a key holds, read but not yet judged: an integer, or a header with its payload."""

    __slots__ = ("header", "identity", "number", "payload")

    def __init__(self, raw: bytes, number: int | None, header: Header | None, payload: bytes) -> None:
        self.identity = raw[:IDENTITY]
        self.number = number
        self.header = header
        self.payload = payload


class Records:
    """Reads and writes the bytes of entries. Foreign and damaged bytes are None and a count, never an error."""

    __slots__ = ("_codec", "_counters")

    def __init__(self, codec: Codec, counters: Counters) -> None:
        self._codec = codec
        self._counters = counters

    def read(self, raw: bytes) -> Record | None:
        """The record in a key's bytes; None for what may never be served."""
        number = plain_integer(raw)
        if number is not None:
            return Record(raw, number, None, b"")
        try:
            header, payload = parse(raw)
        except Malformed:
            if raw[:1] not in (b"L", b"F", b"H"):
                self._counters.undecodable += 1
            return None
        return Record(raw, None, header, payload)

    @staticmethod
    def is_ours(raw: bytes) -> bool:
        """Whether an entry of this version wrote the bytes, live or not."""
        try:
            parse(raw)
        except Malformed:
            return False
        return True

    def entry(self, record: Record) -> Entry:
        """The record as policy sees it."""
        header = record.header
        if header is None:
            return Entry(record.identity, 0, 0, False, record)
        return Entry(record.identity, header.born_ms, header.fresh_ms, header.kind is Kind.STALE, record)

    def value(self, record: Record) -> object | MissingType:
        """The value, decoded afresh; MISSING when that fails."""
        if record.header is None:
            return record.number
        if record.header.kind is Kind.NONE or (record.header.kind is Kind.STALE and not record.payload):
            return None
        return self.decoded(record.payload, record.header.compressed)

    def decoded(self, payload: bytes, compressed: bool) -> object | MissingType:
        """The value in a payload; MISSING and a count when it can't be decoded."""
        try:
            return self._codec.decode(payload, compressed)
        except Undecodable:
            self._counters.undecodable += 1
            return MISSING

    def pack(self, draft: Draft) -> tuple[bytes, bool]:
        """The payload and whether it is compressed. Raises SerializationError."""
        return (b"", False) if draft.value is None else self._codec.encode(draft.value)

    def as_counter(self, draft: Draft) -> bytes | None:
        """The bytes of an untagged integer of 64 bits that a caller sets; None for any other draft."""
        value = draft.value
        if draft.plain_integers and type(value) is int and not draft.tags and value in INT64:
            return b"%d" % value
        return None

    def seal(self, draft: Draft, packed: tuple[bytes, bool], capture: Capture, now_ms: int) -> bytes:
        """The entry's bytes under the captured nonces, with a new nonce of its own."""
        assert capture.epoch is not None
        payload, compressed = packed
        header = Header(
            kind=Kind.NONE if draft.value is None else Kind.VALUE,
            nonce=os.urandom(IDENTITY - 1),
            born_ms=now_ms,
            epoch=capture.epoch,
            fresh_ms=ttl_ms(draft.ttl) or 0,
            compressed=compressed,
            tags=tuple((tag, nonce) for tag, nonce in capture.tags.items() if nonce is not None),
        )
        return render(header, payload)

    @staticmethod
    def renewed(record: Record, ttl: float, now_ms: int) -> bytes:
        """The same value as if written now with another time to live."""
        assert record.header is not None
        header = replace(
            record.header, nonce=os.urandom(IDENTITY - 1), born_ms=now_ms, fresh_ms=ttl_ms(ttl) or 0, extra_ms=0
        )
        return render(header, record.payload)


def ttl_ms(ttl: float) -> int | None:
    """Whole milliseconds, at least one; None = no expiry."""
    return None if math.isinf(ttl) else max(1, round(ttl * 1000))
