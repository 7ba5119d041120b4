"""The read-through flow for synchronous callers, over a store whose verbs never wait (memory).

The same steps and rules as `read_through`; flights are shared between threads, a load runs in the thread of the
caller that leads, and joiners wait on an event. A refresh ahead of expiry runs in a thread of its own.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context, copy_context
from typing import TypeVar

from ..errors import LoadTimeoutError, SerializationError, ValueTooLargeError
from ..model.counters import Counters
from ..model.entry import Draft, Found
from ..model.forks import forget_after_fork
from ..model.missing import MISSING
from ..storage.store import Store
from .flights import loading
from .loader import Loader
from .read_through import Plan
from .rules.freshness import Verdict, jittered, judge

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


class _Flight:
    """One load under way in some thread."""

    __slots__ = ("copy", "error", "joiners", "landed", "tags", "value")

    def __init__(self, tags: Iterable[str]) -> None:
        self.tags = frozenset(tags)
        self.landed = threading.Event()
        self.value: object = None
        self.error: BaseException | None = None
        self.copy: Callable[[], object] | None = None
        self.joiners = 0


class SyncReadThrough:
    """The flow over one store that never waits."""

    def __init__(self, store: Store, counters: Counters, copier: Callable[[object], Callable[[], object]]) -> None:
        self._store = store
        self._counters = counters
        self._copier = copier
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}
        forget_after_fork(self)

    def get_or_load(self, key: str, loader: Loader, plan: Plan) -> object:
        """The fresh value of `key`, loaded when there is none. Raises what the loader raises, LoadTimeoutError."""
        options = plan.options
        if not options.enabled or (id(self._store), key) in loading.get():
            return loader()
        value = self._store.hit(key, options.refresh_ahead * 1000)
        if value is not MISSING:
            self._counters.hits += 1
            return value
        with self._lock:
            found = finish(self._store.fetch(key, plan.tags))
            verdict, value = self._judged(found, plan)
            under_way = self._flights.get(key)
            if verdict is Verdict.FRESH or (verdict is Verdict.REFRESH and under_way is not None):
                self._counters.hits += 1
                return value
            flight = under_way
            if flight is None:
                flight = self._flights[key] = _Flight(plan.tags)
            else:
                flight.joiners += 1
        if under_way is not None:
            return self._join(flight, key, options.hard_timeout)
        if verdict is Verdict.STALE:
            self._counters.misses += 1
            return self._fly(flight, key, found, loader, plan)
        self._counters.hits += 1
        self._counters.refreshes += 1
        if plan.attached:
            return self._refreshed(flight, key, found, loader, plan)
        context = Context() if options.context == "clean" else copy_context()
        threading.Thread(
            target=context.run,
            args=(self._refreshed, flight, key, found, loader, plan),
            name="pika-redis refresh",
            daemon=True,
        ).start()
        return value

    def refresh(self, key: str, loader: Loader, plan: Plan) -> object:
        """Load now whatever the store holds, store the result and give it."""
        found = finish(self._store.fetch(key, plan.tags))
        with self._lock:
            flight = self._flights[key] = _Flight(plan.tags)
        return self._fly(flight, key, found, loader, plan)

    def detach_keys(self, keys: Iterable[str]) -> None:
        """Later callers of these keys lead anew."""
        with self._lock:
            for key in keys:
                self._flights.pop(key, None)

    def detach(self, concerned: Callable[[str, frozenset[str]], bool]) -> None:
        """Later callers of the concerned keys lead anew."""
        with self._lock:
            for key, flight in list(self._flights.items()):
                if concerned(key, flight.tags):
                    del self._flights[key]

    def forget_all_after_fork(self) -> None:
        """The loads under way belong to the parent."""
        self._lock = threading.Lock()
        self._flights = {}

    def _judged(self, found: Found, plan: Plan) -> tuple[Verdict, object]:
        if found.entry is None:
            return Verdict.STALE, MISSING
        verdict = judge(found.entry, self._store.now_ms(), plan.options.refresh_ahead * 1000)
        value = MISSING if verdict is Verdict.STALE else self._store.open(found.entry)
        return (Verdict.STALE, MISSING) if value is MISSING else (verdict, value)

    def _join(self, flight: _Flight, key: str, hard_timeout: float) -> object:
        if not flight.landed.wait(None if math.isinf(hard_timeout) else hard_timeout):
            raise LoadTimeoutError(f"the load of {key!r} took longer than {hard_timeout:g} s")
        self._counters.misses += 1
        self._counters.joined += 1
        if flight.error is not None:
            raise flight.error
        return flight.value if flight.copy is None else flight.copy()

    def _refreshed(self, flight: _Flight, key: str, found: Found, loader: Loader, plan: Plan) -> object:
        """Load ahead of expiry; when that fails, what is at hand is still fresh."""
        try:
            return self._fly(flight, key, found, loader, plan)
        except Exception as error:  # noqa: BLE001 (nobody waits for this load)
            _log.warning("a refresh ahead of expiry failed: %s", type(error).__name__)
            return None if found.entry is None else self._store.open(found.entry)

    def _fly(self, flight: _Flight, key: str, found: Found, loader: Loader, plan: Plan) -> object:
        mark = loading.set(loading.get() | {(id(self._store), key)})
        try:
            flight.value = value = self._load(flight, key, found, loader, plan)
            return value
        except BaseException as error:
            flight.error = error
            raise
        finally:
            loading.reset(mark)
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]
            flight.landed.set()

    def _load(self, flight: _Flight, key: str, found: Found, loader: Loader, plan: Plan) -> object:
        options = plan.options
        capture = finish(self._store.capture(found.capture, plan.tags, options.ttl))
        try:
            value = loader()
        except BaseException:
            self._counters.load_failures += 1
            finish(self._store.release(key, found.identity))
            raise
        self._counters.loads += 1
        ttl = options.ttl_of(value)
        stored = False
        if ttl and (options.store_if is None or options.store_if(value)):
            life = jittered(ttl, options.ttl_jitter, random.random())  # noqa: S311 (jitter, not a secret)
            draft = Draft(value, life, plan.tags, plain_integers=False, share=options.share)
            try:
                stored = finish(self._store.replace(key, found.identity, draft, capture))
            except ValueTooLargeError as error:
                _log.warning("a loaded value was not stored: %s", error)
        self._counters.sets += stored
        if not stored:
            finish(self._store.release(key, found.identity))
        if flight.joiners and not options.share:
            try:
                flight.copy = self._copier(value)
            except SerializationError:
                flight.copy = None
        return value
