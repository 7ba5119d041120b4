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

from ..errors import CacheClosedError, SerializationError, ValueTooLargeError
from ..model.counters import Counters
from ..model.entry import Capture, Draft, Found
from ..model.missing import MISSING
from ..storage.store import Store
from ..wire.loops import LoopLocal
from .flights import HANDED_OVER, Flight, Flights, entered, is_loading, loading
from .loader import Loader, run_loader, within
from .outage import UNREACHABLE, Outage
from .rules.freshness import Verdict, jittered, judge
from .rules.options import Options

__all__ = ["Plan", "ReadThrough", "draft_of"]

_log = logging.getLogger("pika_redis")


@dataclass(frozen=True, slots=True)
class Plan:
    """How one call wants its value: resolved options, the entry's tags, and whether its load must stay in its task."""

    options: Options
    tags: tuple[str, ...] = ()
    attached: bool = False


def draft_of(value: object, options: Options, tags: tuple[str, ...]) -> Draft | None:
    """A loaded value on its way into the store; None when it is not to be stored."""
    ttl = options.ttl_of(value)
    if not ttl or (options.store_if is not None and not options.store_if(value)):
        return None
    life = jittered(ttl, options.ttl_jitter, random.random())  # noqa: S311 (jitter, not a secret)
    return Draft(value, life, tags, plain_integers=False, share=options.share)


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
        self._asking = Outage(
            counters, "the cache can't be asked, values are loaded without it", "the cache answers again"
        )
        self._storing = Outage(counters, "loaded values can't be stored", "loaded values are stored again")

    def over(self, store: Store) -> ReadThrough:
        """The same flow, sharing its flights, over another namespace's store."""
        return ReadThrough(store, self._counters, self._copier, self.flights)

    async def uncached(self, key: str, loader: Loader, plan: Plan) -> object:
        """Load without the cache: nothing is looked up, shared or stored."""
        return await run_loader(loader, plan.options.hard_timeout, key)

    async def get_or_load(self, key: str, loader: Loader, plan: Plan) -> object:
        """The fresh value of `key`, loaded when there is none. Raises what the loader raises, LoadTimeoutError."""
        options = plan.options
        if not options.enabled or is_loading(self._counters, key):
            return await self.uncached(key, loader, plan)
        value = self._store.hit(key, options.refresh_ahead * 1000)
        if value is not MISSING:
            self._counters.hits += 1
            return value
        flights = self.flights.get()
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
                    return await self._lead(self._flight(key, plan), found, loader, plan)
            value = await self._join(flight, options.hard_timeout)
            if value is not HANDED_OVER:
                self._counters.misses += 1
                self._counters.joined += 1
                return value

    async def refresh(self, key: str, loader: Loader, plan: Plan) -> object:
        """Load now whatever the store holds, store the result and give it. Loads that began before are not stored."""
        if not plan.options.enabled or is_loading(self._counters, key):
            return await self.uncached(key, loader, plan)
        self.detach_keys((key,))
        found = await self._fetch(key, plan)
        return await self._lead(self._flight(key, plan), found, loader, plan)

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
        except UNREACHABLE as error:
            self._asking.failed(error)
            return None
        self._asking.worked()
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
        flight = self._flight(key, plan, background=True)
        if not plan.attached:
            self._depart(flight, found, loader, plan)
            return value
        await self._stay(flight, found, loader, plan)
        return flight.value if flight.error is None else value

    async def _join(self, flight: Flight, hard_timeout: float) -> object:
        if hard_timeout >= flight.hard_timeout:
            return await flight.join()
        return await within(hard_timeout, flight.key, flight.join())

    def _flight(self, key: str, plan: Plan, *, background: bool = False) -> Flight:
        flight = Flight(self._counters, key, plan.tags, plan.options.hard_timeout, background=background)
        self.flights.get().lead(flight)
        return flight

    async def _lead(self, flight: Flight, found: Found | None, loader: Loader, plan: Plan) -> object:
        """The result of a flight that begins: in a task of its own, or in this one when it is attached."""
        if not plan.attached:
            self._depart(flight, found, loader, plan)
            return await flight.wait()
        await self._stay(flight, found, loader, plan)
        return flight.result()

    def _depart(self, flight: Flight, found: Found | None, loader: Loader, plan: Plan) -> None:
        """Start a load in a task of its own."""
        context = Context() if plan.options.context == "clean" else copy_context()
        context.run(loading.set, entered(flight))
        self.flights.get().start(self._fly(flight, found, loader, plan), context)

    async def _stay(self, flight: Flight, found: Found | None, loader: Loader, plan: Plan) -> None:
        """Load in the task of the caller."""
        around = loading.get()
        loading.set(entered(flight))
        try:
            await self._fly(flight, found, loader, plan)
        finally:
            loading.set(around)  # no token: a request that is thrown away may end in another context

    async def _fly(self, flight: Flight, found: Found | None, loader: Loader, plan: Plan) -> None:
        """Load and land. Raises only what is meant for the task itself: that it is cancelled, that all shall end."""
        flights = self.flights.get()
        task = asyncio.current_task()
        cancels = 0 if task is None else task.cancelling()
        try:
            value = await self._load(flights, flight, found, loader, plan)
        except asyncio.CancelledError as error:
            if task is None or task.cancelling() <= cancels:  # nobody cancelled us: it is the loader's own answer
                flights.land(flight, error=error)
                return
            if plan.attached:
                flights.land(flight, HANDED_OVER)
            else:
                flights.land(flight, error=CacheClosedError(f"the cache was closed while {flight.key!r} was loaded"))
            raise
        except GeneratorExit:
            flights.land(flight, HANDED_OVER)
            raise
        except (KeyboardInterrupt, SystemExit) as error:
            flights.land(flight, error=error)
            raise
        except BaseException as error:  # noqa: BLE001 (whatever it is, it belongs to those who wait)
            if flight.background:
                _log.warning("the refresh of %r ahead of its expiry failed", flight.key, exc_info=error)
            flights.land(flight, error=error)
        else:
            flights.land(flight, value)

    async def _load(self, flights: Flights, flight: Flight, found: Found | None, loader: Loader, plan: Plan) -> object:
        """Capture, load, store. Raises what the loader raises, and SerializationError for what can't be stored."""
        stored = False
        try:
            capture = await self._capture(found, plan)
            try:
                value = await run_loader(loader, plan.options.hard_timeout, flight.key)
            except BaseException:
                self._counters.load_failures += 1
                raise
            self._counters.loads += 1
            if found is not None and capture is not None:
                draft = draft_of(value, plan.options, plan.tags)
                stored = draft is not None and await self._store_loaded(flight, found.identity, draft, capture)
        finally:
            if not stored and found is not None and found.entry is None and not flights.has_successor(flight):
                await self._release(flight.key, found.identity)
        if flight.joiners and not plan.options.share:
            try:
                flight.copy = self._copier(value)
            except SerializationError:
                flight.copy = None  # nothing that was to be stored; such results are shared as they are
        return value

    async def _capture(self, found: Found | None, plan: Plan) -> Capture | None:
        """The nonces to store under; None when nothing can be stored."""
        if found is None or (found.capture.complete and not plan.tags):
            return None if found is None else found.capture
        try:
            return await self._store.capture(found.capture, plan.tags, plan.options.ttl)
        except UNREACHABLE as error:
            self._storing.failed(error)
            return None

    async def _store_loaded(self, flight: Flight, identity: bytes, draft: Draft, capture: Capture) -> bool:
        """Store a loaded value unless the key changed meanwhile; whether it was stored."""
        if flight.detached:  # from here to the store's command on its way nothing waits: no change can come between
            return False
        try:
            stored = await self._store.replace(flight.key, identity, draft, capture)
        except ValueTooLargeError as error:
            _log.warning("the value loaded for %r was not stored: %s", flight.key, error)
            return False
        except (*UNREACHABLE, CacheClosedError) as error:
            self._storing.failed(error)
            return False
        self._storing.worked()
        self._counters.sets += stored
        return stored

    async def _release(self, key: str, identity: bytes) -> None:
        try:
            await self._store.release(key, identity)
        except (*UNREACHABLE, CacheClosedError) as error:
            self._storing.failed(error)
