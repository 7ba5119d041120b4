"""The read-through flow for synchronous callers, over a store whose verbs never wait (memory).

The same steps and rules as `read_through`; flights are shared between threads, a load runs in the thread of the
caller that leads, and joiners wait for its landing. A refresh ahead of expiry runs in a thread of its own, of which
there is a bounded number: beyond it the value at hand, which is fresh, is served without a refresh.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context, copy_context
from typing import TypeVar

from ..errors import ArgumentTypeError, SerializationError, ValueTooLargeError
from ..model.counters import Counters
from ..model.entry import Capture, Draft, Found
from ..model.missing import MISSING
from ..storage.store import Store
from .flights import HANDED_OVER, entered, is_loading, loading
from .loader import Loader
from .read_through import Plan, draft_of
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
        self._flights = SyncFlights() if flights is None else flights

    def over(self, store: Store) -> SyncReadThrough:
        """The same flow, sharing its flights, over another namespace's store."""
        return SyncReadThrough(store, self._counters, self._copier, self._flights)

    def get_or_load(self, key: str, loader: Loader, plan: Plan) -> object:
        """The fresh value of `key`, loaded when there is none. Raises what the loader raises, LoadTimeoutError."""
        if not plan.options.enabled or is_loading(self._counters, key):
            return _call(loader, key)
        value = self._store.hit(key, plan.options.refresh_ahead * 1000)
        while value is MISSING:
            found = finish(self._store.fetch(key, plan.tags))
            verdict, value = self._judged(found, plan)
            if verdict is Verdict.REFRESH:
                value = self._refresh_ahead(key, found, value, loader, plan)
            elif verdict is Verdict.STALE:
                answer = self._load_or_join(key, found, loader, plan)
                if answer is not HANDED_OVER:
                    return answer
        self._counters.hits += 1
        return value

    def refresh(self, key: str, loader: Loader, plan: Plan) -> object:
        """Load now whatever the store holds, store the result and give it. Loads that began before are not stored."""
        if not plan.options.enabled or is_loading(self._counters, key):
            return _call(loader, key)
        self.detach_keys((key,))
        found = finish(self._store.fetch(key, plan.tags))
        with self._flights.lock:
            flight = self._flight(key, plan)
        return self._fly(flight, found, loader, plan)

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
        if found.entry is None:
            return Verdict.STALE, MISSING
        verdict = judge(found.entry, self._store.now_ms(), plan.options.refresh_ahead * 1000)
        value = MISSING if verdict is Verdict.STALE else self._store.open(found.entry)
        return (Verdict.STALE, MISSING) if value is MISSING else (verdict, value)

    def _load_or_join(self, key: str, found: Found, loader: Loader, plan: Plan) -> object:
        """The result of the load under way, or of one that begins here; `HANDED_OVER` = look again."""
        with self._flights.lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is not None:
                flight.joiners += 1
            elif self._has_changed(key, found):
                return HANDED_OVER
            else:
                flight = self._flight(key, plan)
        if leads:
            self._counters.misses += 1
            return self._fly(flight, found, loader, plan)
        value = flight.join(plan.options.hard_timeout)
        if value is not HANDED_OVER:
            self._counters.misses += 1
            self._counters.joined += 1
        return value

    def _refresh_ahead(self, key: str, found: Found, value: object, loader: Loader, plan: Plan) -> object:
        """The fresh value at hand; a load of the next one has begun unless there is one already."""
        flights = self._flights
        with flights.lock:
            if flights.get(key) is not None or self._has_changed(key, found):
                return value
            if not plan.attached and not flights.begin_refresh():
                return value
            flight = self._flight(key, plan)
        self._counters.refreshes += 1
        if plan.attached:
            self._try(flight, found, loader, plan)
            return value if flight.error is not None else flight.value
        context = Context() if plan.options.context == "clean" else copy_context()
        thread = threading.Thread(
            target=context.run,
            args=(self._refresh, flight, found, loader, plan),
            name="pika-redis refresh",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:  # no thread to be had: too many, or the interpreter ends
            flights.end_refresh()
            self._land(flight, HANDED_OVER)
        return value

    def _refresh(self, flight: SyncFlight, found: Found, loader: Loader, plan: Plan) -> None:
        """The work of a thread of our own."""
        try:
            self._try(flight, found, loader, plan)
        finally:
            self._flights.end_refresh()

    def _try(self, flight: SyncFlight, found: Found, loader: Loader, plan: Plan) -> None:
        """Load ahead of expiry; when that fails, what is at hand is still fresh."""
        try:
            self._fly(flight, found, loader, plan)
        except Exception as error:  # noqa: BLE001 (whatever it is, nobody asked for this load)
            _log.warning("the refresh of %r ahead of its expiry failed", flight.key, exc_info=error)

    def _has_changed(self, key: str, found: Found) -> bool:
        """Whether the key is no longer as it was seen: a flight may have landed in between. Under the lock."""
        return finish(self._store.fetch(key, ())).identity != found.identity

    def _flight(self, key: str, plan: Plan) -> SyncFlight:
        """A flight that begins. Under the lock."""
        flight = SyncFlight(self._counters, key, plan.tags, plan.options.hard_timeout)
        self._flights.lead(flight)
        return flight

    def _fly(self, flight: SyncFlight, found: Found, loader: Loader, plan: Plan) -> object:
        """Load and land."""
        around = loading.get()
        loading.set(entered(flight))
        try:
            value = self._load(flight, found, loader, plan)
        except Exception as error:
            self._land(flight, error=error)
            raise
        except BaseException:  # meant for this thread alone
            self._land(flight, HANDED_OVER)
            raise
        finally:
            loading.set(around)
        self._land(flight, value, share=plan.options.share)
        return value

    def _land(
        self, flight: SyncFlight, value: object = None, error: Exception | None = None, *, share: bool = True
    ) -> None:
        """End a flight. First nobody can join any more, then those who did get copies, if any did."""
        with self._flights.lock:
            self._flights.leave(flight)
        if flight.joiners and not share:
            try:
                flight.copy = self._copier(value)
            except SerializationError:
                flight.copy = None  # nothing that was to be stored; such results are shared as they are
        flight.settle(value, error)
        flight.landing.set()

    def _load(self, flight: SyncFlight, found: Found, loader: Loader, plan: Plan) -> object:
        """Capture, load, store. Raises what the loader raises, and SerializationError for what can't be stored."""
        stored = False
        try:
            capture = finish(self._store.capture(found.capture, plan.tags, plan.options.ttl))
            try:
                value = _call(loader, flight.key)
            except BaseException:
                self._counters.load_failures += 1
                raise
            self._counters.loads += 1
            draft = draft_of(value, plan.options, plan.tags)
            stored = draft is not None and self._store_loaded(flight, found.identity, draft, capture)
        finally:
            if not stored and found.entry is None and not self._flights.has_successor(flight):
                finish(self._store.release(flight.key, found.identity))
        return value

    def _store_loaded(self, flight: SyncFlight, identity: bytes, draft: Draft, capture: Capture) -> bool:
        """Store a loaded value unless the key changed meanwhile; whether it was stored."""
        if flight.detached:
            return False
        try:
            stored = finish(self._store.replace(flight.key, identity, draft, capture))
        except ValueTooLargeError as error:
            _log.warning("the value loaded for %r was not stored: %s", flight.key, error)
            return False
        self._counters.sets += stored
        return stored


def _call(loader: Loader, key: str) -> object:
    value = loader()
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise ArgumentTypeError(f"the loader of {key!r} is async: a synchronous caller needs a plain function")
    return value
