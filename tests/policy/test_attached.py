"""Attached calls: the load uses what dies with its request, so it stays in its caller's own task."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from .stage import KEY, Source, Stage, settle


async def test_an_attached_load_runs_in_its_leaders_task(stage: Stage) -> None:
    async def load() -> object:
        return asyncio.current_task() is me

    me = asyncio.current_task()
    assert await stage.get(load, attached=True) is True


async def test_a_detached_load_does_not(stage: Stage) -> None:
    async def load() -> object:
        return asyncio.current_task() is me

    me = asyncio.current_task()
    assert await stage.get(load) is False


async def test_others_join_an_attached_load(stage: Stage) -> None:
    first, second = Source("first", shut=True), Source("second")
    leader = asyncio.create_task(stage.get(first, attached=True))
    await settle()
    joiners = [asyncio.create_task(stage.get(second, attached=attached)) for attached in (True, False)]
    await settle()
    first.gate.set()
    assert await asyncio.gather(leader, *joiners) == ["first"] * 3
    assert second.calls == 0


async def test_when_the_leader_is_cancelled_the_next_waiter_leads_with_its_own_loader(stage: Stage) -> None:
    sources = [Source(f"of {n}", shut=True) for n in range(4)]
    calls = []
    for source in sources:
        calls.append(asyncio.create_task(stage.get(source, attached=True)))
        await settle()
    calls[0].cancel()
    await settle()
    assert [source.calls for source in sources] == [1, 1, 0, 0]
    calls[1].cancel()
    await settle()
    assert [source.calls for source in sources] == [1, 1, 1, 0]
    sources[2].gate.set()
    assert await asyncio.gather(*calls[2:]) == ["of 2"] * 2
    assert stage.held() == "of 2"
    assert [call.cancelled() for call in calls[:2]] == [True] * 2


async def test_a_detached_waiter_takes_over_from_an_attached_leader(stage: Stage) -> None:
    leader = asyncio.create_task(stage.get(Source(shut=True), attached=True))
    await settle()
    waiter = asyncio.create_task(stage.get(Source("own")))
    await settle()
    leader.cancel()
    assert await waiter == "own"


async def test_a_failure_of_an_attached_load_reaches_all(stage: Stage) -> None:
    failure = LookupError("no")
    source = Source(failure, shut=True)
    calls = [asyncio.create_task(stage.get(source, attached=True)) for _ in range(3)]
    await settle()
    source.gate.set()
    assert await asyncio.gather(*calls, return_exceptions=True) == [failure] * 3
    assert source.calls == 1


async def test_a_cancelled_error_of_an_attached_loader_is_no_reason_to_hand_over(stage: Stage) -> None:
    sources = [Source(asyncio.CancelledError(), shut=True), Source("unused")]
    calls = []
    for source in sources:
        calls.append(asyncio.create_task(stage.get(source, attached=True)))
        await settle()
    sources[0].gate.set()
    await asyncio.wait(calls)
    assert [call.cancelled() for call in calls] == [True, True]
    assert sources[1].calls == 0


async def test_in_a_task_that_was_cancelled_before_a_second_cancel_still_hands_over(stage: Stage) -> None:
    async def clean_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await stage.get(Source(shut=True), attached=True)

    leader = asyncio.create_task(clean_up())
    await settle()
    leader.cancel()
    await settle()
    waiter = asyncio.create_task(stage.get(Source("own"), attached=True))
    await settle()
    leader.cancel()
    assert await waiter == "own"


async def test_in_a_task_that_was_cancelled_before_the_loaders_own_cancelled_error_is_its_answer(stage: Stage) -> None:
    source = Source(asyncio.CancelledError(), shut=True)

    async def clean_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await stage.get(source, attached=True)

    leader = asyncio.create_task(clean_up())
    await settle()
    leader.cancel()
    await settle()
    unused = Source("unused")
    waiter = asyncio.create_task(stage.get(unused, attached=True))
    await settle()
    source.gate.set()
    await asyncio.wait([leader, waiter])
    assert (waiter.cancelled(), unused.calls) == (True, 0)


async def test_a_request_that_is_thrown_away_hands_over(stage: Stage) -> None:
    call = stage.get(Source(shut=True), attached=True)
    contextvars.copy_context().run(call.send, None)
    waiter = asyncio.create_task(stage.get(Source("own")))
    await settle()
    assert not waiter.done()
    call.close()
    assert await waiter == "own"


async def test_a_refresh_runs_inline(stage: Stage) -> None:
    await stage.get(Source("old"), refresh_ahead=30.0)
    stage.clock.advance(80)

    async def load() -> object:
        return asyncio.current_task() is me

    me = asyncio.current_task()
    assert await stage.get(load, attached=True, refresh_ahead=30.0) is True
    assert stage.held() is True


async def test_readers_of_a_fresh_value_do_not_wait_for_an_inline_refresh(stage: Stage) -> None:
    await stage.get(Source("old"))
    stage.clock.advance(80)
    source = Source("new", shut=True)
    refresher = asyncio.create_task(stage.get(source, attached=True, refresh_ahead=30.0))
    await settle()
    async with asyncio.timeout(10):
        assert await stage.get(Source("unused"), attached=True, refresh_ahead=30.0) == "old"
    source.gate.set()
    assert await refresher == "new"


@pytest.mark.parametrize("failure", [LookupError("no"), asyncio.CancelledError()])
async def test_a_failing_inline_refresh_serves_the_fresh_value(
    stage: Stage, failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.get(Source("old"))
    stage.clock.advance(80)
    assert await stage.get(Source(failure), attached=True, refresh_ahead=30.0) == "old"
    assert stage.held() == "old"


async def test_a_cancelled_inline_refresh_cancels_its_caller(stage: Stage) -> None:
    await stage.get(Source("old"))
    stage.clock.advance(80)
    refresher = asyncio.create_task(stage.get(Source(shut=True), attached=True, refresh_ahead=30.0))
    await settle()
    refresher.cancel()
    await settle()
    assert refresher.cancelled()
    assert stage.reads.flights.get().get(KEY) is None


async def test_an_attached_loader_that_asks_for_its_own_key_runs_through(stage: Stage) -> None:
    calls: list[int] = []

    async def load() -> object:
        calls.append(1)
        return "inner" if len(calls) > 1 else ["outer", await stage.get(load, attached=True)]

    assert await stage.get(load, attached=True) == ["outer", "inner"]
    assert await stage.get(Source("unused")) == ["outer", "inner"]


async def test_what_an_attached_loader_sets_stays_in_its_request(stage: Stage) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user")

    async def load() -> object:
        user.set("ann")
        return 1

    await stage.get(load, attached=True)
    assert user.get() == "ann"
