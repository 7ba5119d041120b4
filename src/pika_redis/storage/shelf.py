"""What a memory store holds: entries, tags, leases and the room they take. The namespaces of a service share it."""

from __future__ import annotations

import itertools
import threading

from ..model.counters import Counters
from ..model.forks import forget_after_fork
from ..model.missing import MISSING
from .eviction import S3Fifo
from .memory_locks import MemoryLocks

__all__ = ["Shelf", "Slot"]

_TAGS_BEFORE_PRUNING = 10_000


class Slot:
    """One entry. Immutable but for the bookkeeping of the eviction."""

    __slots__ = (
        "born", "compressed", "ends", "extra", "home", "identity", "key", "payload", "plain_in", "queued", "reads",
        "rests", "size", "stale", "tags", "value",
    )  # fmt: skip

    def __init__(
        self, key: str, born: float, ttl: float, tags: tuple[tuple[str, bytes], ...], home: str | None
    ) -> None:
        self.key = key
        self.born = born
        self.ends = born + ttl
        self.extra = 0.0
        """Seconds for which it is kept after `ends`."""
        self.rests = 0.0
        """Until when no load of it begins, after one that failed."""
        self.tags = tags
        self.home = home
        """The prefix of the namespace that stored it and alone reads it; None for a counter, which has no epoch."""
        self.plain_in = None if tags else home
        """The prefix under which there is nothing to look up before it is served: it is neither tagged nor stale."""
        self.stale = False
        self.identity = b""
        self.value: object = MISSING
        self.payload = b""
        self.compressed = False
        self.size = 0
        self.reads = 0
        self.queued = 0


class Shelf:
    """What several namespaces of one service share: the slots, the tags, the leases, the room."""

    def __init__(self, max_bytes: int, max_value_bytes: int, counters: Counters) -> None:
        self.max_value_bytes = max_value_bytes
        self.slots: dict[str, Slot] = {}
        self.tags: dict[str, bytes] = {}
        self.born: dict[str, float] = {}
        """When the tags were made."""
        self.leases: dict[str, tuple[bytes, int]] = {}
        """By key that holds nothing: an identity, and how many loads hold it."""
        self.holds: dict[str, set[bytes]] = {}
        """By key or tag: the tokens of writers that hold it."""
        self.locks = MemoryLocks()
        self.lock = threading.Lock()
        self.queues: S3Fifo[Slot] = S3Fifo(max_bytes)
        self._counters = counters
        self._serial = itertools.count(1)
        self._most_tags = _TAGS_BEFORE_PRUNING
        forget_after_fork(self)

    def new_identity(self) -> bytes:
        """Never given before in this process."""
        return b"%d" % next(self._serial)

    def put(self, slot: Slot) -> None:
        """Place a slot and drop what no longer fits. Under the lock."""
        slot.identity = self.new_identity()
        self.remove(slot.key)
        self.slots[slot.key] = slot
        for gone in self.queues.add(slot):
            self._counters.evictions += 1
            self._forget(gone)

    def tag(self, tag: str, now: float) -> bytes:
        """The nonce of a tag, which is made if need be. Under the lock."""
        nonce = self.tags.get(tag)
        if nonce is None:
            if len(self.tags) >= self._most_tags:
                self._prune()
            nonce = self.tags[tag] = self.new_identity()
            self.born[tag] = now
        return nonce

    def _prune(self) -> None:
        """Forget tags that no entry carries; a load under way that captured one of them will store in vain."""
        used = {tag for one in self.slots.values() for tag, _ in one.tags}
        self.tags = {tag: nonce for tag, nonce in self.tags.items() if tag in used}
        self.born = {tag: born for tag, born in self.born.items() if tag in used}
        self._most_tags = max(_TAGS_BEFORE_PRUNING, 2 * len(self.tags))

    def end_tag(self, tag: str) -> None:
        """What carries the tag is dead. Under the lock."""
        self.tags.pop(tag, None)
        self.born.pop(tag, None)

    def hold(self, place: str, token: bytes) -> None:
        """Serve and store nothing there until the writer lets go. Under the lock."""
        self.holds.setdefault(place, set()).add(token)

    def let_go(self, place: str, token: bytes) -> None:
        """The writer is done. Under the lock."""
        held = self.holds.get(place)
        if held is not None:
            held.discard(token)
            if not held:
                del self.holds[place]

    def lease(self, key: str) -> bytes:
        """The identity of a key that holds nothing, for one more load. Under the lock."""
        identity, holders = self.leases.get(key) or (self.new_identity(), 0)
        self.leases[key] = identity, holders + 1
        return identity

    def leased(self, key: str) -> bytes:
        """The identity that loads of a key which holds nothing hold; empty = no load does. Under the lock."""
        return self.leases.get(key, (b"", 0))[0]

    def release(self, key: str, identity: bytes) -> None:
        """One load less holds it. Under the lock."""
        held, holders = self.leases.get(key, (b"", 0))
        if held == identity and holders > 1:
            self.leases[key] = held, holders - 1
        elif held == identity:
            self.leases.pop(key, None)

    def remove(self, key: str) -> Slot | None:
        """Take a key away, with the leases of loads that are under way. Under the lock."""
        self.leases.pop(key, None)
        slot = self.slots.get(key)
        if slot is not None:
            self.queues.drop(slot)
            self._forget(slot)
        return slot

    def _forget(self, slot: Slot) -> None:
        if self.slots.get(slot.key) is slot:
            del self.slots[slot.key]

    def clear(self) -> None:
        """Every entry goes, and what loads under way would store; holds and locks stay."""
        with self.lock:
            self.slots, self.tags, self.born, self.leases = {}, {}, {}, {}
            self.queues.clear()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that an invalidation could end."""
        return not (self.slots or self.leases or self.tags)

    def forget_all_after_fork(self) -> None:
        """A child starts empty: deletes in its parent would never reach it."""
        self.lock = threading.Lock()
        self.slots, self.tags, self.born, self.leases, self.holds = {}, {}, {}, {}, {}
        self.locks = MemoryLocks()
        self.queues.clear()
