"""The verbs, once for every service: check the arguments, name the key, hand on.

A service is thin. Which store stands behind it is settled at construction (server, memory, nothing, closed), so no
verb asks "if". What a change means for loads under way is `policy.changes`' concern, what a read-through does that of
`policy.read_through`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from weakref import WeakSet

from ..codec import Codec
from ..errors import ArgumentError, ArgumentTypeError, CacheUnavailableError, ConfigurationError
from ..model.counters import Counters
from ..model.duration import Duration, to_seconds, to_ttl
from ..model.entry import Draft
from ..model.missing import MISSING
from ..model.report import CacheStats, HealthReport
from ..policy.bulk import BulkReads
from ..policy.changes import Changes
from ..policy.guard import Guard
from ..policy.lock import Lock
from ..policy.read_through import ReadThrough
from ..policy.rules.options import Options, ServiceOptions, resolve
from ..policy.sync_read_through import SyncReadThrough
from ..storage.namespace import Namespace
from ..storage.null import ClosedStore
from ..storage.store import Store
from .answers import Answers
from .full_names import FullNames
from .items import check_amount, check_pattern, check_replicas, drafts_of, not_stored, stats_of
from .key_checks import check_tags
from .protocols import Items
from .reading_through import ReadingThrough
from .redis_config import check_prefix
from .sync_face import SyncCacheService

__all__ = ["Service"]

T = TypeVar("T")
D = TypeVar("D")


class Service(ReadingThrough):
    """What all services share. Subclasses choose the store and add what only they can do."""

    def __init__(self, namespace: Namespace, options: Options, max_key_length: int, codec: Codec) -> None:
        self._namespace = namespace
        self._prefix = namespace.prefix
        self._options = options
        self._full_names = FullNames(namespace.prefix, max_key_length)
        self._codec = codec
        self._counters = Counters()
        self._answers = Answers(codec, self._counters)
        self._reads: ReadThrough
        self._sync_reads: SyncReadThrough | None
        self._changes: Changes
        self._faces = WeakSet((self,))

    def _serve(self, store: Store, reads: ReadThrough, sync_reads: SyncReadThrough | None = None) -> None:
        """Stand before this store from now on."""
        self._store = store
        self._hit = store.hit
        self._reads = reads
        self._sync_reads = sync_reads
        flows = (reads,) if sync_reads is None else (reads, sync_reads)
        self._batches = BulkReads(store, reads, self._counters)
        self._changes = Changes(store, self._counters, self._prefix, flows)

    # -- storing ----------------------------------------------------------------------------------------------

    async def set(self, key: str, value: object, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> None:
        """Store a value: the caller's word that it is current now.

        `ttl` in seconds, a timedelta or "10m"; None = the service's default, `math.inf` = no expiry. A value that was
        read from a source belongs in `get_or_load` or `@cache`: between reading it and setting it, it may have
        changed. Raises SerializationError, ArgumentError for a ttl of 0 or below, CacheUnavailableError.
        """
        name = self.name_of(key)
        failed = await self._changes.write([(name, Draft(value, self._ttl(ttl), check_tags(tags)))])
        if failed:
            raise failed[name]

    async def set_many(self, items: Items, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> None:
        """Store several values: a mapping, or an iterable of `CacheItem` or of dicts with its fields.

        `ttl` and `tags` hold for items that don't have their own. Raises BatchError when some could not be stored.
        """
        drafts, keys = drafts_of(items, self._ttl(ttl), check_tags(tags), self.name_of)
        failed = await self._changes.write(list(drafts.items()))
        if failed:
            raise not_stored(failed, keys)

    async def add(self, key: str, value: object, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> bool:
        """Store only if there is no value, atomically; whether it was stored. Raises as `set`."""
        return await self._changes.add(self.name_of(key), Draft(value, self._ttl(ttl), check_tags(tags)))

    async def touch(self, key: str, ttl: Duration) -> bool:
        """Let a value live `ttl` seconds from now; False when there is none."""
        return await self._changes.touch(self.name_of(key), to_ttl(ttl))

    async def increment(self, key: str, amount: int = 1, *, ttl: Duration | None = None, create: bool = True) -> int:
        """Add to a counter, atomically; gives its new value.

        A counter is a plain integer that any client reads. `ttl` is set only when this call creates it; None = no
        expiry. Raises NotAnIntegerError for anything but an untagged integer, KeyNotFoundError when it is absent and
        `create` is False, ArgumentError when the sum leaves 64 bits, OutcomeUnknownError when the connection broke.
        """
        life = math.inf if ttl is None else to_ttl(ttl)
        return await self._changes.count(self.name_of(key), check_amount(amount), life, create)

    async def decrement(self, key: str, amount: int = 1, *, ttl: Duration | None = None, create: bool = True) -> int:
        """Take from a counter, atomically; as `increment`."""
        return await self.increment(key, -check_amount(amount), ttl=ttl, create=create)

    def _ttl(self, ttl: Duration | None) -> float:
        return self._options.ttl if ttl is None else to_ttl(ttl)

    # -- ending -----------------------------------------------------------------------------------------------

    async def delete(self, key: str, *, durable: int = 0) -> bool:
        """Remove a value; whether it was there (dead ones may count). No load from before is stored afterwards.

        `durable` is how many replicas must have heard of it, so that it outlives a failover to one of them. Raises
        NotReplicatedError when fewer had within most of the stall timeout: it is deleted, and `replicas` have it.
        """
        names, wanted = [self.name_of(key)], check_replicas(durable)
        gone = await self._changes.delete(names) > 0
        if wanted:
            await self._changes.ensure_replicated(wanted)
        return gone

    async def delete_many(self, keys: Sequence[str]) -> int:
        """Remove several values; how many were there (dead ones may count)."""
        return await self._changes.delete(self._names(keys))

    async def mark_stale(self, key: str) -> bool:
        """Expire a value logically: `get` misses, loads replace it; whether there was one."""
        return await self._changes.mark_stale(self.name_of(key))

    async def delete_pattern(self, pattern: str) -> int:
        """Remove the keys that match a Redis glob such as ``session:*``; how many (dead ones may count).

        The server's keys are walked with SCAN, never KEYS. Raises ArgumentTypeError, ArgumentError.
        """
        return await self._changes.sweep(pattern, self._namespace.pattern(check_pattern(pattern)))

    async def count_pattern(self, pattern: str) -> int:
        """How many keys match a Redis glob; removes nothing."""
        return await self._store.sweep(check_pattern(pattern), delete=False)

    async def invalidate_tags(self, tags: Sequence[str], *, durable: int = 0) -> None:
        """End every entry that carries one of the tags, however many they are. `durable` as in `delete`."""
        ended, wanted = check_tags(tags, most=math.inf), check_replicas(durable)
        await self._changes.invalidate(ended)
        if wanted:
            await self._changes.ensure_replicated(wanted)

    async def clear(self, *, sweep: bool = True) -> None:
        """End every entry under this service's prefix at once; then (`sweep`) remove its keys, counters included.

        Raises ConfigurationError for a sweep without a prefix, which would empty the whole database.
        """
        if sweep and not self._prefix:
            raise ConfigurationError("clear() without a key_prefix would empty the database; set one, or sweep=False")
        await self._changes.clear()
        if sweep:
            await self.delete_pattern("*")

    # -- writers ----------------------------------------------------------------------------------------------

    def guard(self, keys: Sequence[str] = (), tags: Sequence[str] = (), *, hold: Duration = 10) -> Guard:
        """Around a writer's commit: ``async with service.guard(keys=[...], tags=[...]): await database.commit()``.

        Within, nothing of what it names is served or stored by loads; `get_or_load` loads from the source. A writer
        that dies within leaves nothing stale: its hold ends `hold` seconds later. Prefer keys: a hold on a tag that
        many entries carry stops caching of them all. Raises ArgumentTypeError, ArgumentError.
        """
        self._refuse_when_closed()
        return Guard(
            self._store, self._changes, self._names(keys), check_tags(tags, most=math.inf), to_ttl(hold, "hold")
        )

    def lock(self, key: str, ttl: Duration, *, wait: Duration | None = None) -> Lock:
        """A lock for the whole fleet: ``async with service.lock("report", 30): ...``. It is renewed while it is held.

        `ttl` is after how long a dead owner's lock is free again; `wait` how long to wait for it, None = as long as it
        takes, 0 = not at all. Entering raises LockNotAcquiredError, CacheUnavailableError; leaving raises
        LockLostError when it was lost meanwhile.
        """
        self._refuse_when_closed()
        patience = math.inf if wait is None else to_seconds(wait, "wait")
        if patience < 0:
            raise ArgumentError(f"wait must not be negative, but is {wait!r}")
        return Lock(self._store, self.name_of(key), to_ttl(ttl), patience)

    # -- the service itself ---------------------------------------------------------------------------------------

    def with_options(self, *, key_prefix: str | None = None, **options: Unpack[ServiceOptions]) -> Self:
        """The same service with other defaults; closing one closes all. Raises as a wrong option of a call does."""
        self._refuse_when_closed()
        other = copy.copy(self)
        return other._become(resolve(self._options, options), key_prefix)  # noqa: SLF001 (a copy of ourselves)

    def register(self, *classes: type) -> None:
        """Allow these model classes (dataclass, pydantic, Struct, NamedTuple, Enum) to be rebuilt from stored bytes.

        Those of their fields are allowed with them.
        """
        self._codec.register(*classes)

    async def get_stats(self, *, exact: bool = False) -> CacheStats:
        """Counts of this service in this process, and the size of its store.

        `exact` counts this prefix key by key, which walks the whole database; otherwise the server's own figures for
        the database stand in. Raises CacheUnavailableError.
        """
        return stats_of(self._counters, *await self._store.size(exact=exact), exact=exact or self._always_exact)

    async def health_check(self) -> HealthReport:
        """Ask the store how it is. Never raises, but CacheClosedError."""
        return await self._store.health()

    async def execute(self, *command: str | bytes | float, key: str | None = None) -> Any:
        """Run any command on the server. Raises CacheUnavailableError where there is none."""
        self._refuse_when_closed()
        raise CacheUnavailableError(f"{type(self).__name__} has no server that could run a command")

    async def execute_many(self, commands: Sequence[Sequence[str | bytes | float]]) -> list[Any]:
        """Run several commands in one pipeline. Raises as `execute`."""
        return [await self.execute(*command) for command in commands]

    async def connect(self) -> None:
        """Reach the store now rather than at first use. Raises CacheUnavailableError, AccessDeniedError."""
        self._refuse_when_closed()

    async def aclose(self) -> None:
        """End the loads under way and let go of the store. Afterwards every verb raises CacheClosedError."""
        reads = self._reads
        if isinstance(self._store, ClosedStore):
            return
        closed: Any = ClosedStore()
        for face in self._faces:
            face._store = face._reads = face._changes = face._batches = closed  # noqa: SLF001 (the same service)
            face._hit = closed.hit  # noqa: SLF001
        await reads.flights.aclose()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # -- for cached functions ---------------------------------------------------------------------------------------

    @property
    def prefix(self) -> str:
        """What stands before every key on the server."""
        return self._prefix

    @property
    def full_names(self) -> FullNames:
        """What keys are called on the server."""
        return self._full_names

    @property
    def options(self) -> Options:
        """The defaults of this service, resolved."""
        return self._options

    @property
    def reads(self) -> ReadThrough:
        """The read-through flow. Its keys are full names, see `name_of`."""
        return self._reads

    def sync_reads(self) -> SyncReadThrough:
        """The read-through flow for synchronous callers. Raises ArgumentTypeError where there is none."""
        self._refuse_when_closed()
        if self._sync_reads is None:
            raise ArgumentTypeError(
                "this version has no synchronous face over a server: make the function async, or use MemoryCacheService"
            )
        return self._sync_reads

    @property
    def sync(self) -> SyncCacheService:
        """The same verbs without ``await``. Raises ArgumentTypeError where there are none."""
        return SyncCacheService(self)

    def hit(self, name: str, refresh_ms: float, *, share: bool = False) -> object:
        """The value under a full name that this process holds fresh, counted as a hit; else MISSING, not counted."""
        value = self._store.hit(name, refresh_ms, share=share)
        if value is not MISSING:
            self._counters.hits += 1
        return value

    def register_annotation(self, annotation: object) -> None:
        """Allow the model classes that an annotation names to be rebuilt from stored bytes."""
        self._codec.register_annotation(annotation)

    _always_exact = False

    def _refuse_when_closed(self) -> None:
        if isinstance(self._store, ClosedStore):
            self._store.closed()

    def _become(self, options: Options, key_prefix: str | None) -> Self:
        """A copy takes on its own options and namespace."""
        self._faces.add(self)
        self._options = options
        namespace = self._namespace if key_prefix is None else Namespace(check_prefix(key_prefix, "key_prefix"))
        self._move(namespace)
        return self

    def _move(self, namespace: Namespace) -> None:
        """Serve another namespace from now on."""
        self._namespace = namespace
        self._prefix = namespace.prefix
        self._full_names = self._full_names.within(namespace.prefix)
        store = self._store_of(namespace)
        sync_reads = None if self._sync_reads is None else self._sync_reads.over(store)
        self._serve(store, self._reads.over(store), sync_reads)

    def _store_of(self, namespace: Namespace) -> Store:
        """The store for another namespace."""
        raise NotImplementedError
