"""The read-through flow: look, judge, serve; or lead a flight and load.

One request, top to bottom::

    hit      what this process holds fresh is served without waiting
    join     a load of the key that is under way is waited for
    fetch    else the store is asked: entry, identity, current nonces
    judge    FRESH: serve.  REFRESH, REVALIDATE: serve, and load again in the background.  Else:
    lead     take the load upon us and do it (`loading`); another process has it: wait for its end, and look again

A value that is past its time may be spared for an emergency (`stale_if_error`): it is served when the load fails, or
takes longer than `soft_timeout`, and then the load goes on in the background. What was invalidated is never spared.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context, copy_context
from dataclasses import replace
from functools import partial

from ..errors import CacheClosedError, LoadFailedError, LoadTimeoutError, OverloadedError
from ..model.counters import Counters
from ..model.entry import Found
from ..model.missing import MISSING
from ..storage.store import Store
from ..wire.loops import LoopLocal
from .flights import HANDED_OVER, Flight, Flights, entered, is_loading, loading
from .loader import Loader, run_loader, within
from .loading import Job, Loads, Plan, value_of
from .outage import UNREACHABLE, Outage
from .rules.freshness import Verdict, judge
from .rules.options import Options

__all__ = ["Plan", "ReadThrough"]

_log = logging.getLogger("pika_redis")


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
        self._hit = store.hit  # a bound method that is held is called faster than one that is looked up
        self._counters = counters
        self._copier = copier
        self._loads = Loads(store, counters, copier)
        self._asking = Outage(
            counters, "the cache can't be asked, values are loaded without it", "the cache answers again"
        )

    def over(self, store: Store) -> ReadThrough:
        """The same flow, sharing its flights, over another namespace's store."""
        return ReadThrough(store, self._counters, self._copier, self.flights)

    async def uncached(self, key: str, loader: Loader, plan: Plan) -> object:
        """Load without the cache: nothing is looked up, shared or stored."""
        return value_of(await run_loader(loader, plan.options.hard_timeout, key))

    def hit(self, key: str, options: Options) -> object:
        """The value that this process holds fresh, counted as a hit; else MISSING."""
        if options.strict or not options.enabled or is_loading(self._counters, key):
            return MISSING
        value = self._hit(key, options.refresh_ahead * 1000, options.share)
        if value is not MISSING:
            self._counters.hits += 1
        return value

    async def get_or_load(self, key: str, loader: Loader, plan: Plan) -> object:
        """The fresh value of `key`, loaded when there is none; what `hit` gives was looked for before.

        Raises what the loader raises, LoadTimeoutError, LoadFailedError, OverloadedError.
        """
        options = plan.options
        if not options.enabled or is_loading(self._counters, key):
            return await self.uncached(key, loader, plan)
        ends = time.monotonic() + options.hard_timeout
        flights = self.flights.get()
        while True:
            flight, found = flights.get(key), None
            if flight is None or flight.background or options.stale_if_error:
                found = await self._fetch(key, plan)
                value = await self.serve(key, found, loader, plan)
                if value is not MISSING:
                    self._counters.hits += 1
                    return value
                flight = flights.get(key)
            spare = self._spare(found, plan)
            if flight is None:
                job = Job(self._flight(key, plan), found, loader, plan, ends - time.monotonic())
                value = await self._lead_in_turn(job, spare)
            else:
                value = await self._join(flight, spare, plan)
            if value is not HANDED_OVER:
                self._counters.misses += 1
                return value
            if time.monotonic() >= ends:
                raise LoadTimeoutError(f"{key!r} was not loaded elsewhere within {options.hard_timeout:g} s")

    async def refresh(self, key: str, loader: Loader, plan: Plan) -> object:
        """Load now whatever the store holds, store the result and give it. Loads that began before are not stored."""
        if not plan.options.enabled or is_loading(self._counters, key):
            return await self.uncached(key, loader, plan)
        ends = time.monotonic() + plan.options.hard_timeout
        self.detach_keys((key,))
        while True:
            found = await self._fetch(key, plan)
            value = await self._lead(
                Job(self._flight(key, plan), found, loader, plan, ends - time.monotonic()), MISSING
            )
            if value is not HANDED_OVER:
                return value
            if time.monotonic() >= ends:
                raise LoadTimeoutError(f"{key!r} was not loaded within {plan.options.hard_timeout:g} s")

    # -- for batches --------------------------------------------------------------------------------------------

    async def look_many(self, keys: Sequence[str], plan: Plan) -> Sequence[Found | None]:
        """What the store says of several keys; all None when it can't be asked, or is not to be."""
        if not plan.options.enabled:
            return [None] * len(keys)
        try:
            founds = await self._store.fetch_many(keys)
        except UNREACHABLE as error:
            if plan.options.raises:
                raise
            self._asking.failed(error)
            return [None] * len(keys)
        if founds and founds[0].cut is not None and plan.options.raises:
            raise founds[0].cut
        self._asking.worked()
        return founds

    async def lead_at_once(self, key: str, found: Found | None, loader: Loader, plan: Plan) -> object:
        """Load what was looked at just now; `HANDED_OVER` when somebody else loads it, or it changed since."""
        if not plan.options.enabled or is_loading(self._counters, key):
            return await self.uncached(key, loader, plan)
        if self.flights.get().get(key) is not None:
            return HANDED_OVER
        job = Job(self._flight(key, plan), found, loader, plan, 0.0)
        value = await self._lead(job, self._spare(found, plan))
        self._counters.misses += value is not HANDED_OVER
        return value

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
            found = await self._store.fetch(key, plan.tags, strict=plan.options.strict)
        except UNREACHABLE as error:
            if plan.options.raises:
                raise
            self._asking.failed(error)
            return None
        if found.cut is not None and plan.options.raises:
            raise found.cut
        self._asking.worked()
        return found

    def _judge(self, found: Found | None, plan: Plan) -> Verdict:
        if found is None or found.entry is None:
            return Verdict.STALE
        return judge(found.entry, self._store.now_ms(), plan.options.windows)

    async def serve(self, key: str, found: Found | None, loader: Loader, plan: Plan) -> object:
        """The value when it may be served (a refresh is then under way if it is due), else MISSING."""
        verdict = self._judge(found, plan)
        if found is None or found.entry is None or verdict in (Verdict.STALE, Verdict.SPARE):
            return MISSING
        value = self._store.open(found.entry, share=plan.options.share)
        if verdict is Verdict.FRESH or value is MISSING:
            return value
        self._counters.stale += verdict is Verdict.REVALIDATE
        if self.flights.get().get(key) is not None:
            return value
        job = Job(self._flight(key, plan, background=True), found, loader, plan, 0.0, spare=True)
        if not plan.attached:
            self._depart(job)
            return value
        await self._stay(job)
        return value if job.flight.error is not None or job.flight.value is HANDED_OVER else job.flight.value

    def _spare(self, found: Found | None, plan: Plan) -> object:
        """The value past its time that may be served in an emergency, or MISSING."""
        if found is None or found.entry is None or self._judge(found, plan) is not Verdict.SPARE:
            return MISSING
        return self._store.open(found.entry, share=plan.options.share)

    async def _lead_in_turn(self, job: Job[Flight], spare: object) -> object:
        """Lead a flight, which others may join at once, when there is room for one more."""
        flights, flight, began = self.flights.get(), job.flight, time.monotonic()
        soft = math.inf if spare is MISSING else job.plan.options.soft_timeout
        try:
            patience = max(0.0, min(job.patience, soft))
            flight.entered = not flight.in_batch and await flights.door.enter(patience, flight.key, (flight,))
        except OverloadedError as error:
            if spare is not MISSING:
                flights.land(flight, HANDED_OVER)  # who joined may have more patience
                self._counters.stale += 1
                return spare
            flights.land(flight, error=error)
            raise
        except BaseException:  # the caller goes away
            flights.land(flight, HANDED_OVER)
            raise
        waited = time.monotonic() - began
        job.patience -= waited
        return await self._lead(job, spare, soft - waited)

    async def _lead(self, job: Job[Flight], spare: object, soft: float | None = None) -> object:
        """The result of a flight that begins: in a task of its own, or in this one when it is attached."""
        job.patience, job.spare = max(0.0, job.patience), spare is not MISSING
        if job.plan.attached:
            await self._stay(job)
        else:
            self._depart(job)
        return await self._or_spare(job.flight.wait, spare, job.plan.options.soft_timeout if soft is None else soft)

    async def _join(self, flight: Flight, spare: object, plan: Plan) -> object:
        join = partial(flight.join, strict=plan.options.strict)
        waiting = self._or_spare(join, spare, plan.options.soft_timeout)
        if plan.options.hard_timeout < flight.hard_timeout:
            waiting = within(plan.options.hard_timeout, flight.key, waiting)
        value = await waiting
        self._counters.joined += value is not HANDED_OVER
        return value

    async def _or_spare(self, wait: Callable[[], Awaitable[object]], spare: object, soft: float) -> object:
        """What the flight gives; when that is an error or takes too long, the value that is spared for it, if any."""
        if spare is MISSING:
            return await wait()
        limit = asyncio.timeout(None if math.isinf(soft) else soft)
        try:
            async with limit:
                return await wait()
        except Exception as error:  # noqa: BLE001 (whatever it is, the value at hand is better)
            if not limit.expired() and not isinstance(error, LoadFailedError):  # of that one was told when it failed
                _log.warning("a value past its time is served, since its load failed: %r", error)
        self._counters.stale += 1
        return spare

    def _flight(self, key: str, plan: Plan, *, background: bool = False) -> Flight:
        flight = Flight(self._counters, key, plan.tags, plan.options.hard_timeout, background=background)
        self.flights.get().lead(flight)
        return flight

    def _depart(self, job: Job[Flight]) -> None:
        """Start a load in a task of its own."""
        context = Context() if job.plan.options.context == "clean" else copy_context()
        context.run(loading.set, entered(job.flight))
        flights = self.flights.get()
        flights.start(job.flight, self._fly(flights, job), context)

    async def _stay(self, job: Job[Flight]) -> None:
        """Load in the task of the caller."""
        around = loading.get()
        loading.set(entered(job.flight))
        try:
            await self._fly(self.flights.get(), job)
        finally:
            loading.set(around)  # no token: a request that is thrown away may end in another context

    async def _fly(self, flights: Flights, job: Job[Flight]) -> None:
        """Load and land. Raises only what is meant for the task itself: that it is cancelled, that all shall end."""
        flight, attached = job.flight, job.plan.attached
        task = asyncio.current_task()
        cancels = 0 if task is None else task.cancelling()
        try:
            value = await self._loads.run(flights, job)
        except asyncio.CancelledError as error:
            if task is None or task.cancelling() <= cancels:  # nobody cancelled us: it is the loader's own answer
                flights.land(flight, error=error)
                return
            gone = CacheClosedError(f"the load of {flight.key!r} was cancelled, as happens when the cache is closed")
            flights.land(flight, HANDED_OVER if attached else None, None if attached else gone)
            raise
        except GeneratorExit as error:
            if attached:  # the request is thrown away
                flights.land(flight, HANDED_OVER)
                raise
            flights.land(flight, error=RuntimeError(f"the loader raised {error!r}"))
        except (KeyboardInterrupt, SystemExit) as error:
            flights.land(flight, error=error)
            raise
        except BaseException as error:  # noqa: BLE001 (whatever it is, it belongs to those who wait)
            if flight.background:
                _log.warning("the refresh of %r failed", flight.key, exc_info=error)
            flights.land(flight, error=error)
        else:
            self._counters.refreshes += flight.background and value is not HANDED_OVER
            flights.land(flight, value)
            if flight.wants_again and not attached:
                await self._load_again(job)

    async def _load_again(self, job: Job[Flight]) -> None:
        """Load what could not be stored, because its tags were known too late; now they are."""
        found = await self._fetch(job.flight.key, job.plan)
        if found is not None and self.flights.get().get(job.flight.key) is None:
            flight = self._flight(job.flight.key, job.plan, background=True)
            self._depart(replace(job, flight=flight, found=found, patience=0.0, spare=True))
