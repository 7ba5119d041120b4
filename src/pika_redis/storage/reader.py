"""Reading entries from one server, and judging whether they are current.

An entry is judged *in the parser*, by the nonces as they stand when its reply is parsed. With a server that tells of
changes the nonces are known from before, and a read is one GET; those that are not known yet are read along, before
the entry. With one that doesn't, the epoch and the tags that the caller names are read along every time. Tags that
only the entry names are read behind it, in a second round trip: a nonce never returns, so an equal one that is read
later was current all along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import cast

from ..codec.envelope import Kind
from ..errors import CacheServerError
from ..model.counters import Counters
from ..wire.connection import Command, Reply
from ..wire.loops import LoopLocal
from ..wire.node import Repeat
from .namespace import Namespace
from .near import Near
from .nonces import Nonce
from .records import Record, Records

__all__ = ["Reader"]


class Reader:
    """Reads of one namespace."""

    def __init__(self, nears: LoopLocal[Near], namespace: Namespace, records: Records, counters: Counters) -> None:
        self._nears = nears
        self._namespace = namespace
        self._epoch_key = namespace.epoch_key
        self._records = records
        self._counters = counters

    def ask(self, near: Near, key: str) -> asyncio.Future[Reply]:
        """Ask a server that tells of changes; gives the record, to be `settle`d while it is not known to be `live`.

        Raises Disconnected.
        """
        if near.nonces.at(self._epoch_key).now is None:
            return near.single.ask(("MGET", self._epoch_key, key), partial(self._see_first, near, key))
        return near.single.ask(("GET", key), partial(self._see, near, key))

    async def read(
        self, key: str, tags: Sequence[str] = (), attempts: int | None = None, *, strict: bool = False
    ) -> Record | None:
        """What the key holds, judged; None when it is absent. `strict` = by nonces that are read for it.

        Raises CacheUnavailableError, CacheServerError.
        """
        near = self._nears.get()
        along = self._along(near, tags, strict)
        if along:
            command: Command = ("MGET", *along, key)
            see = partial(self._see_along, near, along, (key,), doubt=strict or not near.tracks)
        else:
            command = ("GET", key)
            see = partial(self._see, near, key)
        reply = await near.node.call(command, Repeat.ALWAYS, see, attempts)
        record = cast("list[Record | None]", reply)[0] if along else cast("Record | None", reply)
        if record is not None and record.live is None:
            await self.settle(near, [record])
        return record

    async def read_together(self, key: str, tags: Sequence[str], attempts: int, *, strict: bool) -> Record | None:
        """The same, together with those who want the same before it is sent. Raises as `read`."""
        near = self._nears.get()
        what = (self._epoch_key, key, strict, attempts, *self._along(near, tags, strict))
        return await near.unsent.shared(what, partial(self.read, key, tags, attempts, strict=strict))

    async def read_many(self, keys: Sequence[str]) -> list[Record | None]:
        """The same for several keys, in one command. Raises as `read`."""
        near = self._nears.get()
        along = self.unknown(near, ())
        reply = await near.node.call(
            ("MGET", *along, *keys), Repeat.ALWAYS, partial(self._see_along, near, along, keys, doubt=not near.tracks)
        )
        records = cast("list[Record | None]", reply)
        await self.settle(near, [record for record in records if record is not None and record.live is None])
        return records

    async def read_behind(self, command: Command, key: str) -> tuple[Reply, Record | None]:
        """The same for one key, and before it the reply to another command sent with it. Raises as `read`."""
        near = self._nears.get()
        along = self.unknown(near, ())

        def see(replies: Reply) -> Reply:
            several = cast("list[Reply]", replies)
            several[-1] = self._see_along(near, along, (key,), several[-1], doubt=not near.tracks)
            return several

        before, read = await near.node.call_many([command, ("MGET", *along, key)], Repeat.ALWAYS, see)
        for reply in (before, read):
            if isinstance(reply, Exception):
                raise reply
        record = cast("list[Record | None]", read)[0]
        if record is not None and record.live is None:
            await self.settle(near, [record])
        return before, record

    async def consider(self, near: Near, raws: Sequence[bytes], epoch: Reply) -> list[Record | None]:
        """What bytes that were read with the epoch hold, judged; for servers that tell nothing. Raises as `read`."""
        near.nonces.learn(self._epoch_key, epoch)
        records: list[Record | None] = [self.judged(near, raw) for raw in raws]
        self._doubt(near, [self._epoch_key], records)
        await self.settle(near, [record for record in records if record is not None and record.live is None])
        return records

    def unknown(self, near: Near, tags: Sequence[str]) -> list[str]:
        """The keys of the epoch and of these tags whose nonces have to be read."""
        keys = self._keys(tags)
        return [key for key in keys if near.nonces.at(key).now is None] if near.tracks else keys

    def _along(self, near: Near, tags: Sequence[str], strict: bool) -> list[str]:
        """The keys of nonces that are read before an entry."""
        return self._keys(tags) if strict else self.unknown(near, tags)

    def _keys(self, tags: Sequence[str]) -> list[str]:
        return [self._epoch_key, *map(self._namespace.tag_key, tags)] if tags else [self._epoch_key]

    def judged(self, near: Near, raw: bytes) -> Record:
        """The record in these bytes, judged by what is known."""
        record = self._records.read(raw)
        header = record.header
        if header is not None:
            at = near.nonces.at
            record.guards = ((at(self._epoch_key), header.epoch),)
            if header.tags:
                tag_key = self._namespace.tag_key
                record.guards += tuple([(at(tag_key(tag)), nonce) for tag, nonce in header.tags])
            record.judge()
        return record

    def is_fresh(self, record: Record) -> bool:
        """Whether an entry is neither marked stale nor past its time, so that `get` may give it."""
        header = record.header
        if header is None:
            return True
        if header.kind == ord("S"):
            return False
        return (
            not header.extra_ms
            or not header.fresh_ms
            or self._nears.get().node.server_ms() < header.born_ms + header.fresh_ms
        )

    # -- within the parser --------------------------------------------------------------------------------------

    def _see(self, near: Near, key: str, raw: Reply) -> Reply:
        """A GET was answered."""
        if not isinstance(raw, bytes):
            if isinstance(raw, CacheServerError) and raw.code == "WRONGTYPE":
                self._counters.undecodable += 1
                return None
            return raw
        record = self.judged(near, raw)
        header = record.header
        if near.tracks and header is not None and header.kind is not Kind.STALE and record.live is not False:
            record.home = self._namespace.prefix
            near.keep(key, record, len(raw))
        return record

    def _see_along(self, near: Near, along: Sequence[str], keys: Sequence[str], reply: Reply, *, doubt: bool) -> Reply:
        """An MGET of nonces and entries was answered."""
        if not isinstance(reply, list):
            return reply
        for key, raw in zip(along, reply, strict=False):
            near.nonces.learn(key, raw)
        records = [self._see(near, key, raw) for key, raw in zip(keys, reply[len(along) :], strict=True)]
        if doubt:
            self._doubt(near, along, cast("list[Record | None]", records))
        return records

    def _see_first(self, near: Near, key: str, reply: Reply) -> Reply:
        """The same of one entry behind the epoch."""
        records = self._see_along(near, (self._epoch_key,), (key,), reply, doubt=False)
        return records[0] if isinstance(records, list) else records

    def _doubt(self, near: Near, along: Sequence[str], records: Sequence[Record | None]) -> None:
        """Tags that were not read along may have changed since they were read."""
        read = {near.nonces.at(key) for key in along}
        for record in records:
            if record is not None and not read.issuperset([nonce for nonce, _ in record.guards]):
                record.live = False if record.live is False and self._differs(record, read) else None

    @staticmethod
    def _differs(record: Record, read: set[Nonce]) -> bool:
        return any(nonce in read and nonce.now != seen for nonce, seen in record.guards)

    async def settle(self, near: Near, records: Sequence[Record]) -> None:
        """Read, in a second round trip, what is not known of the nonces of these records, and judge them by it."""
        if not records:
            return
        tag_key = self._namespace.tag_key
        tags = dict.fromkeys(tag_key(tag) for one in records if one.header is not None for tag, _ in one.header.tags)
        keys = [self._epoch_key, *tags]

        def see(reply: Reply) -> Reply:
            if isinstance(reply, list):
                for key, raw in zip(keys, reply, strict=True):
                    near.nonces.learn(key, raw)
                for record in records:
                    record.judge()
            return reply

        await near.node.call(("MGET", *keys), Repeat.ALWAYS, see)
