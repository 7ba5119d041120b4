"""Event loops for the tests: one whose time is virtual, and both real ones."""

from __future__ import annotations

import asyncio
import functools
import inspect
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ParamSpec

import pytest
import uvloop

__all__ = ["VirtualLoop", "in_virtual_time", "on_both_loops", "settled", "turned"]

P = ParamSpec("P")
AsyncTest = Callable[P, Coroutine[Any, Any, None]]


class _Impatient(selectors.DefaultSelector):
    """Instead of waiting, it lets virtual time pass."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everybody waits, and nothing is scheduled")
        if not ready and timeout:
            self.loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer when there is nothing else to do. No I/O from outside."""

    def __init__(self) -> None:
        selector = _Impatient()
        selector.loop = self
        self.now = 1000.0
        super().__init__(selector)
        self.complaints: list[Mapping[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def time(self) -> float:
        return self.now

    @property
    def timers(self) -> int:
        """How many timers wait."""
        return sum(not handle.cancelled() for handle in self._scheduled)  # type: ignore[attr-defined]


def in_virtual_time(test: AsyncTest[P]) -> Callable[P, None]:
    """Run an async test on a `VirtualLoop`; what nobody caught fails it."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))
            loop = runner.get_loop()
            assert isinstance(loop, VirtualLoop)
            assert loop.complaints == []

    return run


LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on asyncio's loop and on uvloop; what nobody caught fails it."""

    @functools.wraps(test)
    def run(*args: Any, new_loop: Callable[[], asyncio.AbstractEventLoop], **kwargs: Any) -> None:
        complaints: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
            runner.run(test(*args, **kwargs))
        assert complaints == []

    signature = inspect.signature(test)
    extra = inspect.Parameter("new_loop", inspect.Parameter.KEYWORD_ONLY)
    vars(run)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), extra])
    both: Callable[..., None] = pytest.mark.parametrize("new_loop", LOOPS)(run)
    return both


async def settled(turns: int = 5) -> None:
    """Let the loop turn a few times."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def turned(condition: Callable[[], bool]) -> None:
    """Let the loop turn until a condition holds that the outside brings about."""
    while not condition():  # noqa: ASYNC110 (what is waited for has no event)
        await asyncio.sleep(0)
