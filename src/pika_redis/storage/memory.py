"""Entries in this process: the whole store of `MemoryCacheService`.

Strategy. One dict of slots under one lock. Reads take no lock: looking a key up in a dict is atomic, a slot's times
never change after it is made (a change makes a new slot), and a lost bump of its read count costs nothing. Every
write swaps the slot under the lock.

Fidelity: what can't be on a server can't be here. A mutable value is kept packed and unpacked afresh for every
reader, so no reader sees another's changes; an immutable one is handed out as it is.

A load of an absent key is bound to a *lease*: `begin` notes one, every delete tears it up, and `replace` stores only
while it stands. So no delete is undone by a load that began before it, on whichever thread. Time is monotonic.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..codec import Codec, Undecodable
from ..errors import ArgumentError, CacheError, KeyNotFoundError, LoadFailedError, NotAnIntegerError
from ..model.clock import Clock
from ..model.counters import Counters
from ..model.entry import Capture, Draft, Entry, Failure, Found, Hold, Outcome, Terms
from ..model.glob import compile_glob
from ..model.missing import MISSING, MissingType
from ..model.report import HealthReport, HealthStatus
from .namespace import Namespace
from .records import INT64
from .shelf import Shelf, Slot

__all__ = ["MemoryStore"]

_OVERHEAD = 400
"""Bytes of one slot with its dict and queue places, measured on CPython 3.11 to 3.13 with tracemalloc."""
_KEPT = 60.0
"""Seconds for which an entry is kept at least while it is loaded again, though nobody reads it past its time."""
_SCALARS = frozenset((type(None), bool, int, float, str, bytes))
_EPOCH = b"memory"


class MemoryStore:
    """The entries of one namespace on a shelf (see `Store`)."""

    def __init__(self, shelf: Shelf, namespace: Namespace, codec: Codec, clock: Clock, counters: Counters) -> None:
        self._shelf = shelf
        self._namespace = namespace
        self._home = namespace.prefix
        self._codec = codec
        self._clock = clock
        self._now = clock.monotonic
        self._counters = counters
        self._scalars = _SCALARS if codec.is_immutable(None) else frozenset[type]()
        self._surely_fits = shelf.max_value_bytes // 2 - 64  # UTF-8 takes at most twice what Python does

    def beside(self, namespace: Namespace) -> MemoryStore:
        """The store of another namespace on the same shelf."""
        return MemoryStore(self._shelf, namespace, self._codec, self._clock, self._counters)

    # -- reading ----------------------------------------------------------------------------------------------

    def hit(self, key: str, refresh_ms: float, share: bool = False) -> object:
        slot = self._shelf.slots.get(key)
        if slot is None or self._now() + refresh_ms / 1000 >= slot.ends:
            return MISSING
        if slot.plain_in != self._home and not self._living(slot):
            return MISSING
        slot.reads += 1
        value = slot.value
        return value if value is not MISSING else self._unpacked(slot)

    def now_ms(self) -> int:
        return int(self._now() * 1000)

    def ask_along(self, key: str, /) -> None:
        return None

    async def get(self, key: str, *, strict: bool = False, begun: object = None) -> object:
        return self.hit(key, 0.0)

    async def get_many(self, keys: Sequence[str]) -> list[object]:
        return [self.hit(key, 0.0) for key in keys]

    async def get_with_ttl(self, key: str) -> tuple[object, float | None]:
        slot = self._fresh(key)
        if slot is None:
            return MISSING, None
        value = self._value(slot)
        return value, None if value is MISSING else slot.ends - self._now()

    async def remaining(self, key: str) -> float | None:
        return (await self.get_with_ttl(key))[1]

    async def fetch(self, key: str, tags: Sequence[str], *, strict: bool = False) -> Found:
        shelf = self._shelf
        with shelf.lock:
            capture = Capture(_EPOCH, {tag: shelf.tags.get(self._namespace.tag_key(tag)) for tag in tags})
            slot = shelf.slots.get(key)
            if slot is None or self._now() >= slot.ends + slot.extra:
                if slot is not None:
                    shelf.queues.drop(slot)
                    del shelf.slots[key]
                return Found(None, b"", capture)
            entry = self._entry(slot) if self._current(slot) else None
            return Found(entry, slot.identity, capture)

    async def fetch_many(self, keys: Sequence[str]) -> list[Found]:
        return [await self.fetch(key, ()) for key in keys]

    def open(self, entry: Entry, *, share: bool = False) -> object | MissingType:
        slot = entry.body
        assert isinstance(slot, Slot)
        slot.reads += 1
        return self._value(slot)

    # -- writing ----------------------------------------------------------------------------------------------

    async def begin(self, key: str, found: Found, terms: Terms) -> Hold | None:
        shelf = self._shelf
        with shelf.lock:
            slot = shelf.slots.get(key)
            if slot is not None and self._now() < slot.ends + slot.extra:
                if slot.identity != found.identity:
                    return None
                if terms.spare and self._now() < slot.rests:
                    raise LoadFailedError(f"the load of {key!r} failed a moment ago")
                identity = slot.identity
                slot.extra = max(slot.extra, self._now() + _KEPT - slot.ends)
            else:
                identity = shelf.lease(key)
            hold = Hold(identity, self._captured(terms.tags), began=self._now())
            return hold.forbidden() if self._is_held(key, terms.tags) else hold

    async def renew(self, key: str, hold: Hold, lease: float) -> bool:
        return True

    async def extend(self, hold: Hold, tags: Sequence[str], named: Sequence[str]) -> Hold:
        late = [tag for tag in named if tag not in hold.capture.tags]
        shelf = self._shelf
        with shelf.lock:
            old = all(shelf.born.get(self._namespace.tag_key(tag), math.inf) < hold.began for tag in late)
            capture = self._captured(late)
        nonces = {**capture.tags, **hold.capture.tags}
        hold = replace(hold, capture=Capture(_EPOCH, {tag: nonces[tag] for tag in (*tags, *named)}))
        return hold if old else hold.forbidden()

    async def replace(self, key: str, hold: Hold, draft: Draft) -> Outcome:
        slot = self._slot(key, draft, hold.capture)
        shelf = self._shelf
        with shelf.lock:
            held = shelf.slots.get(key)
            if held is not None and self._now() >= held.ends + held.extra:
                held = None
            if (shelf.leased(key) if held is None else held.identity) != hold.identity:
                return Outcome.OVERTAKEN
            shelf.put(slot)
            return Outcome.STORED if self._current(slot) else Outcome.DOUBTFUL

    async def release(self, key: str, hold: Hold) -> Outcome:
        shelf = self._shelf
        with shelf.lock:
            slot = shelf.slots.get(key)
            unchanged = (shelf.leased(key) if slot is None else slot.identity) == hold.identity
            shelf.release(key, hold.identity)
            current = all(
                shelf.tags.get(self._namespace.tag_key(tag)) == nonce for tag, nonce in hold.capture.tags.items()
            )
        return Outcome.CURRENT if unchanged and current else Outcome.OVERTAKEN

    async def fail(self, key: str, hold: Hold, failure: Failure, seconds: float) -> None:
        with self._shelf.lock:
            slot = self._shelf.slots.get(key)
            if slot is not None and slot.identity == hold.identity:
                slot.rests = self._now() + seconds
        await self.release(key, hold)

    def _capture(self, tags: Sequence[str]) -> Capture:
        with self._shelf.lock:
            return self._captured(tags)

    def _is_held(self, key: str, tags: Sequence[str]) -> bool:
        """Whether a writer holds the key or one of the tags. Under the lock."""
        holds = self._shelf.holds
        return bool(holds) and (key in holds or any(self._namespace.tag_key(tag) in holds for tag in tags))

    def _captured(self, tags: Sequence[str]) -> Capture:
        """The nonces of tags, which are made if need be. Under the lock."""
        return Capture(_EPOCH, {tag: self._shelf.tag(self._namespace.tag_key(tag), self._now()) for tag in tags})

    async def write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        failed: dict[str, Exception] = {}
        for key, draft in items:
            try:
                slot = self._slot(key, draft, self._capture(draft.tags))
            except CacheError as error:
                failed[key] = error
                continue
            with self._shelf.lock:
                self._shelf.put(slot)
        return failed

    async def add(self, key: str, draft: Draft) -> bool:
        slot = self._slot(key, draft, self._capture(draft.tags))
        with self._shelf.lock:
            if self._fresh(key) is not None:
                return False
            self._shelf.put(slot)
            return True

    async def delete(self, keys: Sequence[str]) -> int:
        now = self._now()
        with self._shelf.lock:
            gone = [self._shelf.remove(key) for key in keys]
        return sum(slot is not None and now < slot.ends for slot in gone)

    async def touch(self, key: str, ttl: float) -> bool:
        with self._shelf.lock:
            slot = self._fresh(key)
            if slot is None:
                return False
            copy = self._copy(slot, self._now(), ttl)
            self._shelf.put(copy)
            copy.identity = slot.identity  # the value is the same: loads under way may replace it
            return True

    async def mark_stale(self, key: str) -> bool:
        shelf = self._shelf
        with shelf.lock:
            slot = self._fresh(key)
            if slot is None:  # what is dead gets a new identity: no load that began before may be stored in its place
                shelf.leases.pop(key, None)
                dead = shelf.slots.get(key)
                if dead is not None:
                    dead.identity = shelf.new_identity()
                return False
            if slot.home is None:
                shelf.remove(key)
                return False
            copy = self._copy(slot, slot.born, slot.ends - slot.born)
            copy.stale, copy.plain_in = True, None
            shelf.put(copy)
            return True

    async def count(self, key: str, amount: int, ttl: float, create: bool) -> int:
        with self._shelf.lock:
            now = self._now()
            slot = self._fresh(key)
            if slot is None:
                if not create:
                    raise KeyNotFoundError(f"there is no counter at {key!r} and create is False")
                value, born, left = 0, now, ttl
            else:
                held = self._value(slot)
                if type(held) is not int or slot.tags:
                    raise NotAnIntegerError(f"{key!r} holds a tagged value or no integer; counters are plain integers")
                value, born, left = held, slot.born, slot.ends - slot.born
            total = value + amount
            if total not in INT64:
                raise ArgumentError(f"the counter at {key!r} plus {amount} would leave 64 bits")
            fresh = Slot(key, born, left, (), None)
            fresh.value, fresh.size = total, _OVERHEAD + len(key)
            self._shelf.put(fresh)
            return total

    # -- holds and locks ---------------------------------------------------------------------------------------

    def new_token(self) -> bytes:
        return self._shelf.new_identity()

    async def hold(
        self, keys: Sequence[str], tags: Sequence[str], token: bytes, seconds: float, *, again: bool = False
    ) -> bool:
        with self._shelf.lock:
            if not again:
                self._end(keys, tags)
                for place in (*keys, *map(self._namespace.tag_key, tags)):
                    self._shelf.hold(place, token)
        return True

    async def let_go(self, keys: Sequence[str], tags: Sequence[str], token: bytes) -> None:
        with self._shelf.lock:
            for place in (*keys, *map(self._namespace.tag_key, tags)):
                self._shelf.let_go(place, token)
            self._end(keys, tags)

    def _end(self, keys: Sequence[str], tags: Sequence[str]) -> None:
        for key in keys:
            self._shelf.remove(key)
        for tag in tags:
            self._shelf.end_tag(self._namespace.tag_key(tag))

    async def take_lock(self, key: str, token: bytes, ttl: float, patience: float) -> bool:
        return await self._shelf.locks.take(key, token, self._now(), ttl, patience)

    async def renew_lock(self, key: str, token: bytes, ttl: float) -> bool:
        return self._shelf.locks.renew(key, token, self._now(), ttl)

    async def release_lock(self, key: str, token: bytes) -> bool:
        return self._shelf.locks.release(key, token, self._now())

    # -- ending entries, and the whole ---------------------------------------------------------------------------

    async def invalidate(self, tags: Sequence[str]) -> None:
        with self._shelf.lock:
            for tag in tags:
                self._shelf.end_tag(self._namespace.tag_key(tag))

    async def rotate_epoch(self) -> None:
        """Counters have no epoch on a server either: they end with a sweep. Longer prefixes have one of their own."""
        self._remove_where(lambda slot: slot.home == self._home, lambda _: True)

    async def sweep(self, pattern: str, *, delete: bool = True) -> int:
        matches = compile_glob(self._namespace.pattern(pattern))
        if delete:
            return self._remove_where(lambda slot: matches(slot.key), matches)
        now = self._now()
        with self._shelf.lock:
            return sum(now < slot.ends and matches(key) for key, slot in self._mine())

    async def size(self, *, exact: bool) -> tuple[int, int]:
        now = self._now()
        with self._shelf.lock:
            living = [slot.size for _, slot in self._mine() if now < slot.ends]
        return len(living), sum(living)

    async def replicated(self, replicas: int) -> int:
        return 0

    async def health(self) -> HealthReport:
        return HealthReport(HealthStatus.HEALTHY, "memory", True, 0.0, None, None, "ok")

    # -- inside -----------------------------------------------------------------------------------------------

    def _mine(self) -> list[tuple[str, Slot]]:
        return [(key, slot) for key, slot in self._shelf.slots.items() if key.startswith(self._home)]

    def _remove_where(self, goes: Callable[[Slot], bool], tears: Callable[[str], bool]) -> int:
        """Remove slots under the prefix, and tear up leases by their keys."""
        now, shelf = self._now(), self._shelf
        with shelf.lock:
            gone = [slot for _, slot in self._mine() if goes(slot)]
            for slot in gone:
                shelf.remove(slot.key)
            for key in [key for key in shelf.leases if key.startswith(self._home) and tears(key)]:
                del shelf.leases[key]
        return sum(now < slot.ends for slot in gone)

    def _fresh(self, key: str) -> Slot | None:
        slot = self._shelf.slots.get(key)
        return slot if slot is not None and self._now() < slot.ends and self._living(slot) else None

    def _living(self, slot: Slot) -> bool:
        return not slot.stale and self._current(slot)

    def _current(self, slot: Slot) -> bool:
        """Whether its epoch and tags are those of this namespace, as they stand now."""
        tags = self._shelf.tags
        return slot.home in (None, self._home) and all(tags.get(tag) == nonce for tag, nonce in slot.tags)

    def _value(self, slot: Slot) -> object:
        return slot.value if slot.value is not MISSING else self._unpacked(slot)

    def _unpacked(self, slot: Slot) -> object:
        try:
            return self._codec.decode(slot.payload, slot.compressed)
        except Undecodable:  # the model's class was registered anew with other fields
            self._counters.undecodable += 1
            return MISSING

    def _entry(self, slot: Slot) -> Entry:
        life = slot.ends - slot.born
        fresh_ms = 0 if math.isinf(life) else max(1, round(life * 1000))
        return Entry(slot.identity, int(slot.born * 1000), fresh_ms, slot.stale, slot)

    def _slot(self, key: str, draft: Draft, capture: Capture) -> Slot:
        """A slot for a draft. Raises SerializationError."""
        tags = tuple((self._namespace.tag_key(tag), capture.tags[tag] or b"") for tag in draft.tags)
        value = draft.value
        counter = draft.plain_integers and type(value) is int and not tags and value in INT64
        slot = Slot(key, self._now(), draft.ttl, tags, None if counter else self._home)
        slot.extra = draft.extra
        if counter or value is None or type(value) in self._scalars:
            size = sys.getsizeof(value)
            if size > self._surely_fits:
                self._codec.encode(value)  # refuses what a server would not get
            slot.value = value
        else:
            slot.payload, slot.compressed = self._codec.encode(value)
            size = len(slot.payload)
            if draft.share or self._codec.is_immutable(value):
                slot.value, slot.payload, size = value, b"", size * 2
        slot.size = _OVERHEAD + len(key) + size
        return slot

    def _copy(self, slot: Slot, born: float, ttl: float) -> Slot:
        copy = Slot(slot.key, born, ttl, slot.tags, slot.home)
        copy.value, copy.payload, copy.compressed = slot.value, slot.payload, slot.compressed
        copy.size, copy.reads, copy.extra, copy.rests = slot.size, slot.reads, slot.extra, slot.rests
        return copy
