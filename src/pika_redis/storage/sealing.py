"""Entries that are written at the same moment under the same epoch: what they have in common is made once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeAlias

from ..codec.envelope import IDENTITY, plain_entry, plain_head
from ..model.entry import Capture, Draft
from ..wire.connection import Command
from .records import Records, ttl_ms

__all__ = ["Packed", "Sealing"]

Packed: TypeAlias = tuple[str, Draft, bytes | tuple[bytes, bool]]
"""A key, what is to stand there, and its bytes: those of a counter, or a payload and whether it is compressed."""
_NONCE = IDENTITY - 1


class Sealing:
    """Makes the commands that store untagged drafts, for one moment and one epoch."""

    __slots__ = ("_at", "_head", "_limit", "_now", "_random", "_records", "_ttl", "epoch")

    def __init__(self, records: Records, epoch: bytes, now_ms: int, expected: int) -> None:
        """`now_ms` is the server's time; `expected` how many there will be, about."""
        self.epoch = epoch
        self._records = records
        self._now = now_ms
        self._random = os.urandom(_NONCE * expected)
        self._at = 0
        self._ttl = -1.0
        self._limit: int | None = None
        self._head = b""

    def commands(self, packed: Sequence[Packed]) -> list[Command]:
        """What stores these."""
        at, ttl, limit, head = self._at, self._ttl, self._limit, self._head
        if at + _NONCE * len(packed) > len(self._random):
            at, self._random = 0, os.urandom(max(len(self._random), _NONCE * len(packed)))
        random = self._random
        commands: list[Command] = []
        for key, draft, ready in packed:
            if draft.ttl != ttl:
                ttl, limit = draft.ttl, ttl_ms(draft.ttl)
                head = plain_head(self._now, self.epoch, limit or 0)
            if isinstance(ready, tuple):
                payload, compressed = ready
                if compressed or draft.extra or draft.value is None:
                    entry = self._records.seal(draft, ready, Capture(self.epoch, {}), self._now)
                else:
                    entry = plain_entry(random[at : at + _NONCE], head, payload)
                    at += _NONCE
            else:
                entry = ready
            commands.append(("SET", key, entry) if limit is None else ("SET", key, entry, "PX", limit))
        self._at, self._ttl, self._limit, self._head = at, ttl, limit, head
        return commands
