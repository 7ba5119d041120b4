"""State that belongs to one event loop: connections, flights.

Strategy. A service may be used from several event loops, in several threads, in `asyncio.run` after `asyncio.run`,
and in a process that forks. Futures and sockets belong to the loop that made them, so each loop gets its own state,
made at first use. What must hold:

1. Looking the state up costs one comparison while the loop stays the same.
2. A loop that ends takes its state with it, also when nobody called `aclose`. `asyncio.run` and every
   `asyncio.Runner` end with `loop.shutdown_asyncgens()`; an async generator that waits at its `yield` and closes the
   state in its `finally` is therefore a hook on the end of the loop. It needs no reference from the user and leaves
   no warning about unclosed transports. A loop that was closed without it is swept when the next state is made.
3. Nothing survives a fork: a child that used its parent's socket would read its parent's replies. The child forgets
   all state without touching it (closing an asyncio transport would edit the epoll set that it shares with its
   parent) and lets go of the copied sockets. The objects are kept until the process ends, so that no destructor runs.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from threading import get_ident
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakSet

from ..errors import CacheClosedError
from ..model.forks import forget_after_fork

__all__ = ["LoopLocal", "LoopState"]

_GLANCE = 0.1  # seconds between looks at whether another thread's loop still runs


class LoopState(Protocol):
    """What a `LoopLocal` keeps."""

    async def aclose(self) -> None:
        """Close within the loop that made the state."""

    def abandon(self) -> None:
        """In a forked child, or when the loop is closed: let go of the sockets without talking to anyone."""


StateT = TypeVar("StateT", bound=LoopState)

_left_behind: list[object] = []


class _NoLoop:
    _thread_id = None


_NO_LOOP: Any = _NoLoop()
_NOTHING: Any = (_NO_LOOP, None, _NO_LOOP)


class LoopLocal(Generic[StateT]):
    """One state a running event loop, made by `make(loop)` at first use."""

    __slots__ = (
        "__weakref__",
        "_all",
        "_closed",
        "_ended",
        "_ending",
        "_keepers",
        "_lock",
        "_make",
        "_states",
        "last",
    )

    def __init__(self, make: Callable[[asyncio.AbstractEventLoop], StateT]) -> None:
        self._make = make
        self._closed = False
        self._begin()
        forget_after_fork(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[asyncio.AbstractEventLoop, StateT] = {}
        self._all: Sequence[StateT] = ()
        self._keepers: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}
        self._ending: dict[asyncio.AbstractEventLoop, asyncio.Future[None]] = {}
        self._ended: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
        self.last: tuple[asyncio.AbstractEventLoop, StateT, Any] = _NOTHING
        """A loop, its state, and the loop again if it is one of asyncio's own, which knows its thread.

        For who can't spare the frame of `get`.
        """

    def get(self) -> StateT:
        """The state of the running loop.

        Raises RuntimeError outside a loop, CacheClosedError after `aclose` and at the end of the loop.
        """
        running = asyncio.get_running_loop()
        loop, state, _ = self.last
        return state if loop is running else self._switch(running)

    if sys.version_info < (3, 12):  # there the question which loop runs is a system call, in each hit

        def get(self) -> StateT:
            """The state of the running loop: a loop of asyncio's own knows in which thread it runs, if it does.

            Loops nested in one thread, which asyncio forbids, are not told apart.
            """
            loop, state, told = self.last
            if told._thread_id == get_ident():  # noqa: SLF001
                return state
            running = asyncio.get_running_loop()
            return state if loop is running else self._switch(running)

    def every(self) -> Sequence[StateT]:
        """The states of all loops."""
        return self._all

    async def aclose(self) -> None:
        """Close the state of the running loop here, and that of every other loop in its own thread."""
        here = asyncio.get_running_loop()
        with self._lock:
            self._closed = True
            others = [loop for loop in self._states if loop is not here]
        await self._end(here)
        for loop in others:
            await self._end_elsewhere(loop)

    async def _end_elsewhere(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let another loop end its state, and wait while it runs; a loop that rests does it when it runs again."""
        ended = asyncio.Event()
        here = asyncio.get_running_loop()

        def tell(_: object) -> None:
            with suppress(RuntimeError):  # this loop was closed meanwhile: nobody waits
                here.call_soon_threadsafe(ended.set)

        def end() -> None:
            loop.create_task(self._end(loop), name="pika-redis close").add_done_callback(tell)

        try:
            loop.call_soon_threadsafe(end)
        except RuntimeError:  # that loop was closed
            self._sweep()
            return
        while loop.is_running() and not ended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_GLANCE):
                    await ended.wait()

    async def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close the state of this loop, or wait until whoever does it is done."""
        state = self._forget(loop)
        if state is None:
            if loop in self._ending:
                await asyncio.wait({self._ending[loop]})
            return
        self._ending[loop] = done = loop.create_future()
        try:
            await state.aclose()
        finally:
            del self._ending[loop]
            done.set_result(None)

    # -- beginning ---------------------------------------------------------------------------------------------

    def _switch(self, loop: asyncio.AbstractEventLoop) -> StateT:
        state = self._states.get(loop)
        if state is None:
            self._sweep()
            state = self._start(loop)
        self.last = (loop, state, loop if isinstance(loop, asyncio.BaseEventLoop) else _NO_LOOP)
        return state

    def _start(self, loop: asyncio.AbstractEventLoop) -> StateT:
        with self._lock:
            if self._closed:
                raise CacheClosedError("the service is closed; make a new one")
            if loop in self._ended:
                raise CacheClosedError("the event loop is ending, and its share of the cache has ended")
            state = self._states[loop] = self._make(loop)
            self._all = tuple(self._states.values())
        self._keep(loop)
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
            self._ended.add(loop)
            await self._end(loop)
            self._keepers.pop(loop, None)

    # -- forgetting --------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Let go of what loops left that were closed without warning."""
        with self._lock:
            closed = [loop for loop in self._states if loop.is_closed()]
        for loop in closed:
            state = self._forget(loop)
            self._keepers.pop(loop, None)
            if state is not None:
                state.abandon()

    def _forget(self, loop: asyncio.AbstractEventLoop) -> StateT | None:
        with self._lock:
            if self.last[0] is loop:
                self.last = _NOTHING
            state = self._states.pop(loop, None)
            self._all = tuple(self._states.values())
            return state

    def forget_all_after_fork(self) -> None:
        """In the child: leave the parent's sockets alone and start without state."""
        _left_behind.append((self._states, self._keepers, self._ending))
        for state in self._states.values():
            state.abandon()
        self._begin()
