"""Reading entries in a cluster, where the nonces that they are judged by lie on other nodes.

What a read learns on the key's node and what is known of other nodes have no order. So an entry is judged twice: in the
parser, by the nonces as they are known then, if every node concerned was heard of lately (near.py, 1); and where that
says no, or says nothing, by nonces that are read for it. That is right in any order: a nonce never returns, so an entry
whose nonces are found to be current at any time after the read began was current when it was read. One whose nonces
differ is read no second time: it is dead, or so young that another look would be a new call.

Nonces that are not known are asked for side by side with the entry. Those of a node that can't be asked are believed as
they were last known (near.py, 4), except by strict reads, to which only what was read in the same call counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

from ...codec.envelope import Kind
from ...errors import CacheServerError, CacheUnavailableError
from ...wire.connection import Command, Reply
from ...wire.node import Repeat
from ...wire.steps import Reads, Step
from ...wire.stepwise import checked
from ..near import Near
from ..reader import Reader
from ..records import Record
from ..remote_tags import Look
from .near import ClusterNear

__all__ = ["ClusterReader"]


class ClusterReader(Reader):
    """Reads of one namespace in a cluster."""

    async def read(
        self, key: str, tags: Sequence[str] = (), attempts: int | None = None, *, strict: bool = False
    ) -> Record | None:
        near = cast("ClusterNear", self._nears.get())
        along = self._along(near, tags, strict)
        look = Look(near, along, believes=not strict)
        if along:
            reads = Reads((key,), partial(self._see_one, near, near.generation))
            _, (reply,) = await near.node.take([look.step, reads], Repeat.ALWAYS, attempts)
        else:
            reply = await near.node.call(
                ("GET", key), Repeat.ALWAYS, partial(self._see_tracked, near, near.generation, key), attempts
            )
        record = cast("Record | None", reply)
        if record is not None:
            await self._judge(near, [record], look, strict=strict)
        return record

    async def read_together(self, key: str, tags: Sequence[str], attempts: int, *, strict: bool) -> Record | None:
        if strict:  # who joins would be given nonces that were read elsewhere before he asked
            return await self.read(key, tags, attempts, strict=True)
        return await super().read_together(key, tags, attempts, strict=False)

    async def read_many(self, keys: Sequence[str]) -> list[Record | None]:
        near = cast("ClusterNear", self._nears.get())
        look = Look(near, self.unknown(near, ()))
        _, found = await near.node.take([look.step, Reads(keys, partial(self._see_one, near, near.generation))])
        records = cast("list[Record | None]", found)
        await self._judge(near, [record for record in records if record is not None], look)
        return records

    async def read_behind(self, command: Command, key: str) -> tuple[Reply, Record | None]:
        near = cast("ClusterNear", self._nears.get())
        look, generation = Look(near, self.unknown(near, ())), near.generation

        def see(replies: Reply) -> Reply:
            several = cast("list[Reply]", replies)
            if not isinstance(several[-1], CacheUnavailableError):
                several[-1] = self._see_tracked(near, generation, key, several[-1])
            return several

        _, replies = await near.node.take([look.step, Step(key, [command, ("GET", key)], see)])
        before, record = checked(replies)
        if record is not None:
            await self._judge(near, [cast("Record", record)], look)
        return before, cast("Record | None", record)

    def unknown(self, near: Near, tags: Sequence[str]) -> list[str]:
        keys = self._keys(tags)
        if not near.tracks:
            return keys
        believes = cast("ClusterNear", near).believes
        return [key for key in keys if near.nonces.at(key).now is None or not believes(key)]

    # -- within the parser --------------------------------------------------------------------------------------

    def _see_one(self, near: Near, generation: int, key: str, raw: Reply) -> Reply:
        return self._see_tracked(near, generation, key, raw)

    def _see_tracked(self, near: Near, generation: int, key: str, raw: Reply) -> Reply:
        if not isinstance(raw, bytes):
            return None if isinstance(raw, CacheServerError) and raw.code == "WRONGTYPE" else raw
        record = self.judged(near, raw)
        header = record.header
        if near.tracks and generation == near.generation and header is not None and header.kind is not Kind.STALE:
            record.home = self._namespace.prefix
            near.keep(key, record, len(raw))
        return record

    # -- judging ------------------------------------------------------------------------------------------------

    async def _judge(self, near: ClusterNear, records: Sequence[Record], look: Look, *, strict: bool = False) -> None:
        """Judge by what was read along; then by what has to be read for it."""
        doubtful = [one for one in records if one.guards and self._verdict(near, one, look, strict=strict) is not True]
        if not doubtful:
            return
        tag_key = self._namespace.tag_key
        tags = dict.fromkeys(tag_key(tag) for one in doubtful if one.header is not None for tag, _ in one.header.tags)
        behind = Look(near, [self._epoch_key, *tags], believes=not strict)
        await near.node.take([behind.step])
        for record in doubtful:
            verdict = self._verdict(near, record, behind, strict=True)
            record.live = bool(verdict)

    def _verdict(self, near: ClusterNear, record: Record, look: Look, *, strict: bool) -> bool | None:
        """Whether a record is current; `strict` = by nothing but what was just read."""
        record.live = True
        for (nonce, seen), key in zip(record.guards, self._guard_keys(record), strict=True):
            if key in look.found:  # by name: all nonces are others when the map has changed meanwhile
                now = look.found[key]
            else:
                now = nonce.now if not strict and near.tracks and near.believes(key) else None
            if now is None:
                record.live = None
            elif now != seen:
                record.live = False
                break
        return record.live

    def _guard_keys(self, record: Record) -> list[str]:
        assert record.header is not None
        return [self._epoch_key, *(self._namespace.tag_key(tag) for tag, _ in record.header.tags)]
