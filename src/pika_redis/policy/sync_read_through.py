"""The read-through flow for synchronous callers, over a store whose verbs never wait (memory).

The same steps and rules as `read_through`; flights are shared between threads, a load runs in the thread of the
caller that leads, and joiners wait for its landing. A refresh ahead of expiry runs in a thread of its own, of which
there is a bounded number: beyond it the value at hand, which is fresh, is served without a refresh.
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context, copy_context
from typing import TypeVar

from ..errors import ArgumentTypeError, LoadFailedError
from ..model.counters import Counters
from ..model.entry import Found, Hold
from ..model.missing import MISSING
from ..storage.store import Store
from .flights import HANDED_OVER, entered, is_loading, loading
from .loader import Loader
from .loading import Job, Loads, Plan, value_of
from .rules.freshness import Verdict, judge
from .sync_flights import SyncFlight, SyncFlights

__all__ = ["SyncReadThrough", "finish"]

_log = logging.getLogger("pika_redis")
T = TypeVar("T")


def finish(verb: Coroutine[object, object, T]) -> T:
    """The result of a coroutine that never waits. Raises RuntimeError when it does."""
    try:
        verb.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    verb.close()
    raise RuntimeError("a store that must not wait did wait")


class SyncReadThrough:
    """The flow over one store that never waits."""

    def __init__(
        self,
        store: Store,
        counters: Counters,
        copier: Callable[[object], Callable[[], object]],
        flights: SyncFlights | None = None,
    ) -> None:
        self._store = store
        self._counters = counters
        self._copier = copier
        self._loads = Loads(store, counters, copier)
        self._flights = SyncFlights() if flights is None else flights

    def over(self, store: Store) -> SyncReadThrough:
        """The same flow, sharing its flights, over another namespace's store."""
        return SyncReadThrough(store, self._counters, self._copier, self._flights)

    def get_or_load(self, key: str, loader: Loader, plan: Plan) -> object:
        """The fresh value of `key`, loaded when there is none. Raises what the loader raises, LoadTimeoutError."""
        if not plan.options.enabled or is_loading(self._counters, key):
            return value_of(_call(loader, key))
        options = plan.options
        value = self._store.hit(key, options.refresh_ahead * 1000, share=options.share)
        while value is MISSING:
            found = finish(self._store.fetch(key, plan.tags))
            verdict, value = self._judged(found, plan)
            if verdict in (Verdict.REFRESH, Verdict.REVALIDATE):
                self._counters.stale += verdict is Verdict.REVALIDATE
                value = self._refresh_behind(key, found, value, loader, plan)
            elif verdict in (Verdict.SPARE, Verdict.STALE):
                answer = self._or_spare(
                    Job(self._flight(key, plan), found, loader, plan, 0.0, value is not MISSING), value
                )
                if answer is not HANDED_OVER:
                    return answer
                value = MISSING
        self._counters.hits += 1
        return value

    def refresh(self, key: str, loader: Loader, plan: Plan) -> object:
        """Load now whatever the store holds, store the result and give it. Loads that began before are not stored."""
        if not plan.options.enabled or is_loading(self._counters, key):
            return value_of(_call(loader, key))
        self.detach_keys((key,))
        while True:
            found = finish(self._store.fetch(key, plan.tags))
            job = Job(self._flight(key, plan), found, loader, plan, 0.0)
            with self._flights.lock:
                self._flights.lead(job.flight)
            value = self._fly(job)
            if value is not HANDED_OVER:
                return value

    def detach_keys(self, keys: Iterable[str]) -> None:
        """Nothing that these keys' loads under way give will be stored; later callers lead anew."""
        with self._flights.lock:
            self._flights.detach_keys(keys)

    def detach(self, concerned: Callable[[str, frozenset[str]], bool]) -> None:
        """Nothing that the concerned loads under way give will be stored; later callers lead anew."""
        with self._flights.lock:
            self._flights.detach(concerned)

    # -- the steps ------------------------------------------------------------------------------------------------

    def _judged(self, found: Found, plan: Plan) -> tuple[Verdict, object]:
        """The verdict, and the value that may be served by it at once or in an emergency."""
        if found.entry is None:
            return Verdict.STALE, MISSING
        verdict = judge(found.entry, self._store.now_ms(), plan.options.windows)
        value = MISSING if verdict is Verdict.STALE else self._store.open(found.entry, share=plan.options.share)
        return (Verdict.STALE, MISSING) if value is MISSING else (verdict, value)

    def _or_spare(self, job: Job[SyncFlight], spare: object) -> object:
        """What the load gives; when it fails, the value that is spared for it, if any."""
        try:
            return self._load_or_join(job)
        except Exception as error:
            if spare is MISSING:
                raise
            if not isinstance(error, LoadFailedError):  # of that one was told when it failed
                _log.warning("a value past its time is served, since its load failed: %r", error)
        self._counters.stale += 1
        return spare

    def _load_or_join(self, job: Job[SyncFlight]) -> object:
        """The result of the load under way, or of this one, which then begins; `HANDED_OVER` = look again."""
        options = job.plan.options
        with self._flights.lock:
            flight = self._flights.get(job.flight.key)
            if flight is not None:
                flight.joiners += 1
            elif self._has_changed(job):
                return HANDED_OVER
            else:
                self._flights.lead(job.flight)
        if flight is None:
            self._counters.misses += 1
            return self._fly(job)
        value = flight.join(min(options.soft_timeout, options.hard_timeout) if job.spare else options.hard_timeout)
        if value is not HANDED_OVER:
            self._counters.misses += 1
            self._counters.joined += 1
        return value

    def _refresh_behind(self, key: str, found: Found, value: object, loader: Loader, plan: Plan) -> object:
        """The value at hand; a load of the next one has begun unless there is one already."""
        flights = self._flights
        job = Job(self._flight(key, plan, background=True), found, loader, plan, 0.0, spare=True)
        with flights.lock:
            if flights.get(key) is not None or self._has_changed(job):
                return value
            if not plan.attached and not flights.begin_refresh():
                return value
            flights.lead(job.flight)
        hold = self._begin(job)
        if hold is None:
            self._land(job.flight, HANDED_OVER)
            if not plan.attached:
                flights.end_refresh()
            return value
        self._counters.refreshes += 1
        if plan.attached:
            self._try(job, hold)
            landed = job.flight
            return value if landed.error is not None or landed.value is HANDED_OVER else landed.value
        context = Context() if plan.options.context == "clean" else copy_context()
        work = functools.partial(context.run, self._refresh, job, hold)
        try:
            threading.Thread(target=work, name="pika-redis refresh", daemon=True).start()
        except RuntimeError:  # no thread to be had: too many, or the interpreter ends
            flights.end_refresh()
            self._land(job.flight, HANDED_OVER)
        return value

    def _refresh(self, job: Job[SyncFlight], hold: Hold) -> None:
        """The work of a thread of our own."""
        try:
            self._try(job, hold)
        finally:
            self._flights.end_refresh()

    def _try(self, job: Job[SyncFlight], hold: Hold) -> None:
        """Load while there is something to serve; when that fails, it goes on to be served."""
        try:
            self._fly(job, hold)
        except Exception as error:  # noqa: BLE001 (whatever it is, nobody asked for this load)
            _log.warning("the refresh of %r failed", job.flight.key, exc_info=error)

    def _has_changed(self, job: Job[SyncFlight]) -> bool:
        """Whether the key is no longer as it was seen: a flight may have landed in between. Under the lock."""
        assert job.found is not None
        return finish(self._store.fetch(job.flight.key, ())).identity != job.found.identity

    def _flight(self, key: str, plan: Plan, *, background: bool = False) -> SyncFlight:
        return SyncFlight(self._counters, key, plan.tags, plan.options.hard_timeout, background=background)

    def _fly(self, job: Job[SyncFlight], hold: Hold | None = None) -> object:
        """Load and land."""
        flight = job.flight
        around = loading.get()
        loading.set(entered(flight))
        try:
            value = self._load(job, hold)
        except Exception as error:
            self._land(flight, error=error)
            raise
        except BaseException:  # meant for this thread alone
            self._land(flight, HANDED_OVER)
            raise
        finally:
            loading.set(around)
        self._land(flight, value, share=job.plan.options.share or value is HANDED_OVER)
        if flight.wants_again:
            self._load_again(job)
        return value

    def _land(
        self, flight: SyncFlight, value: object = None, error: Exception | None = None, *, share: bool = True
    ) -> None:
        """End a flight. First nobody can join any more, then those who did get copies, if any did."""
        with self._flights.lock:
            self._flights.leave(flight)
        self._loads.prepare_copies(flight, value, share=share)
        flight.settle(value, error)
        flight.landing.set()

    def _begin(self, job: Job[SyncFlight]) -> Hold | None:
        """The right to load; None: look again, or serve the value at hand. Raises LoadFailedError."""
        assert job.found is not None
        try:
            return finish(self._store.begin(job.flight.key, job.found, self._loads.terms(job)))
        except LoadFailedError:
            if not job.flight.background:
                raise
            return None  # it rests after a failure

    def _load(self, job: Job[SyncFlight], hold: Hold | None) -> object:
        """Capture, load, store. Raises what the loader raises, and SerializationError for what can't be stored."""
        hold = hold or self._begin(job)
        if hold is None:
            return HANDED_OVER
        try:
            result = _call(job.loader, job.flight.key)
        except BaseException as error:
            self._counters.load_failures += 1
            if isinstance(error, Exception):
                finish(self._loads.failed(job, hold))
            else:
                finish(self._loads.release(job.flight.key, hold))
            raise
        self._counters.loads += 1
        return finish(self._loads.end(job, hold, result))

    def _load_again(self, job: Job[SyncFlight]) -> None:
        """Load what could not be stored, because its tags were known too late; now they are."""
        found = finish(self._store.fetch(job.flight.key, job.plan.tags))
        self._refresh_behind(job.flight.key, found, None, job.loader, job.plan)


def _call(loader: Loader, key: str) -> object:
    value = loader()
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise ArgumentTypeError(f"the loader of {key!r} is async: a synchronous caller needs a plain function")
    return value
