"""Entries on a server, and in this process's memory while the server is gone: graceful degradation.

Strategy. A verb asks the server. When that fails for want of the server, the loop is *cut* (`standing`), the verb is
answered from memory, and so are all reads until the server is trusted again. What each kind of verb does meanwhile:

- Reads give what was loaded or set in this process since the cut, for at most the entry's `degraded_ttl`. Copies from
  before are for emergencies: they are `unproven`, and served under `stale_if_error` alone. A strict read misses.
- Loads take their lease from memory and store there. What began before the cut is stored nowhere; values are never
  carried to the server when it is back.
- Changes end what this process holds, at once, and go into the journal, which is replayed before the server is trusted
  again. `set` goes there too: what the server still has under the key is older.
- What would be wrong without the server says so: counters, locks, `add`, a walk over the keys.

`hit` is the server side's own method: copies are believed by their own rules, and memory is asked a step later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from ..codec.envelope import NOT_PLAIN
from ..errors import CacheServerError, CacheUnavailableError, OverloadedError
from ..model.entry import Draft, Entry, Failure, Found, Hold, Outcome, Terms
from ..model.missing import MISSING, MissingType
from ..model.report import HealthReport
from ..wire.replies import Disconnected
from .along import Unsettled
from .degraded import Degraded
from .faults import FULL, GONE, is_the_servers_fault
from .memory import MemoryStore
from .remote import RemoteStore
from .shelf import Slot

__all__ = ["Tiers"]

T = TypeVar("T")
_HERE: Final = object()
"""What holds and finds of memory carry, so that they find back to it."""


class Tiers:
    """The server's entries of one namespace, with memory behind them (see `Store`)."""

    def __init__(
        self,
        server: RemoteStore,
        memory: MemoryStore,
        degraded: Degraded,
        *,
        degraded_ttl: float = 30.0,
        stale_if_error: float = 0.0,
    ) -> None:
        self._server = server
        self._memory = memory
        self._nears = server.nears
        self._namespace = server.namespace
        self._degraded = degraded
        self._degraded_ttl = degraded_ttl
        self._stale_if_error = stale_if_error
        self.hit, self.ask_along = server.hit, server.ask_along
        self.now_ms, self.new_token = server.now_ms, server.new_token

    # -- reading ----------------------------------------------------------------------------------------------

    async def get(self, key: str, *, strict: bool = False, begun: Unsettled | None = None) -> object:
        near = self._nears.get()
        if not near.standing.cut:
            server = self._server
            try:
                if near.node.connection.crowded and begun is None:
                    await near.stand_in_line()
                if strict:
                    return await server.get(key, strict=True)
                try:
                    reply = None if begun is None else begun.reply()
                    if reply is None:
                        reply = await server.ask(near, key)
                except Disconnected as lost:
                    reply = await server.ask_again(near, key, lost)
                value = server.given(reply)
                return value if value is not NOT_PLAIN else await server.considered(near, key, reply)
            except GONE as error:
                self._fail(error, (key,))
        return MISSING if strict else await self._at_hand(key)

    async def get_many(self, keys: Sequence[str]) -> list[object]:
        if not self._nears.get().standing.cut:
            try:
                return await self._server.get_many(keys)
            except GONE as error:
                self._fail(error, keys)
        return await self._many_at_hand(keys)

    async def _many_at_hand(self, keys: Sequence[str]) -> list[object]:
        values = [self.hit(key, 0.0) for key in keys]
        return [
            await self._at_hand(key) if value is MISSING else value for key, value in zip(keys, values, strict=True)
        ]

    async def get_with_ttl(self, key: str) -> tuple[object, float | None]:
        return await self._or((key,), lambda: self._server.get_with_ttl(key), lambda: self._memory.get_with_ttl(key))

    async def remaining(self, key: str) -> float | None:
        return await self._or((key,), lambda: self._server.remaining(key), lambda: self._memory.remaining(key))

    async def fetch(self, key: str, tags: Sequence[str], *, strict: bool = False) -> Found:
        near = self._nears.get()
        if not self._is_cut((key,)):
            try:
                if near.node.connection.crowded:
                    await near.stand_in_line()
                return await self._server.fetch(key, tags, strict=strict)
            except GONE as error:
                self._fail(error, (key,))
        return await self._found_here(key, tags, strict)

    async def fetch_many(self, keys: Sequence[str]) -> list[Found]:
        if not self._nears.get().standing.cut:
            try:
                return await self._server.fetch_many(keys)
            except GONE as error:
                self._fail(error, keys)
        return await self._many_found_here(keys)

    async def _many_found_here(self, keys: Sequence[str]) -> list[Found]:
        return [await self._found_here(key, (), False) for key in keys]

    def open(self, entry: Entry, *, share: bool = False) -> object | MissingType:
        side = self._memory if isinstance(entry.body, Slot) else self._server
        return side.open(entry, share=share)

    async def _at_hand(self, key: str) -> object:
        """What memory has fresh; without it, where a service's own `stale_if_error` allows it, a copy from before."""
        value = await self._memory.get(key)
        if value is MISSING and self._stale_if_error:
            entry = self._unproven(key)
            if entry is not None and entry.unproven_ms < self._stale_if_error * 1000:
                value = self._server.open(entry)
        return value

    async def _found_here(self, key: str, tags: Sequence[str], strict: bool) -> Found:
        found = await self._memory.fetch(key, tags)
        entry = found.entry
        if entry is None:
            entry = self._unproven(key)
        else:
            age = self._memory.now_ms() - entry.born_ms
            entry = replace(entry, born_ms=self.now_ms() - age)
        found.entry, found.body, found.cut = None if strict else entry, _HERE, self._reason()
        return found

    def _unproven(self, key: str) -> Entry | None:
        """A copy from before the cut."""
        left = self._nears.get().unproven(key)
        if left is None or left[0].home != self._namespace.prefix:
            return None
        return replace(self._server.entry(left[0]), unproven_ms=left[1] * 1000)

    # -- loading ----------------------------------------------------------------------------------------------

    async def begin(self, key: str, found: Found, terms: Terms) -> Hold | None:
        if found.body is not _HERE:
            near = self._nears.get()
            try:
                if near.node.connection.crowded:
                    await near.stand_in_line()
                return await self._server.begin(key, found, terms)
            except GONE as error:
                self._fail(error, (key,))
            found = await self._memory.fetch(key, terms.tags)
        if not self._is_cut((key,)):
            return None  # the server is back: look there
        if (hold := await self._memory.begin(key, found, terms)) is not None:
            hold.body = _HERE
        return hold

    def _side(self, hold: Hold) -> MemoryStore | RemoteStore:
        return self._memory if hold.body is _HERE else self._server

    async def renew(self, key: str, hold: Hold, lease: float) -> bool:
        return await self._noting((key,), self._side(hold).renew(key, hold, lease))

    async def extend(self, hold: Hold, tags: Sequence[str], named: Sequence[str]) -> Hold:
        return await self._noting((), self._side(hold).extend(hold, tags, named))

    async def replace(self, key: str, hold: Hold, draft: Draft) -> Outcome:
        if hold.body is not _HERE:
            return await self._noting((key,), self._server.replace(key, hold, draft))
        return (await self._memory.replace(key, hold, self._brief(draft))).presumed()

    async def release(self, key: str, hold: Hold) -> Outcome:
        if hold.body is not _HERE:
            return await self._noting((key,), self._server.release(key, hold))
        return (await self._memory.release(key, hold)).presumed()

    async def fail(self, key: str, hold: Hold, failure: Failure, seconds: float) -> None:
        await self._noting((key,), self._side(hold).fail(key, hold, failure, seconds))

    async def _noting(self, keys: Sequence[str], ask: Awaitable[T]) -> T:
        """What the store says of a load that it knows of; when it is gone that is noted, and raised."""
        try:
            return await ask
        except GONE as error:
            self._note(error, keys)
            raise

    # -- writing ----------------------------------------------------------------------------------------------

    async def write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        near = self._nears.get()
        try:
            if near.node.connection.crowded:
                await near.stand_in_line()
            failed = await self._server.write(items)
        except (CacheUnavailableError, CacheServerError) as error:
            failed = dict.fromkeys([key for key, _ in items], error)
        refused = [key for key, error in failed.items() if is_the_servers_fault(error)]
        if refused:
            await self._give_up(refused, failed[refused[0]])
            failed = {key: error for key, error in failed.items() if key not in refused}
        if near.is_cut:
            here = [(key, self._brief(draft)) for key, draft in items if self._is_cut((key,))]
            if here:
                await self._memory.write(here)
        return failed

    async def _give_up(self, keys: Sequence[str], error: Exception) -> None:
        """These could not be written: what the server has there is older, and goes."""
        if isinstance(error, CacheServerError) and error.code == FULL:
            self._degraded.could_not_store(error)
            await self.delete(keys)
        else:
            self._miss(keys, error)

    async def add(self, key: str, draft: Draft) -> bool:
        return await self._or_say((key,), self._server.add(key, draft))

    async def delete(self, keys: Sequence[str]) -> int:
        return await self._change(lambda: self._server.delete(keys), 0, keys)

    async def touch(self, key: str, ttl: float) -> bool:
        return await self._or((key,), lambda: self._server.touch(key, ttl), lambda: self._memory.touch(key, ttl))

    async def mark_stale(self, key: str) -> bool:
        return await self._change(lambda: self._server.mark_stale(key), False, (key,))

    async def count(self, key: str, amount: int, ttl: float, create: bool) -> int:
        return await self._or_say((key,), self._server.count(key, amount, ttl, create))

    # -- holds and locks ---------------------------------------------------------------------------------------

    async def hold(
        self, keys: Sequence[str], tags: Sequence[str], token: bytes, seconds: float, *, again: bool = False
    ) -> bool:
        await self._memory.hold(keys, tags, token, seconds, again=again)
        return await self._or_miss(
            lambda: self._server.hold(keys, tags, token, seconds, again=again), False, self._places(keys, tags)
        )

    async def let_go(self, keys: Sequence[str], tags: Sequence[str], token: bytes) -> None:
        try:
            await self._or_miss(lambda: self._server.let_go(keys, tags, token), None, self._places(keys, tags))
        finally:
            await self._memory.let_go(keys, tags, token)

    async def take_lock(self, key: str, token: bytes, ttl: float, patience: float) -> bool:
        return await self._or_say((key,), self._server.take_lock(key, token, ttl, patience))

    async def renew_lock(self, key: str, token: bytes, ttl: float) -> bool:
        return await self._or_say((key,), self._server.renew_lock(key, token, ttl))

    async def release_lock(self, key: str, token: bytes) -> bool:
        return await self._or_say((key,), self._server.release_lock(key, token))

    def _places(self, keys: Sequence[str], tags: Sequence[str]) -> list[str]:
        return [*keys, *map(self._namespace.tag_key, tags)]

    # -- ending entries, and the whole ---------------------------------------------------------------------------

    async def invalidate(self, tags: Sequence[str]) -> None:
        await self._change(lambda: self._server.invalidate(tags), None, (), tags)

    async def rotate_epoch(self) -> None:
        await self._memory.rotate_epoch()
        try:
            await self._or_miss(self._server.rotate_epoch, None, (self._namespace.epoch_key,))
        finally:
            await self._memory.rotate_epoch()

    async def sweep(self, pattern: str, *, delete: bool = True) -> int:
        if not delete:
            return await self._or_say((), self._server.sweep(pattern, delete=False))
        await self._end_here((), (), pattern)
        try:
            return await self._or_miss(lambda: self._server.sweep(pattern), 0, (self._namespace.epoch_key,))
        finally:
            await self._end_here((), (), pattern)

    async def size(self, *, exact: bool) -> tuple[int, int]:
        return await self._or((), lambda: self._server.size(exact=exact), lambda: self._memory.size(exact=exact))

    async def replicated(self, replicas: int) -> int:
        if self._degraded.journal.waiting:
            return 0
        return await self._or((), lambda: self._server.replicated(replicas), partial(self._memory.replicated, 0))

    async def health(self) -> HealthReport:
        report = await self._server.health()
        cut = self._is_cut(())
        return report if report.connected and not cut else self._degraded.amend(report, cut=cut)

    # -- the ways to be without a server --------------------------------------------------------------------------

    def _is_cut(self, keys: Sequence[str]) -> bool:
        """Whether the server of one of these keys is cut off."""
        return self._nears.get().standing.cut

    def _cut_off(self, error: Exception, keys: Sequence[str]) -> None:
        """A call about these keys failed for want of the server."""
        self._nears.get().standing.fail(error)

    def _fail(self, error: Exception, keys: Sequence[str]) -> None:
        """The server was asked in vain."""
        self._degraded.counters.errors += 1
        self._note(error, keys)

    def _note(self, error: Exception, keys: Sequence[str]) -> None:
        if not isinstance(error, OverloadedError):
            self._cut_off(error, keys)

    async def _or(
        self, keys: Sequence[str], ask: Callable[[], Awaitable[T]], otherwise: Callable[[], Awaitable[T]]
    ) -> T:
        """What the server says; what memory says without it."""
        if not self._is_cut(keys):
            try:
                return await ask()
            except GONE as error:
                self._fail(error, keys)
        return await otherwise()

    async def _change(
        self, change: Callable[[], Awaitable[T]], without: T, keys: Sequence[str], tags: Sequence[str] = ()
    ) -> T:
        """End keys and tags here, on the server or in the journal, and here again: a load may have stored meanwhile."""
        await self._end_here(keys, tags, None)
        try:
            return await self._or_miss(change, without, self._places(keys, tags))
        finally:
            await self._end_here(keys, tags, None)

    async def _or_miss(self, change: Callable[[], Awaitable[T]], without: T, keys: Sequence[str]) -> T:
        """Change the server; when that can't be, these keys are journaled."""
        near = self._nears.get()
        try:
            if near.node.connection.crowded:
                await near.stand_in_line()
            return await change()
        except (CacheUnavailableError, CacheServerError) as error:
            if not is_the_servers_fault(error):
                raise
            self._miss(keys, error)
        return without

    def _miss(self, keys: Sequence[str], error: Exception) -> None:
        self._degraded.counters.errors += 1
        self._degraded.journal.miss(keys, self._namespace.epoch_key)
        self._nears.get().end_all(keys)
        self._cut_off(error, keys)

    async def _or_say(self, keys: Sequence[str], ask: Awaitable[T]) -> T:
        """What the server says. Raises CacheUnavailableError when it can't."""
        try:
            return await ask
        except GONE as error:
            self._fail(error, keys)
            if isinstance(error, CacheUnavailableError):
                raise
            raise CacheUnavailableError(str(error)) from error

    def _reason(self) -> CacheUnavailableError:
        return CacheUnavailableError(self._degraded.reason or "the server has no room for the call")

    # -- own memory -----------------------------------------------------------------------------------------------

    async def _end_here(self, keys: Sequence[str], tags: Sequence[str], pattern: str | None) -> None:
        """What this process holds of these goes. It never waits."""
        if self._degraded.shelf.is_empty:
            return
        await self._memory.delete(keys)
        await self._memory.invalidate(tags)
        if pattern is not None:
            await self._memory.sweep(pattern)

    def _brief(self, draft: Draft) -> Draft:
        return draft.at_most(self._degraded_ttl if draft.degraded_ttl is None else draft.degraded_ttl)
