"""Flights: at most one load of a key at a time in one event loop.

Strategy. Who finds nothing to serve *leads*: it registers a flight and its load runs. Who comes while the load runs
*joins*: it waits for the flight's future. What must hold:

1. Cancelling a caller never cancels the load for others. A load runs in a task of its own; callers wait behind a
   shield. An *attached* load (one that uses request-scoped arguments) must run in its leader's task; when that is
   cancelled the flight is handed over: its joiners start anew, and the first of them leads with its own arguments.
2. A failure reaches every joiner at once; nobody repeats the load in turn.
3. An invalidation *detaches* the flights it concerns at once: whoever joined may have the result, which was asked for
   before the invalidation returned; nothing of it is stored, and whoever comes later leads a new flight.
4. A loader that asks for its own key runs through (`loading`), or it would wait for itself.
5. Each joiner gets a copy of a mutable result, made before anyone has the original.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context, ContextVar

__all__ = ["HANDED_OVER", "Flight", "Flights", "loading"]

HANDED_OVER = object()
"""The result of a flight whose leader went away: its joiners start anew."""

loading: ContextVar[frozenset[tuple[int, str]]] = ContextVar("pika_redis_loading", default=frozenset())
"""What the current context is loading: (id of the flow, key)."""


class Flight:
    """One load under way."""

    __slots__ = ("background", "copy", "detached", "future", "joiners", "key", "tags")

    def __init__(self, key: str, tags: Iterable[str], future: asyncio.Future[object], background: bool) -> None:
        self.key = key
        self.tags = frozenset(tags)
        self.background = background
        """A refresh while the old value is still served: only who has nothing to serve joins."""
        self.future = future
        self.detached = False
        self.joiners = 0
        self.copy: Callable[[], object] | None = None
        """Gives a joiner its own copy; None while the result itself may be given to all."""

    async def join(self) -> object:
        """Wait for the result; gives `HANDED_OVER` when the leader went away. Raises what the load raised."""
        self.joiners += 1
        value = await asyncio.shield(self.future)
        return value if self.copy is None or value is HANDED_OVER else self.copy()


class Flights:
    """The flights of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._flights: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, key: str) -> Flight | None:
        """The flight of a key that may be joined."""
        return self._flights.get(key)

    def lead(self, key: str, tags: Iterable[str], *, background: bool = False) -> Flight:
        """Register a flight. The caller must `land` it."""
        flight = self._flights[key] = Flight(key, tags, self._loop.create_future(), background)
        return flight

    def start(self, work: Coroutine[object, object, None], context: Context) -> None:
        """Run a load in a task of its own."""
        task = self._loop.create_task(work, context=context, name="pika-redis load")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def land(self, flight: Flight, value: object = None, error: BaseException | None = None) -> None:
        """End a flight: joiners get the value or the error, later callers find none."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        if flight.future.done():
            return
        if error is None:
            flight.future.set_result(value)
        else:
            flight.future.set_exception(error)
            flight.future.exception()  # if nobody waits any more, that is no fault to report

    def detach(self, concerned: Callable[[str, frozenset[str]], bool]) -> None:
        """Let go of flights, chosen by key and tags, whose result must not be stored. From any thread."""
        for flight in list(self._flights.values()):
            if concerned(flight.key, flight.tags):
                self._let_go(flight)

    def detach_keys(self, keys: Iterable[str]) -> None:
        """Let go of the flights of these keys. From any thread."""
        flights = self._flights
        if flights:
            for key in keys:
                flight = flights.get(key)
                if flight is not None:
                    self._let_go(flight)

    def _let_go(self, flight: Flight) -> None:
        flight.detached = True
        self._flights.pop(flight.key, None)

    async def aclose(self) -> None:
        """Cancel the loads under way and wait for their end."""
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        self._flights.clear()

    def abandon(self) -> None:
        """In a forked child: the loads belong to the parent."""
        self._flights = {}
        self._tasks = set()
