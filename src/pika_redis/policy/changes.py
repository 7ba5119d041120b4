"""Changing what is stored, so that no load that began before the change is stored after it.

Every change lets go of the loads it concerns twice: before the store is asked, so that a load which ends meanwhile is
not stored behind the change; and when the store has answered, for loads that began in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from ..errors import NotReplicatedError
from ..model.counters import Counters
from ..model.entry import Draft
from ..model.glob import compile_glob
from ..storage.null import NullStore
from ..storage.store import Store

__all__ = ["Changes", "Concerned"]

Concerned = Callable[[str, frozenset[str]], bool]
"""Whether a load is concerned, by its full key and its tags."""


class _Flow(Protocol):
    def detach_keys(self, keys: Sequence[str]) -> None: ...
    def detach(self, concerned: Concerned) -> None: ...


class Changes:
    """The changing verbs over one store, and the flows whose loads they must let go of. Keys are full names."""

    def __init__(self, store: Store, counters: Counters, prefix: str, flows: Sequence[_Flow]) -> None:
        self._store = store
        self._counters = counters
        self._prefix = prefix
        self._flows = flows
        self._stores = not isinstance(store, NullStore)
        """Whether anything is kept of what is written."""

    async def write(self, drafts: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        """Store values; gives what failed."""
        keys = [key for key, _ in drafts]
        for flow in self._flows:  # as `_letting_go_of`, without a context: this is the most used change
            flow.detach_keys(keys)
        try:
            failed = await self._store.write(drafts)
        finally:
            for flow in self._flows:
                flow.detach_keys(keys)
        if self._stores:
            self._counters.sets += len(drafts) - len(failed)
        return failed

    async def add(self, key: str, draft: Draft) -> bool:
        """Store only if there is no value; whether it was stored."""
        with self._letting_go_of([key]):
            added = await self._store.add(key, draft)
        self._counters.sets += added
        return added

    async def touch(self, key: str, ttl: float) -> bool:
        """Another time to live; the value stays, so loads under way stay too."""
        return await self._store.touch(key, ttl)

    async def count(self, key: str, amount: int, ttl: float, create: bool) -> int:
        """Add to a counter."""
        with self._letting_go_of([key]):
            return await self._store.count(key, amount, ttl, create)

    async def delete(self, keys: Sequence[str]) -> int:
        """Remove values; how many were there."""
        with self._letting_go_of(keys):
            gone = await self._store.delete(keys)
        self._counters.deletes += gone
        return gone

    async def mark_stale(self, key: str) -> bool:
        """Expire a value logically; whether there was one."""
        with self._letting_go_of([key]):
            return await self._store.mark_stale(key)

    async def invalidate(self, tags: Sequence[str]) -> None:
        """End every entry that carries one of the tags."""
        ended = frozenset(tags)
        with self._letting_go_where(lambda key, carried: self._mine(key) and not ended.isdisjoint(carried)):
            await self._store.invalidate(tags)

    async def hold(self, keys: Sequence[str], tags: Sequence[str], token: bytes, seconds: float) -> bool:
        """Hold keys and tags for a writer; whether all could be held."""
        held = frozenset(tags)
        with (
            self._letting_go_of(keys),
            self._letting_go_where(lambda key, carried: self._mine(key) and not held.isdisjoint(carried)),
        ):
            return await self._store.hold(keys, tags, token, seconds)

    async def let_go(self, keys: Sequence[str], tags: Sequence[str], token: bytes) -> None:
        """The writer is done: end its holds, and what stands there without one."""
        held = frozenset(tags)
        with (
            self._letting_go_of(keys),
            self._letting_go_where(lambda key, carried: self._mine(key) and not held.isdisjoint(carried)),
        ):
            await self._store.let_go(keys, tags, token)

    async def ensure_replicated(self, replicas: int) -> None:
        """See to it that so many replicas have heard of all changes so far. Raises NotReplicatedError."""
        reached = await self._store.replicated(replicas)
        if reached < replicas:
            raise NotReplicatedError(f"{reached} of {replicas} replicas have heard of the change so far", reached)

    async def clear(self) -> None:
        """End every entry of the namespace."""
        with self._letting_go_where(lambda key, _: self._mine(key)):
            await self._store.rotate_epoch()

    async def sweep(self, pattern: str, full_pattern: str) -> int:
        """Remove the keys that match; how many. `full_pattern` is the same glob over full names."""
        matches = compile_glob(full_pattern)
        with self._letting_go_where(lambda key, _: matches(key)):
            gone = await self._store.sweep(pattern)
        self._counters.deletes += gone
        return gone

    def _mine(self, key: str) -> bool:
        return key.startswith(self._prefix)

    @contextmanager
    def _letting_go_of(self, keys: Sequence[str]) -> Iterator[None]:
        for flow in self._flows:
            flow.detach_keys(keys)
        try:
            yield
        finally:
            for flow in self._flows:
                flow.detach_keys(keys)

    @contextmanager
    def _letting_go_where(self, concerned: Concerned) -> Iterator[None]:
        for flow in self._flows:
            flow.detach(concerned)
        try:
            yield
        finally:
            for flow in self._flows:
                flow.detach(concerned)
