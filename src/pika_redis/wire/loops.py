"""State that belongs to one event loop: connections, flights.

Strategy. A service may be used from several event loops, in several threads, in `asyncio.run` after `asyncio.run`,
and in a process that forks. Futures and sockets belong to the loop that made them, so each loop gets its own state,
made at first use. What must hold:

1. Looking the state up costs one comparison while the loop stays the same.
2. A loop that ends takes its state with it, also when nobody called `aclose`. `asyncio.run` and every
   `asyncio.Runner` end with `loop.shutdown_asyncgens()`; an async generator that waits at its `yield` and closes the
   state in its `finally` is therefore a hook on the end of the loop. It needs no reference from the user and leaves
   no warning about unclosed transports. Loops that are closed without it are swept when the next state is made.
3. Nothing survives a fork: a child that used its parent's socket would read its parent's replies. The child forgets
   all state without touching it (closing an asyncio transport would edit the epoll set that it shares with its
   parent), keeps the abandoned objects alive so that no destructor runs, and closes the copied sockets.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Generic, Protocol, TypeVar

from ..errors import CacheClosedError
from ..model.forks import forget_after_fork

__all__ = ["LoopLocal", "LoopState"]


class LoopState(Protocol):
    """What a `LoopLocal` keeps."""

    async def aclose(self) -> None:
        """Close within the loop that made the state."""

    def abandon(self) -> None:
        """In a forked child, or when the loop is closed: let go of the sockets without talking to anyone."""


StateT = TypeVar("StateT", bound=LoopState)

_left_behind: list[object] = []


class LoopLocal(Generic[StateT]):
    """One state a running event loop, made by `make(loop)` at first use."""

    __slots__ = ("__weakref__", "_closed", "_keepers", "_last", "_lock", "_make", "_states")

    def __init__(self, make: Callable[[asyncio.AbstractEventLoop], StateT]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._closed = False
        self._states: dict[asyncio.AbstractEventLoop, StateT] = {}
        self._keepers: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}
        self._last: tuple[asyncio.AbstractEventLoop | None, StateT | None] = (None, None)
        forget_after_fork(self)

    def get(self) -> StateT:
        """The state of the running loop. Raises RuntimeError outside a loop, CacheClosedError after `aclose`."""
        loop = asyncio.get_running_loop()
        last_loop, state = self._last
        if last_loop is loop and state is not None:
            return state
        return self._switch(loop)

    def every(self) -> list[StateT]:
        """The states of all loops."""
        with self._lock:
            return list(self._states.values())

    async def aclose(self) -> None:
        """Close the state of the running loop here, and that of every other loop in its own thread."""
        here = asyncio.get_running_loop()
        with self._lock:
            self._closed = True
            states = dict(self._states)
        for loop, state in states.items():
            if loop is here:
                await self._end(loop)
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._end(loop), loop))
            else:
                self._forget(loop)
                state.abandon()

    def _switch(self, loop: asyncio.AbstractEventLoop) -> StateT:
        if self._closed:
            raise CacheClosedError("the service is closed; make a new one")
        with self._lock:
            state = self._states.get(loop)
            if state is None:
                closed = [other for other in self._states if other.is_closed()]
                state = self._states[loop] = self._make(loop)
                self._keep(loop)
            else:
                closed = []
            self._last = (loop, state)
        for other in closed:
            left = self._forget(other)
            if left is not None:
                left.abandon()
        return state

    def _keep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the generator whose end is the end of the loop."""
        keeper = self._keeper(loop)
        self._keepers[loop] = keeper
        try:
            keeper.asend(None).send(None)  # runs to its `yield`: the loop's hooks now know it
        except StopIteration:
            pass

    async def _keeper(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self._end(loop)

    async def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        state = self._forget(loop)
        if state is not None:
            await state.aclose()

    def _forget(self, loop: asyncio.AbstractEventLoop) -> StateT | None:
        with self._lock:
            self._keepers.pop(loop, None)
            if self._last[0] is loop:
                self._last = (None, None)
            return self._states.pop(loop, None)

    def forget_all_after_fork(self) -> None:
        """In the child: leave the parent's sockets alone and start without state."""
        _left_behind.append((self._states, self._keepers))
        for state in self._states.values():
            state.abandon()
        self._lock = threading.Lock()
        self._states, self._keepers = {}, {}
        self._last = (None, None)
