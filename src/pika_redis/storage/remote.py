"""Entries on one server.

Reading: the entry and the epoch come in one MGET, so a read is one round trip and is judged by the epoch as it stood
when the entry was read. Tags that the caller did not name are read in a second one, after the entry: a nonce never
returns, so an equal nonce read later was current all along.

Writing: an entry needs the nonces that are current *now*. They are sent as remembered, together with a read of what
they are; when the reply shows that they were not current, the write is repeated under the right ones. So a write is
one round trip, and what it stores is never dead on arrival when it returns.

Every key is written over the node's one multiplexed connection: what is queued first reaches the server first.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import cast

from ..codec.envelope import IDENTITY, plain_payload
from ..errors import ArgumentError, CacheError, CacheServerError, KeyNotFoundError, NotAnIntegerError
from ..model.entry import Capture, Draft, Entry, Found
from ..model.missing import MISSING, MissingType
from ..model.report import HealthReport
from ..wire.connection import Command, Reply
from ..wire.loops import LoopLocal
from ..wire.node import Node, Repeat
from ..wire.replies import Disconnected
from ..wire.scripts import COUNT, MARK_STALE, REPLACE
from .keyspace import Keyspace
from .namespace import Namespace
from .records import INT64, Record, Records, ttl_ms
from .remote_tags import RemoteTags, nonce_of

__all__ = ["RemoteStore"]

_CHUNK = 1000
_ROUNDS = 8
_GONE = -2  # PTTL of a key that is absent


class RemoteStore:
    """The entries of one namespace on one server (see `Store`)."""

    def __init__(self, nodes: LoopLocal[Node], namespace: Namespace, records: Records, tags: RemoteTags) -> None:
        self._nodes = nodes
        self._namespace = namespace
        self._epoch_key = namespace.epoch_key
        self._records = records
        self._tags = tags
        self._keyspace = Keyspace(nodes, namespace)

    def hit(self, key: str, refresh_ms: float) -> MissingType:
        """This process holds no copies: every read asks the server."""
        return MISSING

    def now_ms(self) -> int:
        """The server's time."""
        return self._nodes.get().server_ms()

    # -- reading ----------------------------------------------------------------------------------------------

    async def get(self, key: str) -> object:
        node = self._nodes.get()
        command = ("MGET", key, self._epoch_key)
        try:
            reply = await node.connection.call(command)
        except Disconnected as lost:
            reply = await node.again(lambda: node.connection.call(command), lost, Repeat.ALWAYS)
        raw, epoch = cast("list[bytes | None]", reply)
        if raw is None:
            return MISSING
        if epoch is not None:
            payload = plain_payload(raw, epoch[1:9])
            if payload is not None:
                return self._records.decoded(payload, False)
        return (await self._judged(raw, epoch))[1]

    async def get_many(self, keys: Sequence[str]) -> list[object]:
        values: list[object] = []
        for start in range(0, len(keys), _CHUNK):
            reply = await self._nodes.get().call(("MGET", *keys[start : start + _CHUNK], self._epoch_key))
            *raws, epoch = cast("list[bytes | None]", reply)
            values += await self._values(raws, epoch)
        return values

    async def _values(self, raws: Sequence[bytes | None], epoch: bytes | None) -> list[object]:
        current = b"" if epoch is None else epoch[1:9]
        decoded = self._records.decoded
        values: list[object] = [MISSING] * len(raws)
        rest: list[int] = []
        for at, raw in enumerate(raws):
            if raw is None:
                continue
            payload = plain_payload(raw, current)
            if payload is None:
                rest.append(at)
            else:
                values[at] = decoded(payload, False)
        if rest:
            records = await self._living([raws[at] or b"" for at in rest], epoch)
            for at, record in zip(rest, records, strict=True):
                if record is not None and self._fresh(record):
                    values[at] = self._records.value(record)
        return values

    async def get_with_ttl(self, key: str) -> tuple[object, float | None]:
        _, value, left = await self._look(key)
        return value, left

    async def remaining(self, key: str) -> float | None:
        return (await self._look(key))[2]

    async def fetch(self, key: str, tags: Sequence[str]) -> Found:
        node = self._nodes.get()
        command = (*self._tags.read_command(tags), key)
        try:
            reply = await node.connection.call(command)
        except Disconnected as lost:  # the loader can answer instead: one more try, no pauses
            reply = await node.again(lambda: node.connection.call(command), lost, Repeat.ALWAYS, attempts=0)
        *nonces, raw = cast("list[bytes | None]", reply)
        capture = self._tags.captured(tags, nonces)
        if raw is None:
            return Found(None, b"", capture)
        record = (await self._living([raw], nonces[0], capture.tags))[0]
        entry = None if record is None else self._records.entry(record)
        return Found(entry, raw[:IDENTITY], capture)

    def open(self, entry: Entry) -> object | MissingType:
        return self._records.value(cast("Record", entry.body))

    async def _look(self, key: str) -> tuple[Record | None, object, float | None]:
        """What `get` would find: the record, its value and its remaining seconds; None, MISSING, None for a miss."""
        replies = await self._nodes.get().call_many([("MGET", key, self._epoch_key), ("PTTL", key)])
        reply, left = cast("tuple[list[bytes | None], int]", _checked(replies))
        raw, epoch = reply
        if raw is None or left == _GONE:
            return None, MISSING, None
        record, value = await self._judged(raw, epoch)
        if record is None:
            return None, MISSING, None
        if left < 0:
            return record, value, math.inf
        extra = 0 if record.header is None else record.header.extra_ms
        return record, value, max(0, left - extra) / 1000

    async def _judged(self, raw: bytes, epoch: bytes | None) -> tuple[Record | None, object]:
        """The record and its value when `get` may give it, else None and MISSING."""
        record = (await self._living([raw], epoch))[0]
        value = MISSING if record is None or not self._fresh(record) else self._records.value(record)
        return (None if value is MISSING else record), value

    async def _living(
        self, raws: Sequence[bytes], epoch: bytes | None, known: Mapping[str, bytes | None] | None = None
    ) -> list[Record | None]:
        """The records whose epoch and tags are current, None for the others."""
        current = nonce_of(epoch)
        records = [self._records.read(raw) for raw in raws]
        nonces = dict(known or {})
        unknown: dict[str, None] = {}
        for at, record in enumerate(records):
            if record is None or record.header is None:
                continue
            if record.header.epoch != current:
                records[at] = None
                continue
            unknown.update({tag: None for tag, _ in record.header.tags if tag not in nonces})
        if unknown:
            nonces.update((await self._tags.read(list(unknown))).tags)
        return [
            None if record is None or any(nonces[tag] != nonce for tag, nonce in _tags_of(record)) else record
            for record in records
        ]

    def _fresh(self, record: Record) -> bool:
        header = record.header
        if header is None:
            return True
        if header.kind == ord("S"):
            return False
        return not header.extra_ms or not header.fresh_ms or self.now_ms() < header.born_ms + header.fresh_ms

    # -- writing ----------------------------------------------------------------------------------------------

    async def capture(self, seen: Capture, tags: Sequence[str], ttl: float) -> Capture:
        return await self._tags.complete(seen, tags, ttl)

    async def replace(self, key: str, identity: bytes, draft: Draft, capture: Capture) -> bool:
        packed = self._records.pack(draft)
        entry = self._records.seal(draft, packed, capture, self.now_ms())
        try:
            return await self._swap(key, identity, entry, draft.ttl, Repeat.NEVER)
        except CacheServerError as error:
            if error.code != "NOSCRIPT":
                raise
            return False  # the server forgot the script: not stored, which costs one miss

    async def release(self, key: str, identity: bytes) -> None:
        """A look at the server leaves nothing there that would have to be taken back."""

    async def write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        failed: dict[str, Exception] = {}
        for start in range(0, len(items), _CHUNK):
            failed.update(await self._write(items[start : start + _CHUNK]))
        return failed

    async def _write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        failed: dict[str, Exception] = {}
        packed: list[tuple[str, Draft, bytes | tuple[bytes, bool]]] = []
        for key, draft in items:
            try:
                packed.append((key, draft, self._records.as_counter(draft) or self._records.pack(draft)))
            except CacheError as error:
                failed[key] = error
        if not packed:
            return failed
        tags = list(dict.fromkeys(tag for _, draft, _ in packed for tag in draft.tags))
        longest = max(draft.ttl for _, draft, _ in packed)
        capture = self._tags.hinted(tags)
        for _ in range(_ROUNDS):
            if not capture.complete:
                capture = await self._tags.complete(await self._tags.read(tags), tags, longest)
            replies = await self._nodes.get().call_many(
                [self._tags.read_command(tags), *self._set_commands(packed, capture)], Repeat.UNSENT
            )
            current = self._tags.captured(tags, _checked(replies[:1])[0])
            if current == capture:
                await self._tags.complete(capture, tags, longest)
                failed.update(
                    (key, reply)
                    for (key, _, _), reply in zip(packed, replies[1:], strict=True)
                    if isinstance(reply, Exception)
                )
                return failed
            capture = current
        raise CacheServerError("tags or the epoch were invalidated during every attempt to write under them")

    def _set_commands(
        self, packed: Sequence[tuple[str, Draft, bytes | tuple[bytes, bool]]], capture: Capture
    ) -> list[Command]:
        now = self.now_ms()
        commands: list[Command] = []
        for key, draft, ready in packed:
            if isinstance(ready, tuple):
                own = capture if len(draft.tags) == len(capture.tags) else _narrowed(capture, draft.tags)
                ready = self._records.seal(draft, ready, own, now)
            limit = ttl_ms(draft.ttl)
            commands.append(("SET", key, ready) if limit is None else ("SET", key, ready, "PX", limit))
        return commands

    async def add(self, key: str, draft: Draft) -> bool:
        ready = self._records.as_counter(draft)
        packed = (b"", False) if ready is not None else self._records.pack(draft)
        for _ in range(_ROUNDS):
            found = await self.fetch(key, draft.tags)
            live = found.entry is not None and not found.entry.marked_stale
            if found.entry is not None and live and self.open(found.entry) is not MISSING:
                return False
            capture = await self._tags.complete(found.capture, draft.tags, draft.ttl)
            entry = ready or self._records.seal(draft, packed, capture, self.now_ms())
            if await self._swap(key, found.identity, entry, draft.ttl, Repeat.UNSENT):
                return True
        raise CacheServerError(f"{key!r} changed during every attempt to add it")

    async def delete(self, keys: Sequence[str]) -> int:
        gone = 0
        for start in range(0, len(keys), _CHUNK):
            gone += cast("int", await self._nodes.get().call(("UNLINK", *keys[start : start + _CHUNK])))
        return gone

    async def touch(self, key: str, ttl: float) -> bool:
        limit = ttl_ms(ttl)
        for _ in range(_ROUNDS):
            record, _, _ = await self._look(key)
            if record is None:
                return False
            if record.header is None:
                command: Command = ("PERSIST", key) if limit is None else ("PEXPIRE", key, limit)
                replies = await self._nodes.get().call_many([("EXISTS", key), command])
                return bool(_checked(replies)[0])
            tags = dict(record.header.tags)
            await self._tags.complete(Capture(record.header.epoch, tags), list(tags), ttl)
            renewed = self._records.renewed(record, ttl, self.now_ms())
            if await self._swap(key, record.identity, renewed, ttl, Repeat.ALWAYS):
                return True
        raise CacheServerError(f"{key!r} changed during every attempt to touch it")

    async def mark_stale(self, key: str) -> bool:
        raw, epoch = cast("list[bytes | None]", await self._nodes.get().call(("MGET", key, self._epoch_key)))
        if raw is None:
            return False
        record, _ = await self._judged(raw, epoch)
        if record is None and not self._records.is_ours(raw):
            return False
        # What is dead gets a new identity too: no load that began before may be stored in its place.
        marked = await self._nodes.get().run(MARK_STALE, key, (os.urandom(IDENTITY - 1),))
        return record is not None and bool(marked)

    async def count(self, key: str, amount: int, ttl: float, create: bool) -> int:
        limit = ttl_ms(ttl)
        dead = b""
        for _ in range(_ROUNDS):
            arguments = (amount, "" if limit is None else limit, "1" if create else "0", dead)
            reply = cast("list[Reply]", await self._nodes.get().run(COUNT, key, arguments, Repeat.UNSENT))
            if reply[0] == 1:
                return int(cast("bytes", reply[1]))
            if reply[0] == 0:
                raise KeyNotFoundError(f"there is no counter at {key!r} and create is False")
            if reply[0] == 3:
                raise ArgumentError(f"the counter at {key!r} plus {amount} would leave 64 bits")
            seen = cast("bytes", reply[1])
            found = await self.fetch(key, ())
            if found.identity != seen[:IDENTITY]:
                continue  # somebody changed it meanwhile
            if found.entry is None or found.entry.marked_stale:
                if not self._records.is_ours(seen):
                    raise NotAnIntegerError(f"{key!r} holds bytes of somebody else that are no plain integer")
                dead = found.identity
                continue
            total = self._loaded_integer(found.entry, key) + amount
            if total not in INT64:
                raise ArgumentError(f"the counter at {key!r} plus {amount} would leave 64 bits")
            if await self._swap(key, found.identity, b"%d" % total, None, Repeat.UNSENT):
                return total
        raise CacheServerError(f"the counter at {key!r} changed during every attempt to add to it")

    def _loaded_integer(self, entry: Entry, key: str) -> int:
        """The value of an entry that a loader wrote, if a counter may take it over."""
        record = cast("Record", entry.body)
        value = None if record.header is None or record.header.tags else self._records.value(record)
        if type(value) is not int:
            raise NotAnIntegerError(f"{key!r} holds a tagged value or no integer; counters are plain integers")
        return value

    async def _swap(self, key: str, identity: bytes, entry: bytes, ttl: float | None, repeat: Repeat) -> bool:
        """Compare and set; `ttl` None keeps the key's own."""
        limit: str | int = "keep" if ttl is None else (ttl_ms(ttl) or "")
        return bool(await self._nodes.get().run(REPLACE, key, (identity, entry, limit), repeat))

    # -- ending entries, and the whole ---------------------------------------------------------------------------

    async def invalidate(self, tags: Sequence[str]) -> None:
        await self._tags.invalidate(tags)

    async def rotate_epoch(self) -> None:
        await self._tags.rotate_epoch()

    async def sweep(self, pattern: str, *, delete: bool = True) -> int:
        return await self._keyspace.sweep(pattern, delete=delete)

    async def size(self, *, exact: bool) -> tuple[int, int]:
        return await self._keyspace.size(exact=exact)

    async def health(self) -> HealthReport:
        return await self._keyspace.health()


def _tags_of(record: Record) -> tuple[tuple[str, bytes], ...]:
    return () if record.header is None else record.header.tags


def _narrowed(capture: Capture, tags: Sequence[str]) -> Capture:
    return Capture(capture.epoch, {tag: capture.tags[tag] for tag in tags})


def _checked(replies: list[Reply]) -> list[Reply]:
    """The replies, unless one of them is an error, which is raised."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
