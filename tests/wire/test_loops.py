"""State that belongs to a loop: whichever loop runs in this thread gets its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from pika_redis.wire.loops import LoopLocal

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
try:
    import uvloop
except ModuleNotFoundError:
    pass
else:
    LOOPS.append(uvloop.new_event_loop)


class State:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    async def aclose(self) -> None: ...

    def abandon(self) -> None: ...


@pytest.fixture
def local() -> LoopLocal[State]:
    return LoopLocal(State)


def used_in(loop: asyncio.AbstractEventLoop, local: LoopLocal[State]) -> asyncio.AbstractEventLoop:
    """The loop whose state is given in this loop, asked several times."""

    async def use() -> set[asyncio.AbstractEventLoop]:
        return {local.get().loop for _ in range(3)}

    (found,) = loop.run_until_complete(use())
    return found


@pytest.mark.parametrize("make", LOOPS)
@pytest.mark.parametrize("other", LOOPS)
def test_loops_that_take_turns_in_a_thread_have_each_their_own(
    local: LoopLocal[State],
    make: Callable[[], asyncio.AbstractEventLoop],
    other: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    loops = [make(), other()]
    for loop in loops * 3:
        assert used_in(loop, local) is loop
        with pytest.raises(RuntimeError, match="no running event loop"):
            local.get()
    for loop in loops:
        loop.close()


@pytest.mark.parametrize("make", LOOPS)
def test_a_loop_that_moved_to_another_thread_is_not_taken_for_the_one_that_runs_here(
    local: LoopLocal[State], make: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    moved, here = make(), make()
    assert used_in(moved, local) is moved
    runs = threading.Event()
    moved.call_soon(runs.set)
    thread = threading.Thread(target=moved.run_forever)
    thread.start()
    assert runs.wait(60)
    with pytest.raises(RuntimeError, match="no running event loop"):
        local.get()
    assert used_in(here, local) is here
    found = asyncio.run_coroutine_threadsafe(_get(local), moved).result(60)
    assert found.loop is moved
    assert used_in(here, local) is here
    moved.call_soon_threadsafe(moved.stop)
    thread.join()
    for loop in (moved, here):
        loop.close()


async def _get(local: LoopLocal[State]) -> State:
    return local.get()
