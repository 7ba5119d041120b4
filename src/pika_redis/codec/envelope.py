"""The bytes of one entry around its payload, byte by byte.

====== ======= ==================================================================================================
offset  bytes  what
====== ======= ==================================================================================================
0       1      kind: ``V`` value, ``N`` cached None, ``S`` marked stale, ``L`` lease, ``F`` failed load, ``H`` hold
1       8      nonce, random, new at every change; kind and nonce together are the *identity*
9       1      format version in the upper 3 bits (1), flags in the lower 5: 1 compressed, 2 tags, 4 extra life
10      6      born: the server's milliseconds, big-endian
16      8      nonce of the epoch under which the entry was written
24      1-6    fresh for: milliseconds as a LEB128 varint, 0 = for ever
        0-6    with flag 4, extra life: milliseconds as a varint, kept for stale serving after that
        0-n    with flag 2, tags: varint count (at most 64), then each as varint length (1 to 512), UTF-8 name, 8
               bytes of nonce
               payload: as the codec packed it; empty for N
====== ======= ==================================================================================================

So an untagged entry costs 28 or 29 bytes above its payload for the usual times to live.

Counters and untagged integers of 64 bits that a caller `set`s are not enveloped: they are plain decimal text,
which every client reads and INCRBY takes. `parse` tells them apart by their first byte.

Invariants: a parser never raises but `Malformed`, never reads past the bytes it has, and never allocates by a length
it has not checked. What another version of the format wrote is malformed to this one, hence a miss.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ..model.entry import MAX_TAG_BYTES, MAX_TAGS

__all__ = [
    "IDENTITY",
    "NOT_PLAIN",
    "PLAIN_HEAD",
    "Header",
    "Kind",
    "Malformed",
    "all_plain",
    "parse",
    "plain",
    "plain_entry",
    "plain_head",
    "plain_payloads",
    "plain_start",
    "render",
]

IDENTITY: Final = 9
"""Bytes of kind and nonce."""
_EPOCH: Final = 16
_FIXED: Final = 24
"""Bytes before the first number of no fixed length."""
_VERSION: Final = 1 << 5
_COMPRESSED: Final = 1
_TAGS: Final = 2
_EXTRA: Final = 4
NOT_PLAIN: Final = object()
PLAIN_HEAD: Final = _VERSION
"""Version and flags of an entry that is neither compressed nor tagged and has no extra life."""
_PLAIN_FLAGS: Final = bytes((PLAIN_HEAD,))
_VALUE: Final = ord("V")
_MAX_VARINT_BYTES: Final = 8


class Kind(enum.IntEnum):
    """What a key of ours holds, by its first byte."""

    VALUE = ord("V")
    NONE = ord("N")
    STALE = ord("S")
    LEASE = ord("L")
    FAILED = ord("F")
    HOLD = ord("H")


_WITH_HEADER: Final = {int(kind): kind for kind in (Kind.VALUE, Kind.NONE, Kind.STALE)}
_FORMAT: Final = 0xFF & ~(_COMPRESSED | _TAGS | _EXTRA)
"""Of version and flags, the bits that one format has in common."""


class Malformed(Exception):
    """The bytes are no entry of this version."""


@dataclass(slots=True)
class Header:
    """What an entry says of itself; times in milliseconds, `fresh_ms` 0 = for ever."""

    kind: Kind
    nonce: bytes
    born_ms: int
    epoch: bytes
    fresh_ms: int
    extra_ms: int = 0
    compressed: bool = False
    tags: tuple[tuple[str, bytes], ...] = ()


def render(header: Header, payload: bytes) -> bytes:
    """The entry's bytes."""
    flags = _VERSION
    tail = b""
    if header.compressed:
        flags |= _COMPRESSED
    if header.extra_ms:
        flags |= _EXTRA
        tail = _varint(header.extra_ms)
    if header.tags:
        flags |= _TAGS
        tail += _tags(header.tags)
    return b"".join(
        (
            bytes((header.kind,)),
            header.nonce,
            bytes((flags,)),
            header.born_ms.to_bytes(6, "big"),
            header.epoch,
            _varint(header.fresh_ms),
            tail,
            payload,
        )
    )


def plain_entry(nonce: bytes, head: bytes, payload: bytes) -> bytes:
    """The bytes of the commonest entry, as `render` gives them: a value, untagged, uncompressed, without extra life."""
    return b"".join((b"V", nonce, head, payload))


def plain_head(born_ms: int, epoch: bytes, fresh_ms: int) -> bytes:
    """What stands between nonce and payload of such an entry."""
    return b"".join((_PLAIN_FLAGS, born_ms.to_bytes(6, "big"), epoch, _varint(fresh_ms)))


def plain(raw: bytes, epoch: bytes | None, loads: Callable[[bytes], object]) -> object:
    """What `loads` makes of the payload of the commonest entry: untagged, uncompressed, no extra life, of this epoch.

    `NOT_PLAIN` for anything else: `parse` decides then. Such an entry needs no judging by age: the server ends it.
    """
    if len(raw) > _FIXED and raw[0] == _VALUE and raw[9] == PLAIN_HEAD and raw[16:24] == epoch:
        at = _FIXED
        try:
            while raw[at] > 0x7F:
                at += 1
        except IndexError:
            return NOT_PLAIN
        if at < _FIXED + _MAX_VARINT_BYTES:
            return loads(raw[at + 1 :])
    return NOT_PLAIN


def plain_start(raw: bytes | None, epoch: bytes | None) -> int:
    """Where the payload begins in the commonest entry of this epoch; 0 for anything else."""
    if raw is None or len(raw) <= _FIXED or raw[0] != _VALUE or raw[9] != PLAIN_HEAD or raw[_EPOCH:_FIXED] != epoch:
        return 0
    return _end_of_life(raw)


def all_plain(heads: bytes, start: int) -> bool:
    """Whether what stands before `start` in several entries, joined, says that all are as plain as the first of them.

    Looks at the same byte of all of them at once; times to live may differ, but not in how many bytes they take.
    """
    count = len(heads) // start
    differ = [at for at in (0, 9, *range(_EPOCH, start)) if heads[at::start] != heads[at : at + 1] * count]
    if not differ:
        return True
    last = start - 1
    return differ[0] >= _FIXED and all(
        max(heads[at::start]) < 0x80 if at == last else min(heads[at::start]) > 0x7F for at in differ
    )


def plain_payloads(raws: Sequence[bytes | None], epoch: bytes | None) -> tuple[list[bytes], list[int]]:
    """Of several, the payloads of those that `plain` would give to `loads`, and the places of all others."""
    payloads: list[bytes] = []
    others: list[int] = []
    append = payloads.append
    known, start = b"", 0
    for raw in raws:
        if start and raw is not None and raw.startswith(known, _EPOCH) and raw[0] == _VALUE and raw[9] == PLAIN_HEAD:
            append(raw[start:])  # by far the most: times to live recur
            continue
        at = plain_start(raw, epoch)
        if raw is None or not at:
            others.append(len(payloads) + len(others))
            continue
        known, start = raw[_EPOCH:at], at
        append(raw[at:])
    return payloads, others


def _end_of_life(raw: bytes) -> int:
    """Behind the varint that says for how long an entry is fresh; 0 when it is damaged."""
    for at in range(_FIXED, min(len(raw), _FIXED + _MAX_VARINT_BYTES)):
        if raw[at] < 0x80:
            return at + 1
    return 0


def parse(raw: bytes) -> tuple[Header, bytes]:
    """Header and payload. Raises Malformed for foreign or damaged bytes, leases, failure markers and holds."""
    kind = _WITH_HEADER.get(raw[0]) if len(raw) > _FIXED else None
    if kind is None:
        raise Malformed("no entry header")
    flags = raw[9]
    if flags & _FORMAT != _VERSION:
        raise Malformed(f"unknown format 0x{flags:02x}")
    fresh_ms, at = _read_varint(raw, _FIXED)
    header = Header(kind, raw[1:9], int.from_bytes(raw[10:16], "big"), raw[16:24], fresh_ms)
    if flags != _VERSION:
        header.compressed = bool(flags & _COMPRESSED)
        if flags & _EXTRA:
            header.extra_ms, at = _read_varint(raw, at)
        if flags & _TAGS:
            header.tags, at = _read_tags(raw, at)
    return header, raw[at:]


@lru_cache(maxsize=1024)  # times to live recur
def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    for byte in raw[at : at + _MAX_VARINT_BYTES]:
        at += 1
        if byte < 0x80:
            return number | byte << shift, at
        number |= (byte & 0x7F) << shift
        shift += 7
    raise Malformed("a number runs over its end")


def _tags(tags: tuple[tuple[str, bytes], ...]) -> bytes:
    parts = [_varint(len(tags))]
    for name, nonce in tags:
        text = name.encode()
        parts += (_varint(len(text)), text, nonce)
    return b"".join(parts)


def _read_tags(raw: bytes, at: int) -> tuple[tuple[tuple[str, bytes], ...], int]:
    count, at = _read_varint(raw, at)
    if count > MAX_TAGS:
        raise Malformed(f"{count} tags")
    tags: list[tuple[str, bytes]] = []
    for _ in range(count):
        size, at = _read_varint(raw, at)
        if not 0 < size <= MAX_TAG_BYTES:
            raise Malformed(f"a tag of {size} bytes")
        end = at + size
        if end + 8 > len(raw):
            raise Malformed("a tag runs over its end")
        try:
            name = raw[at:end].decode()
        except UnicodeDecodeError as error:
            raise Malformed("a tag is no text") from error
        tags.append((name, raw[end : end + 8]))
        at = end + 8
    return tuple(tags), at
