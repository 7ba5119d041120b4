"""Which node of a cluster serves which slot. Pure: what nodes said goes in, a map comes out.

A key's slot is the CRC16 (XMODEM) of the key, or of what stands in its first pair of braces, modulo 16384. Two commands
tell who serves what: CLUSTER SHARDS, since 7.0, and CLUSTER SLOTS. A node that doesn't know its own address, or is told
not to tell it, gives none (null, ``""`` or ``?``): then it is where it was asked. Source: the cluster specification.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias, cast

from .address import HostPort
from .framing import Reply

__all__ = ["SLOTS", "Owners", "SlotMap", "hashed", "read_shards", "read_slots", "slot_of"]

SLOTS: Final = 16384
_UNKNOWN: Final = (None, b"", b"?", "", "?")
Owners: TypeAlias = tuple[HostPort | None, ...]
"""Who serves each slot; None where nobody does."""
_Range: TypeAlias = tuple[int, int, HostPort]


def slot_of(key: str | bytes) -> int:
    """The slot of a key."""
    return crc_hqx(hashed(key), 0) % SLOTS


def hashed(key: str | bytes) -> bytes:
    """The part of a key that its slot is reckoned from."""
    raw = _encoded(key) if isinstance(key, str) else key
    start = raw.find(b"{")
    if start >= 0:
        end = raw.find(b"}", start + 1)
        if end > start + 1:
            return raw[start + 1 : end]
    return raw


def _encoded(key: str) -> bytes:
    try:
        return key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate: what names it is refused when it is packed
        return key.encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class SlotMap:
    """Who serves what, as one node said."""

    owners: Owners

    @staticmethod
    def of(ranges: Iterable[_Range]) -> SlotMap:
        """From the first and the last slot of ranges, and who serves them."""
        owners: list[HostPort | None] = [None] * SLOTS
        for first, last, place in ranges:
            owners[first : last + 1] = [place] * (last + 1 - first)
        return SlotMap(tuple(owners))

    @cached_property
    def primaries(self) -> tuple[HostPort, ...]:
        """Who serves any slot, in the order of slots."""
        return tuple(place for place in dict.fromkeys(self.owners) if place is not None)


def read_shards(reply: Reply, asked: HostPort, *, tls: bool = False) -> SlotMap:
    """The map in a reply to CLUSTER SHARDS of the node `asked`. Raises ValueError for what is none."""

    def ranges() -> Iterator[_Range]:
        for shard in _listed(reply):
            fields = _fields(shard)
            slots = [_number(edge) for edge in _listed(fields.get("slots"))]
            primary = _primary([_fields(node) for node in _listed(fields.get("nodes"))])
            if slots and primary is not None:
                port = primary.get("tls-port", primary.get("port")) if tls else primary.get("port")
                place = _place(primary.get("endpoint"), port, asked)
                for first, last in zip(slots[::2], slots[1::2], strict=True):
                    yield _checked(first, last, place)

    return SlotMap.of(ranges())


def read_slots(reply: Reply, asked: HostPort) -> SlotMap:
    """The map in a reply to CLUSTER SLOTS of the node `asked`. Raises ValueError for what is none."""

    def ranges() -> Iterator[_Range]:
        for one in _listed(reply):
            words = _listed(one)
            if len(words) < 3:
                raise ValueError("a range of slots needs its edges and a node")
            host, port, *_ = _listed(words[2])
            yield _checked(_number(words[0]), _number(words[1]), _place(host, port, asked))

    return SlotMap.of(ranges())


def _primary(nodes: list[Mapping[str, Reply]]) -> Mapping[str, Reply] | None:
    """Who serves a shard: its primary, one that is well if there are several."""
    primaries = [node for node in nodes if node.get("role") in (b"master", b"primary")]
    well = [node for node in primaries if node.get("health") == b"online"]
    return next(iter(well or primaries), None)


def _place(host: Reply, port: Reply, asked: HostPort) -> HostPort:
    name = asked[0] if host in _UNKNOWN else host
    return (name.decode() if isinstance(name, bytes) else str(name)), _number(port) or asked[1]


def _checked(first: int, last: int, place: HostPort) -> _Range:
    if not 0 <= first <= last < SLOTS:
        raise ValueError(f"slots {first} to {last} do not exist")
    return first, last, place


def _fields(reply: Reply) -> Mapping[str, Reply]:
    """A map, or in RESP2 the list that stands for one, by plain names."""
    pairs: Iterable[tuple[Reply, Reply]]
    if isinstance(reply, dict):
        pairs = reply.items()
    else:
        words = _listed(reply)
        pairs = zip(words[::2], words[1::2], strict=True)
    return {name.decode() if isinstance(name, bytes) else str(name): value for name, value in pairs}


def _listed(reply: Reply) -> list[Reply]:
    if not isinstance(reply, list | tuple):
        raise ValueError(f"a list was expected, not {type(reply).__name__}")  # noqa: TRY004 (all of it is one ValueError)
    return list(cast("list[Reply]", reply))


def _number(reply: Reply) -> int:
    if not isinstance(reply, int | bytes | str):
        raise ValueError(f"a number was expected, not {type(reply).__name__}")  # noqa: TRY004 (as above)
    return int(reply)
