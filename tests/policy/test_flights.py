"""Many callers, one load: who waits, who is cancelled, who gets which failure."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from typing import Any

import pytest

from pika_redis import CacheClosedError, LoadTimeoutError

from .stage import KEY, OTHER, Source, Stage, plan, settle

MANY = 1000


def crowd(stage: Stage, source: Source, size: int = MANY, **wanted: Any) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(stage.get(source, **wanted)) for _ in range(size)]


async def test_a_thousand_waiters_cause_one_load(stage: Stage) -> None:
    source = Source(shut=True)
    waiters = crowd(stage, source)
    await source.entered.wait()
    await settle()
    source.gate.set()
    assert await asyncio.gather(*waiters) == ["value"] * MANY
    assert source.calls == 1
    assert (stage.counters.loads, stage.counters.misses, stage.counters.joined) == (1, MANY, MANY - 1)
    assert stage.held() == "value"


async def test_a_cancelled_waiter_does_not_cancel_the_load(stage: Stage) -> None:
    source = Source(shut=True)
    waiters = crowd(stage, source, 3)
    await settle()
    waiters[1].cancel()
    await settle()
    assert waiters[1].cancelled()
    source.gate.set()
    assert await waiters[0] == await waiters[2] == "value"
    assert source.calls == 1


async def test_a_cancelled_leader_does_not_cancel_the_load(stage: Stage) -> None:
    source = Source(shut=True)
    leader, *others = crowd(stage, source, 3)
    await settle()
    leader.cancel()
    await settle()
    assert leader.cancelled()
    source.gate.set()
    assert await asyncio.gather(*others) == ["value"] * 2
    assert source.calls == 1


async def test_a_load_that_everybody_left_is_completed_and_stored(stage: Stage) -> None:
    source = Source(shut=True)
    waiters = crowd(stage, source, 3)
    await settle()
    for waiter in waiters:
        waiter.cancel()
    await settle()
    source.gate.set()
    await settle()
    assert stage.held() == "value"
    assert await stage.get(Source("another")) == "value"


async def test_a_timeout_of_a_waiter_is_its_own(stage: Stage) -> None:
    source = Source(shut=True)
    leader = asyncio.create_task(stage.get(source))
    await settle()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await stage.get(source)
    source.gate.set()
    assert await leader == "value"


async def test_a_failure_reaches_all_waiters_at_once_and_the_next_caller_loads_anew(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    failure = ValueError("no")
    source = Source(failure, shut=True)
    waiters = crowd(stage, source)
    await settle()
    source.gate.set()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert all(result is failure for result in results)
    assert source.calls == 1
    assert stage.counters.load_failures == 1
    assert caplog.records == []  # they all know
    assert not stage.shelf.leases
    assert await stage.get(Source("recovered")) == "recovered"


async def test_the_traceback_of_a_shared_failure_does_not_grow_with_its_waiters(stage: Stage) -> None:
    def depth(error: BaseException) -> int:
        trace, frames = error.__traceback__, 0
        while trace is not None:
            trace, frames = trace.tb_next, frames + 1
        return frames

    async def seen() -> int:
        try:
            await stage.get(source)
        except ValueError as error:
            return depth(error)
        raise AssertionError

    source = Source(ValueError("no"), shut=True)
    waiters = [asyncio.create_task(seen()) for _ in range(50)]
    await settle()
    source.gate.set()
    assert max(await asyncio.gather(*waiters)) < 20


async def test_a_failure_that_nobody_waits_for_is_no_noise(stage: Stage) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    source = Source(ValueError("no"), shut=True)
    waiters = crowd(stage, source, 2)
    await settle()
    for waiter in waiters:
        waiter.cancel()
    await settle()
    source.gate.set()
    await settle()
    del waiters, source
    gc.collect()
    assert complaints == []


async def test_a_loader_that_asks_for_its_own_key_runs_through(stage: Stage) -> None:
    depths: list[int] = []

    async def load() -> object:
        depths.append(len(depths))
        return "inner" if len(depths) > 1 else ["outer", await stage.get(load)]

    assert await stage.get(load) == ["outer", "inner"]
    assert depths == [0, 1]


async def test_a_loader_that_asks_for_its_own_key_through_another_runs_through(stage: Stage) -> None:
    calls: list[str] = []

    async def load_a() -> object:
        calls.append("a")
        return "a" if calls.count("a") > 1 else await stage.get(load_b, OTHER)

    async def load_b() -> object:
        calls.append("b")
        return ["b", await stage.get(load_a)]

    assert await stage.get(load_a) == ["b", "a"]
    assert calls == ["a", "b", "a"]


async def test_a_loader_in_a_thread_that_asks_for_its_own_key_runs_through(stage: Stage) -> None:
    calls: list[int] = []

    def load() -> object:
        calls.append(1)
        return "inner" if len(calls) > 1 else ["outer", stage.get_sync(load)]

    assert await stage.get(load) == ["outer", "inner"]


async def test_a_task_that_outlives_its_load_is_no_part_of_it(stage: Stage) -> None:
    follow_up = Source("later")
    go_on = asyncio.Event()

    async def go_on_later() -> object:
        await go_on.wait()
        return await stage.get(follow_up)

    tasks: list[asyncio.Task[object]] = []

    async def load() -> object:
        tasks.append(asyncio.create_task(go_on_later()))
        return "value"

    assert await stage.get(load) == "value"
    go_on.set()
    assert await tasks[0] == "value"
    assert follow_up.calls == 0


async def test_the_same_key_of_another_service_is_another_load(stage: Stage) -> None:
    inner = Stage()

    async def load() -> object:
        return await inner.get(Source("from below"))

    assert await stage.get(load) == "from below"
    assert inner.held() == "from below"


async def test_with_other_options_a_service_knows_its_own_loads(stage: Stage) -> None:
    twin = stage.reads.over(stage.store.inner)
    calls: list[int] = []

    async def load() -> object:
        calls.append(1)
        return "inner" if len(calls) > 1 else await twin.get_or_load(KEY, load, plan())

    assert await stage.get(load) == "inner"


async def test_loads_that_wait_for_each_other_end_with_the_hard_timeout(stage: Stage) -> None:
    both = asyncio.Barrier(2)

    async def load_a() -> object:
        await both.wait()
        return await stage.get(load_b, OTHER, hard_timeout=0.01)

    async def load_b() -> object:
        await both.wait()
        return await stage.get(load_a, hard_timeout=0.01)

    results = await asyncio.gather(
        stage.get(load_a, hard_timeout=0.01), stage.get(load_b, OTHER, hard_timeout=0.01), return_exceptions=True
    )
    assert [type(result) for result in results] == [LoadTimeoutError] * 2


async def test_the_hard_timeout_ends_the_load_for_all(stage: Stage) -> None:
    source = Source(shut=True)
    results = await asyncio.gather(*crowd(stage, source, 5, hard_timeout=0.01), return_exceptions=True)
    assert [type(result) for result in results] == [LoadTimeoutError] * 5
    assert source.calls == 1
    assert await stage.get(Source("again")) == "again"


async def test_a_waiter_with_a_shorter_hard_timeout_waits_no_longer_and_harms_nobody(stage: Stage) -> None:
    source = Source(shut=True)
    leader = asyncio.create_task(stage.get(source))
    await settle()
    with pytest.raises(LoadTimeoutError, match=r"'t:key' took longer than 0\.01 s"):
        await stage.get(source, hard_timeout=0.01)
    source.gate.set()
    assert await leader == "value"


@pytest.fixture
def flavour() -> contextvars.ContextVar[str]:
    return contextvars.ContextVar("flavour", default="none")


@pytest.mark.parametrize(("context", "seen"), [("caller", "leader"), ("clean", "none")])
async def test_a_load_sees_a_copy_of_its_leaders_context_or_none(
    stage: Stage, flavour: contextvars.ContextVar[str], context: str, seen: str
) -> None:
    async def load() -> str:
        before = flavour.get()
        flavour.set("loader")
        return before

    flavour.set("leader")
    assert await stage.get(load, context=context) == seen
    assert flavour.get() == "leader"


@pytest.mark.parametrize(("context", "seen"), [("caller", "leader"), ("clean", "none")])
async def test_a_loader_in_a_thread_sees_the_same(
    stage: Stage, flavour: contextvars.ContextVar[str], context: str, seen: str
) -> None:
    flavour.set("leader")
    assert await stage.get(flavour.get, context=context) == seen


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_order_to_end_leaves_the_loop_and_the_next_caller_loads_anew(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage()

    async def interrupted() -> None:
        await asyncio.gather(*crowd(stage, Source(error), 3))

    with pytest.raises(type(error)):
        asyncio.run(interrupted())
    assert stage.shelf.leases == {}
    assert asyncio.run(stage.get(Source("after"))) == "after"
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_order_to_end_leaves_the_loop_although_nobody_waits_for_the_load(error: BaseException) -> None:
    stage = Stage()

    async def leave_a_load_behind() -> None:
        source = Source(error, shut=True)
        (caller,) = crowd(stage, source, 1)
        await settle()
        caller.cancel()
        await settle()
        source.gate.set()
        await asyncio.Event().wait()

    with pytest.raises(type(error)):
        asyncio.run(leave_a_load_behind())


async def test_a_cancelled_error_of_the_loader_itself_is_its_answer(stage: Stage) -> None:
    source = Source(asyncio.CancelledError("mine"), shut=True)
    waiters = crowd(stage, source, 3)
    await settle()
    source.gate.set()
    await asyncio.wait(waiters)
    assert [waiter.cancelled() for waiter in waiters] == [True] * 3
    assert source.calls == 1
    assert await stage.get(Source("after")) == "after"


async def test_closing_during_a_load_tells_all_who_wait(stage: Stage) -> None:
    source = Source(shut=True)
    waiters = crowd(stage, source, 3)
    await settle()
    await stage.reads.flights.aclose()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(result) for result in results] == [CacheClosedError] * 3
    assert not stage.shelf.leases


async def test_a_loader_that_closes_the_cache_does_not_wait_for_itself(stage: Stage) -> None:
    async def load() -> object:
        await stage.reads.flights.aclose()
        return "last"

    assert await stage.get(load) == "last"


def test_a_load_that_is_dropped_after_its_loop_was_closed_wakes_nobody() -> None:
    stage = Stage()
    loop = asyncio.new_event_loop()
    leader = stage.get(Source(shut=True), attached=True)

    async def begin() -> asyncio.Task[Any]:
        contextvars.copy_context().run(leader.send, None)
        waiter = asyncio.create_task(stage.get(Source()))
        await settle()
        await loop.shutdown_asyncgens()
        return waiter

    waiter: Any = loop.run_until_complete(begin())
    waiter._log_destroy_pending = False  # that it is left behind is the point
    loop.close()
    leader.close()
    assert not waiter.done()


async def test_flights_leave_nothing_behind(stage: Stage) -> None:
    for error in (None, ValueError("no")):
        source = Source(error or "value", shut=True)
        waiters = crowd(stage, source, 10)
        await settle()
        source.gate.set()
        waiters[3].cancel()  # takes effect when the load has landed
        await asyncio.wait(waiters)
        await stage.changes.delete([KEY])
    flights = stage.reads.flights.get()
    assert (flights._flights, flights._tasks) == ({}, set())
    assert stage.shelf.leases == {}
