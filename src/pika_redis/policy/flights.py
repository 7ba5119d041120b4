"""Flights: at most one load of a key at a time in one event loop.

Strategy. Who finds nothing to serve *leads*: it registers a flight and its load runs. Who comes while the load runs
*joins*: it waits until the flight lands. What must hold:

0. Who joined before the loader was called may always have its result. Who came later may have begun after another
   process's invalidation returned, and gets it only if the store found nothing changed; else it looks again, all of
   its kind in one look (`storage.unsent`). When the store is on its way nobody can join any more: its answer would tell
   nothing of what happened since.
1. Cancelling a caller never cancels the load for others. A load runs in a task of its own; every caller waits on a
   future of its own. An *attached* load (one that uses request-scoped arguments) must run in its leader's task; when
   that is cancelled the flight is handed over: its joiners start anew, and the first of them leads with its own
   arguments.
2. A failure reaches every joiner at once; nobody repeats the load in turn.
3. An invalidation *detaches* the flights it concerns at once: whoever joined may have the result, which was asked for
   before the invalidation returned; nothing of it is stored, its lease is given back so that no other process waits
   for it, and whoever comes later leads a new flight.
4. A loader that asks for its own key runs through (`is_loading`), or it would wait for itself. What a loader leaves
   behind, such as a task that goes on, is no longer part of the load once the flight has landed.
5. Each joiner gets a copy of a mutable result, made before anyone has the original.
6. So many flights at a time (`door`). One more is registered and may be joined, but waits for a place, which is its own
   until it lands. When a load joins it that has a place, it goes in at once: they could wait for each other.

What is not prevented: two loads that wait for each other's keys, or a loader that waits for other code which asks for
the loader's key. Both end with the hard timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from contextvars import Context, ContextVar
from functools import partial
from types import TracebackType
from typing import NoReturn

from ..errors import CacheClosedError
from .room import MOST_FLIGHTS, Guest, Room

__all__ = ["HANDED_OVER", "Flight", "Flights", "Load", "entered", "is_loading", "loading"]

_GOODBYE = 10.0  # seconds that `aclose` waits for loaders which do not want to end
HANDED_OVER = object()
"""The result of a flight whose leader went away: its joiners start anew."""


class Load(Guest):
    """A load of a key that is under way, and what came of it."""

    __slots__ = (
        "background", "confirmed", "copy", "detached", "error", "family", "joiners", "key", "landed", "proven", "tags",
        "trace", "value", "wants_again",
    )  # fmt: skip

    def __init__(self, family: object, key: str, tags: Iterable[str], *, background: bool = False) -> None:
        super().__init__()
        self.family = family
        """One object for all flows of a service: the same key in another service is another load."""
        self.key = key
        self.tags = frozenset(tags)
        self.background = background
        """A refresh while the old value is still served: only who has nothing to serve joins."""
        self.detached = False
        self.confirmed = False
        """Whether nothing is known to be invalidated since the load began: who came late may have its result too."""
        self.proven = False
        """Whether the server said so behind the load: then so may who wants to be strict."""
        self.wants_again = False
        """Whether the result could not be stored for a reason that a load right after this one won't meet."""
        self.joiners = 0
        self.landed = False
        self.value: object = None
        self.error: BaseException | None = None
        self.trace: TracebackType | None = None
        self.copy: Callable[[], object] | None = None
        """Gives a joiner its own copy; None while the result itself may be given to all."""

    def settle(self, value: object, error: BaseException | None) -> None:
        """Note what came of it."""
        self.value, self.error = value, error
        if error is not None:
            self.trace = error.__traceback__
        self.landed = True

    def result(self) -> object:
        """The result itself. Raises what the load raised."""
        if self.error is not None:
            raise self.error.with_traceback(self.trace)  # or the traceback would grow with every caller
        return self.value

    def share(self) -> object:
        """The result for one who joined. Raises what the load raised."""
        value = self.result()
        return value if self.copy is None or value is HANDED_OVER else self.copy()


loading: ContextVar[tuple[Load, ...]] = ContextVar("pika_redis_loading", default=())
"""The loads that the current context is part of; those that have landed meanwhile don't count."""


def is_loading(family: object, key: str) -> bool:
    """Whether the code that runs now is part of a load of this key."""
    loads = loading.get()
    return bool(loads) and any(one.key == key and one.family is family and not one.landed for one in loads)


def entered(load: Load) -> tuple[Load, ...]:
    """The value of `loading` within a load that begins here."""
    return (*[one for one in loading.get() if not one.landed], load)


class Flight(Load):
    """A load in one event loop, for which callers wait."""

    __slots__ = ("entered", "hard_timeout", "has_begun", "on_detached", "waiters")

    def __init__(
        self, family: object, key: str, tags: Iterable[str], hard_timeout: float, *, background: bool = False
    ) -> None:
        super().__init__(family, key, tags, background=background)
        self.hard_timeout = hard_timeout
        self.entered = False
        """Whether it has a place behind the door."""
        self.has_begun = False
        """Whether the loader was called: who joins from then on is late."""
        self.waiters: dict[asyncio.Future[None], None] = {}
        self.on_detached: Callable[[], None] | None = None
        """Called in the loop of the load when nothing of it is wanted any more while the loader runs."""

    async def wait(self) -> object:
        """Wait for the result itself, for who led. Raises what the load raised."""
        await self._landing()
        return self.result() if self.error is None else self._fail()

    async def join(self, *, strict: bool = False) -> object:
        """Wait for the result; `HANDED_OVER` = look again. Raises what the load raised.

        Who came late began after the load did, and perhaps after an invalidation elsewhere: it gets the result only if
        there was none, as far as can be told; `strict` = only if the server said so.
        """
        self.joiners += 1
        self.awaited()
        late = self.has_begun
        await self._landing()
        if self.error is not None:
            self._fail()
        if late and not (self.proven if strict else self.confirmed):
            return HANDED_OVER
        return self.share()

    def _fail(self) -> NoReturn:
        """Raise what the load raised, which the last one takes along: it knows the frames that it went through, these
        know the flight, and all of them, with their context, would keep each other alive.
        """
        error, trace = self.error, self.trace
        if not self.waiters:
            self.error = self.trace = None
        try:
            assert error is not None
            raise error.with_traceback(trace)
        finally:
            del error, trace

    async def _landing(self) -> None:
        if self.landed:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiters[waiter] = None
        try:
            await waiter
        finally:
            self.waiters.pop(waiter, None)


class Flights:
    """The flights of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._flights: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.room = Room()
        self.door = Room(MOST_FLIGHTS)
        """Who finds it shut waits with a flight that others may join, and has neither task nor lease yet."""

    def get(self, key: str) -> Flight | None:
        """The flight of a key that may be joined."""
        return self._flights.get(key)

    def lead(self, flight: Flight) -> None:
        """Register a flight that begins. The caller must `land` it. One that is under way is let go of."""
        before = self._flights.get(flight.key)
        if before is not None:
            self.let_go(before)
        self._flights[flight.key] = flight

    def start(self, flight: Flight, work: Coroutine[object, object, None], context: Context) -> None:
        """Run the load of a flight in a task of its own."""
        task = self._loop.create_task(work, context=context, name="pika-redis load")
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, flight))

    async def carry_through(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Do something to its end, also when who asked for it is cancelled meanwhile."""
        task = self._loop.create_task(work(), name="pika-redis ending")
        self.keep(task)
        await asyncio.shield(task)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold on to a task until it ends; closing waits for it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def land(self, flight: Flight, value: object = None, error: BaseException | None = None) -> None:
        """End a flight: who waits gets the value or the error, later callers find none."""
        self._forget(flight)
        flight.settle(value, error)
        if flight.entered:
            flight.entered = False
            self.door.leave()
        if self._loop.is_closed():
            return
        for waiter in flight.waiters:
            if not waiter.done():
                waiter.set_result(None)

    def detach(self, concerned: Callable[[str, frozenset[str]], bool]) -> None:
        """Let go of flights, chosen by key and tags, whose result must not be stored. From any thread."""
        for flight in list(self._flights.values()):
            if concerned(flight.key, flight.tags):
                self.let_go(flight)

    def detach_keys(self, keys: Iterable[str]) -> None:
        """Let go of the flights of these keys. From any thread."""
        flights = self._flights
        if flights:
            for key in keys:
                flight = flights.get(key)
                if flight is not None:
                    self.let_go(flight)

    async def aclose(self) -> None:
        """Cancel the loads under way and wait for their end."""
        here = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not here]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_GOODBYE)
        self._flights.clear()

    def abandon(self) -> None:
        """In a forked child, where the loads belong to the parent, or when the loop is closed."""
        self._flights = {}

    def close(self, flight: Flight) -> None:
        """Its result is on the way to the store: who comes from now on would come too late to be told of a change."""
        self._forget(flight)

    def let_go(self, flight: Flight) -> None:
        """What this flight gives must not be stored, and nobody may join it any more. From any thread."""
        flight.detached = True
        self._forget(flight)
        tell = flight.on_detached  # read once: the load may end in its own thread meanwhile
        if tell is not None:
            with suppress(RuntimeError):  # the loop was closed, and the load with it
                self._loop.call_soon_threadsafe(tell)

    def _forget(self, flight: Flight) -> None:
        if self._flights.get(flight.key) is flight:
            self._flights.pop(flight.key, None)

    def _ended(self, flight: Flight, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not flight.landed:  # it was cancelled before its first step
            self.land(flight, error=CacheClosedError(f"the load of {flight.key!r} was cancelled before it began"))
        if not task.cancelled():
            task.exception()  # whoever waited for the flight has it
