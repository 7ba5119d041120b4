"""Entries on one server.

Reading is `reader`'s, storing `writes`', the right to load `leases`', the nonces are `remote_tags`'; here they come
together as a `Store`, with the verbs that look before they write.

Every key is written over the node's one multiplexed connection: what is queued first reaches the server first. The
reply to an own write ends the copies of its keys in the parser (see `near`).
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import get_ident
from typing import Any, cast

from ..codec.envelope import IDENTITY, NOT_PLAIN
from ..errors import CacheServerError
from ..model.clock import Clock
from ..model.counters import Counters
from ..model.entry import Capture, Draft, Entry, Failure, Found, Hold, Outcome, Terms
from ..model.missing import MISSING, MissingType
from ..model.report import HealthReport
from ..wire.connection import Command, Reply
from ..wire.loops import LoopLocal
from ..wire.node import Repeat
from ..wire.replies import Disconnected
from ..wire.scripts import INVAL, MARK_STALE, REPLACE
from ..wire.stepwise import checked
from .along import Along, Unsettled, alone
from .counting import Counting
from .guards import RemoteGuards
from .keyspace import Keyspace
from .leases import Leases
from .namespace import Namespace
from .near import Near
from .nonces import nonce_in
from .reader import Reader
from .records import Record, Records, ttl_ms
from .remote_tags import RemoteTags
from .writes import Writes

__all__ = ["RemoteStore", "ServerOnlyStore"]

_CHUNK = 1000
_ROUNDS = 8
_GONE = -2  # PTTL of a key that is absent


class RemoteStore:
    """The entries of one namespace on one server (see `Store`)."""

    _tags_kind = RemoteTags
    _reader_kind = Reader
    _leases_kind = Leases
    _keyspace_kind = Keyspace
    _writes_kind = Writes

    def __init__(
        self, nears: LoopLocal[Near], namespace: Namespace, records: Records, clock: Clock, counters: Counters
    ) -> None:
        self._nears = self.nears = nears
        self.namespace = namespace
        self._prefix = namespace.prefix
        self._epoch_key = namespace.epoch_key
        self._records = records
        self._counters = counters
        self._epoch: tuple[Reply, bytes | None] = (None, None)
        """The epoch's value as it was read last, and the nonce in it."""
        self._tags = self._tags_kind(nears, namespace, clock)
        self._reader = self._reader_kind(nears, namespace, records, counters)
        self._leases = self._leases_kind(nears, namespace, records, self._tags, self._reader)
        self._writes = self._writes_kind(nears, namespace, records, self._tags)
        self._guards = RemoteGuards(nears, namespace)
        self._counting = Counting(nears, records, self._reader)
        self._keyspace = self._keyspace_kind(nears, namespace)
        self.ask_along: Callable[[str], asyncio.Future[object] | None] = alone

    def hit(self, key: str, refresh_ms: float, share: bool = False) -> object:
        _, near, told = self._nears.last  # without the frame of `get`, which asks when this tells nothing
        if told._thread_id != get_ident():  # noqa: SLF001 (as there)
            try:
                near = self._nears.get()
            except RuntimeError:  # no loop runs in this thread: there are no copies
                return MISSING
        record = near.copies.get(key)
        if record is None:
            return MISSING
        clock = near.now  # as an attribute it is found faster than as a method
        now = clock()
        if (
            (now + refresh_ms / 1000 if refresh_ms else now) >= record.ends
            or record.home != self._prefix
            or ((now > near.calm_until or record.checked != near.nonces.changes) and not near.serves(record, now))
        ):
            return MISSING
        record.reads += 1
        self._counters.l1_hits += 1
        value = record.value
        return value if value is not MISSING else self._records.value(record, share=share)

    def now_ms(self) -> int:
        """The server's time."""
        return self._nears.get().node.server_ms()

    # -- reading ----------------------------------------------------------------------------------------------

    async def get(self, key: str, *, strict: bool = False, begun: Unsettled | None = None) -> object:
        if strict:
            return self._fresh_value(await self._reader.read(key, strict=True))
        near = self._nears.get()
        try:
            reply = None if begun is None else begun.reply()
            if reply is None:
                reply = await self.ask(near, key)
        except Disconnected as lost:
            reply = await self.ask_again(near, key, lost)
        value = self.given(reply)
        return value if value is not NOT_PLAIN else await self.considered(near, key, reply)

    def ask(self, near: Near, key: str) -> asyncio.Future[Any]:
        """Ask what a key holds. Raises Disconnected. (`Tiers.get` takes the same steps as `get`, without its frame.)"""
        if near.tracks:
            return self._reader.ask(near, key)
        return near.node.connection.call(("MGET", key, self._epoch_key))

    async def ask_again(self, near: Near, key: str, lost: Disconnected) -> Any:  # noqa: ANN401 (as `ask`)
        """The same, after that brought no answer. Raises CacheUnavailableError."""
        return await near.node.again(lambda: self.ask(near, key), lost, Repeat.ALWAYS)

    def given(self, reply: Any) -> object:  # noqa: ANN401 (as `ask`)
        """The value in a reply, or MISSING; `NOT_PLAIN` if that takes more than a look."""
        if type(reply) is not list:
            return NOT_PLAIN if reply is not None and reply.live is None else self._fresh_value(reply)
        raw, epoch = reply
        if epoch != self._epoch[0]:
            self._epoch = (epoch, nonce_in(epoch))
        return self._records.plain_value(raw, self._epoch[1])

    async def considered(self, near: Near, key: str, reply: Any) -> object:  # noqa: ANN401 (as `ask`)
        """What `get` gives for a reply that takes more than a look."""
        if type(reply) is not list:
            await self._reader.settle(near, [reply])
            return self._fresh_value(reply)
        if self._nears.get().tracks:  # connected meanwhile: of a server that tells one learns in the parser only
            return self._fresh_value(await self._reader.read(key))
        (record,) = await self._reader.consider(near, [reply[0]], reply[1])
        return self._fresh_value(record)

    async def get_many(self, keys: Sequence[str]) -> list[object]:
        values = [self.hit(key, 0.0) for key in keys]
        rest = [at for at, value in enumerate(values) if value is MISSING]
        for start in range(0, len(rest), _CHUNK):
            page = rest[start : start + _CHUNK]
            for at, value in zip(page, await self._read_values([keys[at] for at in page]), strict=True):
                values[at] = value
        return values

    async def _read_values(self, keys: Sequence[str]) -> list[object]:
        near = self._nears.get()
        if near.tracks:
            return [self._fresh_value(record) for record in await self._reader.read_many(keys)]
        *raws, epoch = cast("list[Any]", await near.node.call(("MGET", *keys, self._epoch_key)))
        values, rest = self._records.plain_values(raws, epoch)
        if rest:
            if self._nears.get().tracks:  # connected meanwhile
                records = await self._reader.read_many([keys[at] for at in rest])
            else:
                records = await self._reader.consider(near, [raws[at] for at in rest], epoch)
            for at, record in zip(rest, records, strict=True):
                values[at] = self._fresh_value(record)
        return values

    async def get_with_ttl(self, key: str) -> tuple[object, float | None]:
        _, value, left = await self._look(key)
        return value, left

    async def remaining(self, key: str) -> float | None:
        return (await self._look(key))[2]

    async def fetch(self, key: str, tags: Sequence[str], *, strict: bool = False) -> Found:
        record = await self._reader.read_together(key, tags, 0, strict=strict)  # the loader can answer: no pauses
        return self._found(record, self._tags.captured(self._nears.get(), tags))

    async def fetch_many(self, keys: Sequence[str]) -> list[Found]:
        records: list[Record | None] = []
        for start in range(0, len(keys), _CHUNK):
            records += await self._reader.read_many(keys[start : start + _CHUNK])
        capture = self._tags.captured(self._nears.get(), ())
        return [self._found(record, capture) for record in records]

    def _found(self, record: Record | None, capture: Capture) -> Found:
        if record is None:
            return Found(None, b"", capture)
        entry = self._records.entry(record) if record.live else None
        return Found(entry, record.identity, capture, self._records.failure(record), record.marker, record)

    def entry(self, record: Record) -> Entry:
        """A copy as policy sees it."""
        return self._records.entry(record)

    def open(self, entry: Entry, *, share: bool = False) -> object | MissingType:
        return self._records.value(cast("Record", entry.body), share=share)

    async def _look(self, key: str) -> tuple[Record | None, object, float | None]:
        """What `get` would find: the record, its value and its remaining seconds; None, MISSING, None for a miss."""
        left, record = await self._reader.read_behind(("PTTL", key), key)
        value = self._fresh_value(record)
        if record is None or value is MISSING or left == _GONE:
            return None, MISSING, None
        if cast("int", left) < 0:
            return record, value, math.inf
        extra = 0 if record.header is None else record.header.extra_ms
        return record, value, max(0, cast("int", left) - extra) / 1000

    def _fresh_value(self, record: Record | None) -> object:
        """The value that `get` may give, else MISSING."""
        return (
            self._records.value(record)
            if record is not None and record.live and self._reader.is_fresh(record)
            else MISSING
        )

    # -- loading ----------------------------------------------------------------------------------------------

    async def begin(self, key: str, found: Found, terms: Terms) -> Hold | None:
        return await self._leases.begin(key, found, terms)

    async def renew(self, key: str, hold: Hold, lease: float) -> bool:
        return await self._leases.renew(key, hold, lease)

    async def replace(self, key: str, hold: Hold, draft: Draft) -> Outcome:
        return await self._leases.replace(key, hold, draft)

    async def extend(self, hold: Hold, tags: Sequence[str], named: Sequence[str]) -> Hold:
        return await self._leases.extend(hold, tags, named)

    async def fail(self, key: str, hold: Hold, failure: Failure, seconds: float) -> None:
        await self._leases.fail(key, hold, failure, seconds)

    async def release(self, key: str, hold: Hold) -> Outcome:
        return await self._leases.release(key, hold)

    # -- writing ----------------------------------------------------------------------------------------------

    async def write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        return await self._writes.write(items)

    async def add(self, key: str, draft: Draft) -> bool:
        ready = self._records.as_counter(draft)
        packed = (b"", False) if ready is not None else self._records.pack(draft)
        for _ in range(_ROUNDS):
            found = await self.fetch(key, draft.tags)
            if found.entry is not None and self._fresh_value(cast("Record", found.entry.body)) is not MISSING:
                return False
            capture = await self._tags.required(self._nears.get(), found.capture, draft.tags, draft.ttl)
            if not capture.complete:  # held by a writer's guard
                return False
            entry = ready or self._records.seal(draft, packed, capture, self.now_ms())
            if await self._swap(key, found.identity, entry, draft.ttl, Repeat.UNSENT):
                return True
        raise CacheServerError(f"{key!r} changed during every attempt to add it")

    async def delete(self, keys: Sequence[str]) -> int:
        near = self._nears.get()
        return await near.node.run_over(INVAL, keys, (), partial(near.ends_deleted, epoch_key=self._epoch_key))

    async def touch(self, key: str, ttl: float) -> bool:
        limit = ttl_ms(ttl)
        for _ in range(_ROUNDS):
            record, _, _ = await self._look(key)
            if record is None:
                return False
            if record.header is None:
                command: Command = ("PERSIST", key) if limit is None else ("PEXPIRE", key, limit)
                replies = await self._nears.get().node.call_many([("EXISTS", key), command])
                return bool(checked(replies)[0])
            tags = dict(record.header.tags)
            await self._tags.complete(self._nears.get(), Capture(record.header.epoch, tags), list(tags), ttl)
            renewed = self._records.renewed(record, ttl, self.now_ms())
            if await self._swap(key, record.identity, renewed, ttl + record.header.extra_ms / 1000, Repeat.ALWAYS):
                return True
        raise CacheServerError(f"{key!r} changed during every attempt to touch it")

    async def mark_stale(self, key: str) -> bool:
        near = self._nears.get()
        record = await self._reader.read(key)
        if record is not None and record.is_foreign():
            return False
        # What is dead gets a new identity too, and a lease goes: no load that began before may be stored in its place.
        ends = near.ends_deleted((key,), self._epoch_key)
        marked = await near.node.run(MARK_STALE, key, (os.urandom(IDENTITY - 1),), Repeat.ALWAYS, ends)
        return bool(marked) and self._fresh_value(record) is not MISSING

    async def count(self, key: str, amount: int, ttl: float, create: bool) -> int:
        return await self._counting.count(key, amount, ttl, create)

    async def _swap(self, key: str, identity: bytes, entry: bytes, ttl: float | None, repeat: Repeat) -> bool:
        """Compare and set; `ttl` None keeps the key's own."""
        limit: str | int = "keep" if ttl is None else (ttl_ms(ttl) or "")
        near = self._nears.get()
        return bool(await near.node.run(REPLACE, key, (identity, entry, limit), repeat, near.ends_copies((key,))))

    # -- holds and locks ---------------------------------------------------------------------------------------

    def new_token(self) -> bytes:
        return self._guards.new_token()

    async def hold(
        self, keys: Sequence[str], tags: Sequence[str], token: bytes, seconds: float, *, again: bool = False
    ) -> bool:
        return await self._guards.hold(self._places(keys, tags), token, seconds, again=again)

    async def let_go(self, keys: Sequence[str], tags: Sequence[str], token: bytes) -> None:
        await self._guards.let_go(self._places(keys, tags), token)

    def _places(self, keys: Sequence[str], tags: Sequence[str]) -> list[str]:
        return [*keys, *map(self.namespace.tag_key, tags)]

    async def take_lock(self, key: str, token: bytes, ttl: float, patience: float) -> bool:
        return await self._guards.take_lock(key, token, ttl, patience)

    async def renew_lock(self, key: str, token: bytes, ttl: float) -> bool:
        return await self._guards.renew_lock(key, token, ttl)

    async def release_lock(self, key: str, token: bytes) -> bool:
        return await self._guards.release_lock(key, token)

    # -- ending entries, and the whole ---------------------------------------------------------------------------

    async def invalidate(self, tags: Sequence[str]) -> None:
        await self._tags.invalidate(tags)

    async def rotate_epoch(self) -> None:
        await self._tags.rotate_epoch()

    async def sweep(self, pattern: str, *, delete: bool = True) -> int:
        return await self._keyspace.sweep(pattern, delete=delete)

    async def size(self, *, exact: bool) -> tuple[int, int]:
        return await self._keyspace.size(exact=exact)

    async def replicated(self, replicas: int) -> int:
        return await self._keyspace.replicated(replicas)

    async def health(self) -> HealthReport:
        return await self._keyspace.health()


class ServerOnlyStore(RemoteStore):
    """The same where this process shall hold no copies: every read asks the server."""

    def __init__(
        self, nears: LoopLocal[Near], namespace: Namespace, records: Records, clock: Clock, counters: Counters
    ) -> None:
        super().__init__(nears, namespace, records, clock, counters)
        if records.decodes_anywhere:
            self.ask_along = Along(nears, namespace.epoch_key, records.plain_values).ask

    def hit(self, key: str, refresh_ms: float, share: bool = False) -> MissingType:
        return MISSING

    async def get_many(self, keys: Sequence[str]) -> list[object]:
        if len(keys) <= _CHUNK:
            return await self._read_values(keys) if keys else []
        values: list[object] = []
        for start in range(0, len(keys), _CHUNK):
            values += await self._read_values(keys[start : start + _CHUNK])
        return values
