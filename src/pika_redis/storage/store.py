"""The seam between what should happen (policy) and where entries rest.

Keys are full server keys; times to live are plain seconds. A store answers only what is *live*: an entry whose epoch
or tag is no longer current is absent to every verb. It never sees options or a user's function.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from ..model.entry import Draft, Entry, Failure, Found, Hold, Outcome, Terms
from ..model.missing import MissingType
from ..model.report import HealthReport
from .along import Unsettled

__all__ = ["Store"]


class Store(Protocol):
    """Entries of one namespace."""

    def hit(self, key: str, refresh_ms: float, share: bool = False) -> object:
        """The value without waiting, when this process holds it fresh for longer than `refresh_ms`; else MISSING.

        `share` = the same object may be given to everybody, also if it can be changed.
        """
        ...

    def now_ms(self) -> int:
        """The time by which entries are born and age, in milliseconds."""
        ...

    async def get(self, key: str, *, strict: bool = False, begun: Unsettled | None = None) -> object:
        """The fresh value, or MISSING; `strict` = as the server says, with the nonces it has now.

        `begun` = what `ask_along` brought, when that is for its caller to judge.
        """
        ...

    def ask_along(self, key: str, /) -> asyncio.Future[object] | None:
        """The same without a coroutine: the future gives the value, MISSING or an `Unsettled`, and raises nothing.

        Along with other calls of this turn of the loop, and while nothing stands in the way; None = `get` does it.
        """
        ...

    async def get_many(self, keys: Sequence[str]) -> list[object]:
        """Fresh values aligned with `keys`, MISSING in the gaps."""
        ...

    async def get_with_ttl(self, key: str) -> tuple[object, float | None]:
        """The fresh value and its remaining seconds; MISSING and None when absent."""
        ...

    async def remaining(self, key: str) -> float | None:
        """Remaining seconds of a fresh entry, `math.inf` without expiry, None when absent."""
        ...

    async def fetch(self, key: str, tags: Sequence[str], *, strict: bool = False) -> Found:
        """A look for the read-through flow: entry, identity and captured nonces, in one round trip if it can be."""
        ...

    async def fetch_many(self, keys: Sequence[str]) -> list[Found]:
        """The same look at several keys, without tags."""
        ...

    def open(self, entry: Entry, *, share: bool = False) -> object | MissingType:
        """The entry's value, or MISSING (and a count) when its bytes can't be decoded."""
        ...

    async def begin(self, key: str, found: Found, terms: Terms) -> Hold | None:
        """Take a load upon us and capture the nonces. None: another has it, or the key changed since; look again.

        Raises LoadFailedError when loads failed a moment ago and this one is to rest.
        """
        ...

    async def renew(self, key: str, hold: Hold, lease: float) -> bool:
        """Show that the load goes on; False when it is ours no more."""
        ...

    async def extend(self, hold: Hold, tags: Sequence[str], named: Sequence[str]) -> Hold:
        """The hold for these tags and for those that a loader named afterwards; not storable when one is too young."""
        ...

    async def replace(self, key: str, hold: Hold, draft: Draft) -> Outcome:
        """Store a loaded value under the captured nonces, only if the key still has the identity of the hold."""
        ...

    async def release(self, key: str, hold: Hold) -> Outcome:
        """Nothing will be stored for this hold."""
        ...

    async def fail(self, key: str, hold: Hold, failure: Failure, seconds: float) -> None:
        """The load failed; for so long others are told."""
        ...

    async def write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        """Store values under the nonces that are current; gives what failed."""
        ...

    async def add(self, key: str, draft: Draft) -> bool:
        """Store only if there is no live entry."""
        ...

    async def delete(self, keys: Sequence[str]) -> int:
        """Remove; gives how many were there."""
        ...

    async def touch(self, key: str, ttl: float) -> bool:
        """Let a fresh entry live `ttl` seconds from now."""
        ...

    async def mark_stale(self, key: str) -> bool:
        """Expire an entry logically, under a new identity."""
        ...

    async def count(self, key: str, amount: int, ttl: float, create: bool) -> int:
        """Add to a counter, atomically; `ttl` only for one that this call creates."""
        ...

    def new_token(self) -> bytes:
        """A name for a writer's hold or a lock that nobody else has."""
        ...

    async def hold(
        self, keys: Sequence[str], tags: Sequence[str], token: bytes, seconds: float, *, again: bool = False
    ) -> bool:
        """Serve and store nothing of these for so long, or for longer (`again`); False when a hold was not had."""
        ...

    async def let_go(self, keys: Sequence[str], tags: Sequence[str], token: bytes) -> None:
        """End the holds, and what stands there without one."""
        ...

    async def take_lock(self, key: str, token: bytes, ttl: float, patience: float) -> bool:
        """Take a lock; when another has it, wait at most so many seconds for a change, and give False."""
        ...

    async def renew_lock(self, key: str, token: bytes, ttl: float) -> bool:
        """Hold a lock longer; False when it is ours no more."""
        ...

    async def release_lock(self, key: str, token: bytes) -> bool:
        """Give a lock back; False when it was ours no more."""
        ...

    async def invalidate(self, tags: Sequence[str]) -> None:
        """End every entry that carries one of the tags."""
        ...

    async def rotate_epoch(self) -> None:
        """End every entry of the namespace."""
        ...

    async def sweep(self, pattern: str, *, delete: bool = True) -> int:
        """Delete (or only count) the keys whose name below the prefix matches the glob."""
        ...

    async def size(self, *, exact: bool) -> tuple[int, int]:
        """Keys and bytes."""
        ...

    async def replicated(self, replicas: int) -> int:
        """How many replicas have heard of all that was changed so far, waiting a moment for so many."""
        ...

    async def health(self) -> HealthReport:
        """Ask the store how it is. Never raises."""
        ...
