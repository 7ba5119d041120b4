"""Entries that are written at the same moment under the same epoch: what they have in common is made once."""

from __future__ import annotations

import os

from ..codec.envelope import IDENTITY, plain_entry, plain_head
from ..model.entry import Capture, Draft
from ..wire.connection import Command
from .records import Records, ttl_ms

__all__ = ["Sealing"]

_NONCE = IDENTITY - 1


class Sealing:
    """Makes the commands that store untagged drafts, for one moment and one epoch."""

    __slots__ = ("_at", "_head", "_limit", "_now", "_random", "_records", "_ttl", "epoch")

    def __init__(self, records: Records, epoch: bytes, now_ms: int, expected: int) -> None:
        """`now_ms` is the server's time; `expected` how many there will be, about."""
        self._records = records
        self.epoch = epoch
        self._now = now_ms
        self._random = os.urandom(_NONCE * expected)
        self._at = 0
        self._ttl = -1.0
        self._limit: int | None = None
        self._head = b""

    def command(self, key: str, draft: Draft, ready: bytes | tuple[bytes, bool]) -> Command:
        """What stores one: the bytes of a counter, or a payload and whether it is compressed."""
        if draft.ttl != self._ttl:
            self._begin_life(draft.ttl)
        limit = self._limit
        if isinstance(ready, tuple):
            payload, compressed = ready
            if compressed or draft.extra or draft.value is None:
                entry = self._records.seal(draft, ready, Capture(self.epoch, {}), self._now)
            else:
                entry = plain_entry(self._nonce(), self._head, payload)
        else:
            entry = ready
        return ("SET", key, entry) if limit is None else ("SET", key, entry, "PX", limit)

    def _begin_life(self, ttl: float) -> None:
        self._ttl, self._limit = ttl, ttl_ms(ttl)
        self._head = plain_head(self._now, self.epoch, self._limit or 0)

    def _nonce(self) -> bytes:
        at = self._at
        if at == len(self._random):
            self._random += os.urandom(len(self._random))
        self._at = at + _NONCE
        return self._random[at : at + _NONCE]
