"""Between what a key holds and what policy sees: drafts become bytes, bytes become entries and values."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ..codec import Codec, Undecodable
from ..codec.envelope import (
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
from ..model.counters import Counters
from ..model.entry import Capture, Draft, Entry, Failure
from ..model.missing import MISSING, MissingType
from .nonces import HOLD_MARK, Nonce, nonce_in

__all__ = ["INT64", "Record", "Records", "plain_integer", "ttl_ms", "whole"]

INT64 = range(-(2**63), 2**63)
_LONGEST_INTEGER = 20
_FAILURE = 9  # bytes behind the identity of a failed load's mark: the process, and how many failed
_FEW = 8  # entries that are unpacked faster one by one
_TOKEN = 16  # bytes of one token of a hold


def whole(raw: bytes) -> bytes:
    """What stands for bytes without a nonce where a script compares: all of them count."""
    return b"#" + hashlib.sha1(raw, usedforsecurity=False).digest()


def _marker(raw: bytes) -> bytes:
    """The first byte of what is a lease, a mark or a hold by its length too; empty for anything else."""
    kind, rest = raw[:1], len(raw) - IDENTITY
    if (kind == b"L" and not rest) or (kind == b"F" and rest == _FAILURE):
        return kind
    return kind if raw.startswith(HOLD_MARK) and (len(raw) - 1) % _TOKEN == 0 else b""


def plain_integer(raw: bytes) -> int | None:
    """The number that a counter's bytes stand for; None for anything else, ``007`` and ``-0`` among it."""
    digits = raw[1:] if raw[:1] == b"-" else raw
    if digits.isdigit() and len(raw) <= _LONGEST_INTEGER:
        number = int(raw)
        return number if number in INT64 and b"%d" % number == raw else None
    return None


class Record:
    """What a key holds: an integer, or a header with its payload. Also the copy of an entry in this process's memory.

    `guards` are the nonces that it was written under, each beside what is known of it now: while one of them differs,
    or is not known, the entry is not served.
    """

    __slots__ = (
        "checked", "ends", "guards", "header", "home", "identity", "key", "live", "marker", "number", "payload",
        "queued", "reads", "size", "value",
    )  # fmt: skip

    def __init__(self, raw: bytes, number: int | None, header: Header | None, payload: bytes) -> None:
        self.identity = raw[:IDENTITY] if header is not None else whole(raw)
        """What a store after a load compares with: kind and nonce; for bytes without a nonce the whole of them."""
        self.number = number
        self.header = header
        self.payload = payload
        self.live: bool | None = True
        """Whether it was current when the reply that held it was parsed; None = that could not be told."""
        self.marker = b""
        """``L`` for a lease, ``F`` for the mark of a failed load, ``H`` for a writer's hold."""
        self.guards: tuple[tuple[Nonce, bytes], ...] = ()
        self.checked = -1
        """`Nonces.changes` when it was last found to be current."""
        self.value: object = MISSING
        """The value that may be handed to everybody as it is, once it was decoded."""
        self.key = ""
        self.home = ""
        """The prefix under which it was read: another one has another epoch."""
        self.size = self.reads = self.queued = 0
        self.ends = math.inf
        """Until when a copy in memory is fresh, in seconds of our monotonic clock."""

    def is_current(self) -> bool:
        """Whether all nonces are known to be those it was written under."""
        for nonce, seen in self.guards:
            if nonce.now != seen:
                return False
            nonce.used = True
        return True

    def is_foreign(self) -> bool:
        """Whether somebody else wrote the bytes, another version did, or they are damaged."""
        return self.header is None and self.number is None and not self.marker

    def judge(self) -> None:
        """Note whether it is current, by what is known now. Within the parser."""
        self.live = True
        for nonce, seen in self.guards:
            if nonce.now is None:
                self.live = None
            elif nonce.now != seen:
                self.live = False
                return


def _spread(
    values: list[object], others: Sequence[int], raws: Sequence[bytes | None]
) -> tuple[list[object], list[int]]:
    """Values with gaps where the others are, and the places of those that are there at all."""
    for at in others:
        values.insert(at, MISSING)
    return values, [at for at in others if raws[at] is not None]


class Records:
    """Reads and writes the bytes of entries. Foreign and damaged bytes are None and a count, never an error."""

    __slots__ = ("_codec", "_counters", "_loads_behind", "_loads_many", "decodes_anywhere", "loads", "max_bytes")

    def __init__(self, codec: Codec, counters: Counters) -> None:
        self._codec = codec
        self._counters = counters
        self.loads = codec.loads
        self._loads_many = codec.loads_many
        self._loads_behind = codec.loads_behind
        self.max_bytes = codec.max_bytes
        self.decodes_anywhere = not codec.is_foreign
        """Whether it is all one where values are decoded: a user's serializer may look at the caller's context."""

    def plain_value(self, raw: bytes | None, epoch: bytes | None) -> object:
        """The value of an entry as common as `envelope.plain` says, MISSING for None, NOT_PLAIN for anything else."""
        if raw is None:
            return MISSING
        if len(raw) > self.max_bytes:
            return NOT_PLAIN
        try:
            return plain(raw, epoch, self.loads)
        except Undecodable:
            self._counters.undecodable += 1
            return MISSING

    def plain_values(self, raws: Sequence[bytes | None], epoch: object) -> tuple[list[object], list[int]]:
        """The same of several, by the epoch's own value, unpacked together; and the places of those that are not plain.

        By far the most were stored alike: then no line of Python runs for each of them.
        """
        nonce = nonce_in(epoch)
        if len(raws) < _FEW:
            values = [self.plain_value(raw, nonce) for raw in raws]
            return values, [at for at, value in enumerate(values) if value is NOT_PLAIN]
        found = list(filter(None, raws))
        start = plain_start(found[0], nonce) if found else 0
        if start:
            with suppress(Undecodable):
                values, heads = self._loads_behind(found, start)
                if all_plain(heads, start):
                    gaps = [at for at, raw in enumerate(raws) if not raw] if len(found) < len(raws) else []
                    return _spread(values, gaps, raws)
        payloads, others = plain_payloads(raws, nonce)
        try:
            return _spread(self._loads_many(payloads), others, raws)
        except Undecodable:
            values = [self.plain_value(raw, nonce) for raw in raws]
            return values, [at for at, value in enumerate(values) if value is NOT_PLAIN]

    def read(self, raw: bytes) -> Record:
        """The record in a key's bytes; what may never be served is not `live`."""
        if raw[:1] < b":":  # a digit or a sign, which are below; no kind of ours is
            number = plain_integer(raw)
            if number is not None:
                return Record(raw, number, None, b"")
        try:
            header, payload = parse(raw)
        except Malformed:
            record = Record(raw, None, None, b"")
            record.live = False
            record.marker = _marker(raw)
            if record.marker:
                record.identity = raw[:IDENTITY]
                record.payload = raw[IDENTITY:]
            else:
                self._counters.undecodable += 1
            return record
        return Record(raw, None, header, payload)

    @staticmethod
    def failure(record: Record) -> Failure | None:
        """What a mark of failed loads says; None for anything else."""
        if record.marker != b"F":
            return None
        return Failure.from_bytes(record.payload)

    def entry(self, record: Record) -> Entry:
        """The record as policy sees it."""
        header = record.header
        if header is None:
            return Entry(record.identity, 0, 0, False, record)
        return Entry(record.identity, header.born_ms, header.fresh_ms, header.kind is Kind.STALE, record)

    def value(self, record: Record, *, share: bool = False) -> object | MissingType:
        """The value; MISSING when it can't be decoded. Decoded afresh unless it can't be changed, or `share` is set."""
        if record.value is not MISSING:
            return record.value
        if record.header is None:
            return record.number
        if record.header.kind is Kind.NONE or (record.header.kind is Kind.STALE and not record.payload):
            return None
        value = self.decoded(record.payload, record.header.compressed)
        if record.queued and value is not MISSING and (share or self._codec.is_immutable(value)):
            record.value = value
        return value

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
        if not (compressed or draft.extra or capture.tags) and draft.value is not None:
            head = plain_head(now_ms, capture.epoch, ttl_ms(draft.ttl) or 0)
            return plain_entry(os.urandom(IDENTITY - 1), head, payload)
        kind = Kind.NONE if draft.value is None else Kind.VALUE
        header = Header(kind, os.urandom(IDENTITY - 1), now_ms, capture.epoch, ttl_ms(draft.ttl) or 0)
        header.compressed = compressed
        if draft.extra and header.fresh_ms:
            header.extra_ms = round(draft.extra * 1000)
        if capture.tags:
            header.tags = tuple((tag, nonce) for tag, nonce in capture.tags.items() if nonce is not None)
        return render(header, payload)

    @staticmethod
    def renewed(record: Record, ttl: float, now_ms: int) -> bytes:
        """The same value with another time to live from now, and the same identity: loads under way may replace it."""
        assert record.header is not None
        extra_ms = 0 if math.isinf(ttl) else record.header.extra_ms
        header = replace(record.header, born_ms=now_ms, fresh_ms=ttl_ms(ttl) or 0, extra_ms=extra_ms)
        return render(header, record.payload)

    @staticmethod
    def kept(record: Record, until_ms: int) -> Header | None:
        """The header of the same value, to be kept on the server until then; None when it lives so long by itself.

        What it is given lies behind its time, as the extra life of those that are served stale.
        """
        header = record.header
        if header is None or not header.fresh_ms:
            return None
        extra_ms = until_ms - header.born_ms - header.fresh_ms
        return None if extra_ms <= header.extra_ms else replace(header, extra_ms=extra_ms)

    @staticmethod
    def head(record: Record) -> bytes:
        """The bytes before the payload."""
        assert record.header is not None
        return render(record.header, b"")


def ttl_ms(ttl: float) -> int | None:
    """Whole milliseconds, at least one; None = no expiry."""
    return None if ttl == math.inf else int(ttl * 1000 + 0.5) or 1
