"""One load, from the right to it up to the store.

The nonces of tags and epoch are captured before the loader is called, never after: what is invalidated meanwhile is
then dead on arrival. What is stored is stored only if the key still has the identity seen before the load. A store
that can't be reached is no reason to fail: the value is loaded and given without being stored.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from ..errors import CacheClosedError, LoadFailedError, OverloadedError, SerializationError, ValueTooLargeError
from ..model.counters import Counters
from ..model.duration import to_seconds
from ..model.entry import Draft, Failure, Found, Hold, Outcome, Terms
from ..model.forks import forget_after_fork
from ..model.loaded import DO_NOT_STORE, Loaded
from ..storage.store import Store
from .flights import HANDED_OVER, Flight, Flights, Load
from .loader import Loader, run_loader
from .outage import UNREACHABLE, Outage
from .renewal import Renewal
from .rules.freshness import jittered
from .rules.options import Options

__all__ = ["Job", "Loads", "Plan", "draft_of", "value_of"]

_log = logging.getLogger("pika_redis")


@dataclass(slots=True)  # not frozen: one is made for each call, and setting frozen fields takes three times as long
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
    return Draft(
        value,
        life,
        tags,
        options.extra,
        plain_integers=False,
        share=options.share,
        degraded_ttl=options.degraded_ttl,
    )


FlightT = TypeVar("FlightT", bound=Load)


@dataclass(slots=True)  # not frozen, as above
class Job(Generic[FlightT]):
    """A load that is to be done."""

    flight: FlightT
    found: Found | None
    """What the store said before; None when it could not be asked."""
    loader: Loader
    plan: Plan
    patience: float
    """Seconds to wait for a load elsewhere."""
    spare: bool = False
    """Whether there is something to serve instead."""


class _Process:
    """By which name this process marks its failures."""

    def __init__(self) -> None:
        self.token = os.urandom(8)
        forget_after_fork(self)

    def forget_all_after_fork(self) -> None:
        self.token = os.urandom(8)


_process = _Process()
_MOST_LEARNT = 10_000
_LONGEST_LEASE = 60.0  # seconds


class Loads:
    """Loads over one store."""

    def __init__(self, store: Store, counters: Counters, copier: Callable[[object], Callable[[], object]]) -> None:
        self._store = store
        self._counters = counters
        self._copier = copier
        self._storing = Outage(counters, "loaded values can't be stored", "loaded values are stored again")
        self._learnt: dict[str, tuple[str, ...]] = {}  # tags that a key's loader named afterwards
        self._longer: dict[str, float] = {}  # seconds that the next lease of a key lives, after one was overslept

    async def run(self, flights: Flights, job: Job[Flight]) -> object:
        """The loaded value; `HANDED_OVER` when another process loads, or did: look again.

        Raises what the loader raises, LoadTimeoutError, LoadFailedError, OverloadedError, and SerializationError for
        what can't be stored.
        """
        flight, found = job.flight, job.found
        hold: Hold | None = None
        terms = self.terms(job)
        if found is not None:
            _refuse_after_failures(flight.key, found.failure)
            try:
                hold = await self._store.begin(flight.key, found, terms)
            except UNREACHABLE as error:
                self._storing.failed(error)
            except LoadFailedError:
                if not flight.background:
                    raise
                return HANDED_OVER  # it rests after a failure: the value at hand is served on
            else:
                if hold is None:
                    return HANDED_OVER
        flight.has_begun = True
        try:
            value = await self._call(flights, job, hold, terms.lease)
        except BaseException as error:
            self._counters.load_failures += 1
            if isinstance(error, Exception) and not isinstance(error, OverloadedError):
                await self.failed(job, hold)
            else:
                await self.release(flight.key, hold)
            raise
        self._counters.loads += 1
        flights.close(flight)
        value = await self.end(job, hold, value)
        self.prepare_copies(flight, value, share=job.plan.options.share)
        return value

    def prepare_copies(self, flight: Load, value: object, *, share: bool) -> None:
        """Those who joined get copies, if any did."""
        if flight.joiners and not share:
            try:
                flight.copy = self._copier(value)
            except SerializationError:
                flight.copy = None  # nothing that was to be stored; such results are shared as they are

    def terms(self, job: Job[Any]) -> Terms:
        """On which terms the load begins."""
        options = job.plan.options
        tags = job.plan.tags + self._learnt.get(job.flight.key, ())
        ttl = options.ttl + options.extra
        return Terms(tuple(dict.fromkeys(tags)), ttl, self._lease(job), job.patience, job.spare)

    def _lease(self, job: Job[Any]) -> float:
        """Seconds: longer for a key whose last lease ran out though its load went on."""
        return self._longer.get(job.flight.key, job.plan.options.lease)

    async def _call(self, flights: Flights, job: Job[Flight], hold: Hold | None, lease: float) -> object:
        options, flight, key = job.plan.options, job.flight, job.flight.key
        room = flights.room.place_of(flight, options.hard_timeout, key)
        if hold is None or not hold.renewable:
            async with room:
                return await run_loader(job.loader, options.hard_timeout, key)

        renewal = Renewal(lease, lambda: self._store.renew(key, hold, lease), lambda: flights.let_go(flight))
        try:
            with renewal:
                flight.on_detached = partial(renewal.give_back, lambda: self.release(key, hold))
                if flight.detached:  # before it began
                    flight.on_detached()
                async with room:
                    return await run_loader(job.loader, options.hard_timeout, key)
        finally:
            flight.on_detached = None
            self._remember(key, min(2 * lease, max(lease, _LONGEST_LEASE)) if renewal.overslept else None)

    def _remember(self, key: str, lease: float | None) -> None:
        """How long the next lease of the key is to live; None = as the options say."""
        if lease is None:
            self._longer.pop(key, None)
            return
        if len(self._longer) >= _MOST_LEARNT:
            self._longer.clear()
        self._longer[key] = lease

    # -- the end of a load --------------------------------------------------------------------------------------

    async def end(self, job: Job[Any], hold: Hold | None, result: object) -> object:
        """Store what is to be stored; gives the value for the callers."""
        flight, options, tags = job.flight, job.plan.options, job.plan.tags
        value, draft = value_of(result), None
        try:
            if isinstance(result, Loaded):
                named = tuple(result.tags)
                hold = await self._with_tags(job, hold, named)
                tags = tuple(dict.fromkeys(tags + named))
                draft = _draft_of_loaded(result, options, tags)
            elif result is not DO_NOT_STORE:
                draft = draft_of(value, options, tags)
        except BaseException:  # a wrong ttl in what was loaded, a `store_if` that raises
            await self.release(flight.key, hold)
            raise
        if hold is None:
            await self._compare(job, tags)
            return value
        if not hold.storable:
            await self.release(flight.key, hold)
            flight.wants_again = isinstance(result, Loaded) and not flight.detached and not flight.background
            return value
        outcome = await self._store_loaded(flight, hold, draft)
        flight.proven = outcome in (Outcome.STORED, Outcome.CURRENT)
        flight.confirmed = flight.proven or outcome is Outcome.PRESUMED
        return value

    async def _compare(self, job: Job[Any], tags: tuple[str, ...]) -> None:
        """Note whether a load without a lease or claim, as on a server that is full, was overtaken.

        Of a key that held nothing this can't be told: what nobody could mark may have been deleted meanwhile; nor of
        tags that the loader named, whose nonces nobody read before. When the server can't be asked, who came late may
        have the result, as others have what was loaded during an outage.
        """
        flight, before = job.flight, job.found
        if flight.detached or not flight.joiners:
            return
        if before is not None:
            try:
                now = await self._store.fetch(flight.key, job.plan.tags, strict=True)
                if now.cut is not None:
                    raise now.cut
            except (*UNREACHABLE, CacheClosedError) as error:
                self._storing.failed(error)
            else:
                unchanged = bool(before.identity) and before.identity == now.identity
                captured = before.capture == now.capture and now.capture.complete and tags == job.plan.tags
                flight.proven = unchanged and captured
                flight.confirmed = flight.proven
                return
        flight.confirmed = True

    async def _store_loaded(self, flight: Load, hold: Hold, draft: Draft | None) -> Outcome:
        """Store a loaded value unless something changed meanwhile."""
        if draft is None or flight.detached:  # from here to the store's command on its way nothing waits
            return await self.release(flight.key, hold)
        outcome = None
        try:
            outcome = await self._store.replace(flight.key, hold, draft)
        except ValueTooLargeError as error:
            _log.warning("the value loaded for %r was not stored: %s", flight.key, error)
        except (*UNREACHABLE, CacheClosedError) as error:
            self._storing.failed(error)
        finally:
            if outcome is None:
                await self.release(flight.key, hold)
        if outcome is None:
            return Outcome.UNSURE
        self._storing.worked()
        self._counters.sets += outcome in (Outcome.STORED, Outcome.DOUBTFUL, Outcome.PRESUMED)
        return outcome

    async def _with_tags(self, job: Job[Any], hold: Hold | None, named: tuple[str, ...]) -> Hold | None:
        """The hold with the nonces of tags that the loader named; not storable when one of them is too young."""
        if hold is None:
            return None
        if len(self._learnt) >= _MOST_LEARNT:
            self._learnt.clear()
        self._learnt[job.flight.key] = named
        try:
            return await self._store.extend(hold, job.plan.tags, named)
        except UNREACHABLE as error:
            self._storing.failed(error)
            return hold.forbidden()

    async def failed(self, job: Job[Any], hold: Hold | None) -> None:
        """Let the fleet know for a moment that the load failed."""
        if hold is None:
            return
        before = hold.failure if job.found is None or job.found.failure is None else job.found.failure
        mine = before is None or before.by == _process.token
        failure = Failure(_process.token, 1 if mine else 2)
        pause = jittered(job.plan.options.error_backoff, 0.5, random.random())  # noqa: S311 (jitter, not a secret)
        try:
            await self._store.fail(job.flight.key, hold, failure, pause)
        except (*UNREACHABLE, CacheClosedError) as trouble:
            self._storing.failed(trouble)

    async def release(self, key: str, hold: Hold | None) -> Outcome:
        """Nothing will be stored."""
        if hold is None:
            return Outcome.UNSURE
        try:
            return await self._store.release(key, hold)
        except (*UNREACHABLE, CacheClosedError) as error:
            self._storing.failed(error)
            return Outcome.UNSURE


def value_of(result: object) -> object:
    """What callers get of a loader's result."""
    if isinstance(result, Loaded):
        return result.value
    return None if result is DO_NOT_STORE else result


def _draft_of_loaded(loaded: Loaded[object], options: Options, tags: tuple[str, ...]) -> Draft | None:
    draft = draft_of(loaded.value, options, tags)
    if draft is None or loaded.ttl is None:
        return draft
    ttl = to_seconds(loaded.ttl, "Loaded.ttl")
    life = jittered(ttl, options.ttl_jitter, random.random())  # noqa: S311 (jitter, not a secret)
    return dataclasses.replace(draft, ttl=life) if ttl > 0 else None


def _refuse_after_failures(key: str, failure: Failure | None) -> None:
    if failure is not None and failure.processes > 1:
        raise LoadFailedError(f"the load of {key!r} failed in {failure.processes} processes a moment ago")
