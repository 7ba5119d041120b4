"""Counters on the server: plain integers, which any client reads and adds to."""

from __future__ import annotations

from typing import cast

from ..errors import ArgumentError, CacheServerError, KeyNotFoundError, NotAnIntegerError
from ..wire.connection import Reply
from ..wire.loops import LoopLocal
from ..wire.node import Repeat
from ..wire.scripts import COUNT, REPLACE
from .near import Near
from .reader import Reader
from .records import INT64, Record, Records, ttl_ms

__all__ = ["Counting"]

_ROUNDS = 8


class Counting:
    """Adding to counters of one namespace."""

    def __init__(self, nears: LoopLocal[Near], records: Records, reader: Reader) -> None:
        self._nears = nears
        self._records = records
        self._reader = reader

    async def count(self, key: str, amount: int, ttl: float, create: bool) -> int:
        near = self._nears.get()
        limit = ttl_ms(ttl)
        dead = b""
        for _ in range(_ROUNDS):
            arguments = (amount, "" if limit is None else limit, "1" if create else "0", dead)
            run = near.node.run(COUNT, key, arguments, Repeat.UNSENT, near.ends_copies((key,)))
            reply = cast("list[Reply]", await run)
            if reply[0] == 1:
                near.journal.forget((key,))
                return int(cast("bytes", reply[1]))
            if reply[0] == 0:
                raise KeyNotFoundError(f"there is no counter at {key!r} and create is False")
            if reply[0] == 4:
                raise NotAnIntegerError(f"{key!r} holds no string that could be a counter")
            if reply[0] == 3:
                raise ArgumentError(f"the counter at {key!r} plus {amount} would leave 64 bits")
            record = await self._reader.read(key)
            if record is not None and record.is_foreign():
                raise NotAnIntegerError(f"{key!r} holds bytes of somebody else that are no plain integer")
            if record is None or not record.live or not self._reader.is_fresh(record):
                dead = b"" if record is None else record.identity
                continue
            total = self._loaded_integer(record, key) + amount
            if total not in INT64:
                raise ArgumentError(f"the counter at {key!r} plus {amount} would leave 64 bits")
            if await self._take_over(key, record, total):
                return total
        raise CacheServerError(f"the counter at {key!r} changed during every attempt to add to it")

    def _loaded_integer(self, record: Record, key: str) -> int:
        """The value of an entry that a loader wrote, if a counter may take it over."""
        value = None if record.header is None or record.header.tags else self._records.value(record)
        if type(value) is not int:
            raise NotAnIntegerError(f"{key!r} holds a tagged value or no integer; counters are plain integers")
        return value

    async def _take_over(self, key: str, record: Record, total: int) -> bool:
        """Put a counter in the place of an entry, with its time to live; whether the entry was still there."""
        near, header = self._nears.get(), record.header
        limit: int | str = "keep"
        if header is not None and header.fresh_ms and header.extra_ms:  # kept behind its time, as counters are not
            limit = max(1, header.born_ms + header.fresh_ms - near.node.server_ms())
        arguments = (record.identity, b"%d" % total, limit)
        return bool(await near.node.run(REPLACE, key, arguments, Repeat.UNSENT, near.ends_copies((key,))))
