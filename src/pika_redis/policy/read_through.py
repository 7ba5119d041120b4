"""The read-through flow: look, judge, serve; or lead a flight and load.

One request, top to bottom::

    hit      what this process holds fresh is served without waiting
    join     a load of the key that is under way is waited for
    fetch    else the store is asked: entry, identity, current nonces
    judge    FRESH: serve.  REFRESH: serve, and load again in the background, once.  Else:
    lead     capture the nonces, load, store only if the key still has the identity seen before the load

The nonces of tags and epoch are captured before the load, never after: what is invalidated during the load is then
dead on arrival. A store that can't be reached is no reason to fail: the value is loaded, once for all who wait, and
given without being stored.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from dataclasses import dataclass

from ..errors import (
    CacheClosedError,
    CacheError,
    CacheServerError,
    CacheUnavailableError,
    SerializationError,
    ValueTooLargeError,
)
from ..model.counters import Counters
from ..model.entry import Capture, Draft, Found
from ..model.missing import MISSING
from ..storage.store import Store
from ..wire.loops import LoopLocal
from .flights import HANDED_OVER, Flight, Flights, loading
from .loader import Loader, run_loader
from .rules.freshness import Verdict, jittered, judge
from .rules.options import Options

__all__ = ["Plan", "ReadThrough"]

_log = logging.getLogger("pika_redis")
_UNREACHABLE = (CacheUnavailableError, CacheServerError)


@dataclass(frozen=True, slots=True)
class Plan:
    """How one call wants its value: resolved options, the entry's tags, and whether its load must stay in its task."""

    options: Options
    tags: tuple[str, ...] = ()
    attached: bool = False


class ReadThrough:
    """The flow over one store, and the flights of every loop that uses it."""

    def __init__(
        self,
        store: Store,
        counters: Counters,
        copier: Callable[[object], Callable[[], object]],
        flights: LoopLocal[Flights] | None = None,
    ) -> None:
        self.flights = LoopLocal(Flights) if flights is None else flights
        self._store = store
        self._counters = counters
        self._copier = copier
        self._reachable = True

    def over(self, store: Store) -> ReadThrough:
        """The same flow, sharing its flights, over another namespace's store."""
        return ReadThrough(store, self._counters, self._copier, self.flights)

    async def uncached(self, key: str, loader: Loader, plan: Plan) -> object:
        """Load without the cache: nothing is looked up, shared or stored."""
        return await run_loader(loader, plan.options.hard_timeout, key)

    async def get_or_load(self, key: str, loader: Loader, plan: Plan) -> object:
        """The fresh value of `key`, loaded when there is none. Raises what the loader raises, LoadTimeoutError."""
        options = plan.options
        me = (id(self._store), key)
        if not options.enabled or me in loading.get():
            return await self.uncached(key, loader, plan)
        refresh_ms = options.refresh_ahead * 1000
        value = self._store.hit(key, refresh_ms)
        if value is not MISSING:
            self._counters.hits += 1
            return value
        flights = self.flights.get()
        found: Found | None = None
        while True:
            flight = flights.get(key)
            if flight is None or flight.background:
                found = await self._fetch(key, plan)
                value = await self._serve(key, found, loader, plan)
                if value is not MISSING:
                    self._counters.hits += 1
                    return value
                flight = flights.get(key)
            if flight is None:
                self._counters.misses += 1
                return await self._lead(key, found, loader, plan)
            value = await flight.join()
            if value is not HANDED_OVER:
                self._counters.misses += 1
                self._counters.joined += 1
                return value

    async def refresh(self, key: str, loader: Loader, plan: Plan) -> object:
        """Load now whatever the store holds, store the result and give it."""
        found = await self._fetch(key, plan)
        return await self._lead(key, found, loader, plan)

    # -- before a change, and after it ---------------------------------------------------------------------------

    def detach_keys(self, keys: Iterable[str]) -> None:
        """Nothing that these keys' loads under way give will be stored."""
        for flights in self.flights.every():
            flights.detach_keys(keys)

    def detach(self, concerned: Callable[[str, frozenset[str]], bool]) -> None:
        """Nothing that the concerned loads under way (by key and tags) give will be stored."""
        for flights in self.flights.every():
            flights.detach(concerned)

    # -- the steps ------------------------------------------------------------------------------------------------

    async def _fetch(self, key: str, plan: Plan) -> Found | None:
        """What the store says; None when it can't be asked."""
        try:
            found = await self._store.fetch(key, plan.tags)
        except _UNREACHABLE as error:
            self._unreachable(error)
            return None
        if not self._reachable:
            self._reachable = True
            _log.info("the cache answers again")
        return found

    async def _serve(self, key: str, found: Found | None, loader: Loader, plan: Plan) -> object:
        """The value when it may be served (a refresh is then under way if it is due), else MISSING."""
        if found is None or found.entry is None:
            return MISSING
        verdict = judge(found.entry, self._store.now_ms(), plan.options.refresh_ahead * 1000)
        if verdict is Verdict.STALE:
            return MISSING
        value = self._store.open(found.entry)
        if verdict is Verdict.FRESH or value is MISSING or self.flights.get().get(key) is not None:
            return value
        self._counters.refreshes += 1
        if not plan.attached:
            self._depart(key, found, loader, plan, background=True)
            return value
        try:
            return await self._lead(key, found, loader, plan)
        except Exception as error:  # noqa: BLE001 (the value at hand is fresh; the load may fail)
            _log.warning("a refresh ahead of expiry failed: %s", type(error).__name__)
            return value

    async def _lead(self, key: str, found: Found | None, loader: Loader, plan: Plan) -> object:
        if not plan.attached:
            return await asyncio.shield(self._depart(key, found, loader, plan).future)
        flights = self.flights.get()
        flight = flights.lead(key, plan.tags)
        mark = loading.set(loading.get() | {(id(self._store), key)})
        try:
            value = await self._load(flight, found, loader, plan)
        except asyncio.CancelledError:
            flights.land(flight, HANDED_OVER)
            raise
        except BaseException as error:
            flights.land(flight, error=error)
            raise
        finally:
            loading.reset(mark)
        flights.land(flight, value)
        return value

    def _depart(self, key: str, found: Found | None, loader: Loader, plan: Plan, *, background: bool = False) -> Flight:
        """Start a load in a task of its own."""
        flights = self.flights.get()
        flight = flights.lead(key, plan.tags, background=background)
        context = Context() if plan.options.context == "clean" else copy_context()
        context.run(loading.set, loading.get() | {(id(self._store), key)})
        flights.start(self._fly(flights, flight, found, loader, plan), context)
        return flight

    async def _fly(self, flights: Flights, flight: Flight, found: Found | None, loader: Loader, plan: Plan) -> None:
        try:
            value = await self._load(flight, found, loader, plan)
        except asyncio.CancelledError:
            flights.land(flight, error=CacheClosedError(f"the cache was closed while {flight.key!r} was loaded"))
            raise
        except BaseException as error:  # noqa: BLE001 (whatever it is, it belongs to those who wait)
            flights.land(flight, error=error)
        else:
            flights.land(flight, value)

    async def _load(self, flight: Flight, found: Found | None, loader: Loader, plan: Plan) -> object:
        """Capture, load, store. Raises what the loader raises, and SerializationError for what can't be stored."""
        capture = await self._capture(found, plan)
        try:
            value = await run_loader(loader, plan.options.hard_timeout, flight.key)
        except BaseException:
            self._counters.load_failures += 1
            await self._release(flight.key, found)
            raise
        self._counters.loads += 1
        if not await self._store_loaded(flight, found, capture, value, plan.options):
            await self._release(flight.key, found)
        if flight.joiners and not plan.options.share:
            try:
                flight.copy = self._copier(value)
            except SerializationError:
                flight.copy = None  # nothing that was to be stored; such results are shared as they are
        return value

    async def _capture(self, found: Found | None, plan: Plan) -> Capture | None:
        if found is None or found.capture.complete:
            return None if found is None else found.capture
        try:
            return await self._store.capture(found.capture, plan.tags, plan.options.ttl)
        except _UNREACHABLE as error:
            self._unreachable(error)
            return None

    async def _store_loaded(
        self, flight: Flight, found: Found | None, capture: Capture | None, value: object, options: Options
    ) -> bool:
        """Store a loaded value if it may be; whether it was."""
        ttl = options.ttl_of(value)
        if found is None or capture is None or not ttl:
            return False
        if options.store_if is not None and not options.store_if(value):
            return False
        if flight.detached:
            return False
        draft = Draft(
            value,
            jittered(ttl, options.ttl_jitter, random.random()),  # noqa: S311 (jitter, not a secret)
            tuple(capture.tags),
            plain_integers=False,
            share=options.share,
        )
        try:
            stored = await self._store.replace(flight.key, found.identity, draft, capture)
        except ValueTooLargeError as error:
            _log.warning("a loaded value was not stored: %s", error)
            return False
        except _UNREACHABLE as error:
            self._unreachable(error)
            return False
        self._counters.sets += stored
        return stored

    async def _release(self, key: str, found: Found | None) -> None:
        if found is not None and found.entry is None:
            try:
                await self._store.release(key, found.identity)
            except _UNREACHABLE as error:
                self._unreachable(error)

    def _unreachable(self, error: CacheError) -> None:
        self._counters.errors += 1
        if self._reachable:
            self._reachable = False
            _log.warning("the cache can't be asked, values are loaded without it: %s", error)
