"""The flow for synchronous callers: threads instead of tasks, the same promises."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from pika_redis import ArgumentTypeError, LoadTimeoutError, SerializationError, ValueTooLargeError
from pika_redis.policy import sync_flights
from pika_redis.policy.sync_read_through import finish

from .stage import KEY, OTHER, Source, Stage, ThreadSource, plan

MANY = 100
WINDOW: dict[str, Any] = {"refresh_ahead": 30.0}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MANY) as threads:
        yield threads


def crowd(
    stage: Stage, pool: ThreadPoolExecutor, source: ThreadSource, size: int = MANY, **wanted: Any
) -> list[Future[Any]]:
    """Callers in threads of their own, all of them waiting for one load."""
    calls = [pool.submit(stage.get_sync, source, **wanted) for _ in range(size)]
    assert source.entered.wait(60)
    wait_until(lambda: joiners(stage) == size - 1)
    return calls


def joiners(stage: Stage) -> int:
    flight = stage.sync_reads._flights.get(KEY)
    return -1 if flight is None else flight.joiners


def wait_until(holds: Callable[[], bool]) -> None:
    """Let other threads run until it holds; pytest's timeout is the bound."""
    pause = threading.Event()
    while not holds():
        pause.wait(0.0005)


def test_many_threads_cause_one_load(stage: Stage, pool: ThreadPoolExecutor) -> None:
    source = ThreadSource(shut=True)
    calls = crowd(stage, pool, source)
    source.gate.set()
    assert [call.result() for call in calls] == ["value"] * MANY
    assert source.calls == 1
    assert stage.held() == "value"
    assert stage.sync_reads._flights._flights == {}


def test_the_load_runs_in_the_thread_of_the_caller(stage: Stage) -> None:
    assert stage.get_sync(threading.get_ident) == threading.get_ident()


def test_a_failure_reaches_all_threads_and_the_next_caller_loads_anew(stage: Stage, pool: ThreadPoolExecutor) -> None:
    failure = LookupError("no")
    source = ThreadSource(failure, shut=True)
    calls = crowd(stage, pool, source)
    source.gate.set()
    assert [call.exception() for call in calls] == [failure] * MANY
    assert source.calls == 1
    assert stage.shelf.leases == {}
    assert stage.get_sync(ThreadSource("after")) == "after"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), GeneratorExit()])
def test_when_the_leaders_thread_is_told_to_go_another_leads(
    stage: Stage, pool: ThreadPoolExecutor, error: BaseException
) -> None:
    leaving, staying = ThreadSource(error, shut=True), ThreadSource("mine")
    leader = pool.submit(stage.get_sync, leaving)
    assert leaving.entered.wait(60)
    others = [pool.submit(stage.get_sync, staying) for _ in range(10)]
    wait_until(lambda: joiners(stage) == 10)
    leaving.gate.set()
    assert [other.result() for other in others] == ["mine"] * 10
    assert staying.calls == 1
    assert leader.exception() is error


def test_every_thread_gets_a_mutable_result_for_itself(stage: Stage, pool: ThreadPoolExecutor) -> None:
    source = ThreadSource({"rows": [1]}, shut=True)
    calls = crowd(stage, pool, source, 10)
    source.gate.set()
    for call in calls:
        result = call.result()
        assert result == {"rows": [1]}
        result["rows"].append("mine")
    assert stage.held() == {"rows": [1]}


def test_who_joins_at_the_last_moment_gets_its_own_too(stage: Stage, pool: ThreadPoolExecutor) -> None:
    class LastMoment:
        """The lock of the flights; the leader finds it taken by one who joins."""

        def __init__(self, lock: threading.Lock) -> None:
            self.lock = lock
            self.late: list[Future[Any]] = []
            self.loaded = False

        def __enter__(self) -> None:
            if self.loaded:
                self.loaded = False
                self.late.append(pool.submit(stage.get_sync, ThreadSource("unused"), store_if=lambda _: False))
                wait_until(lambda: joiners(stage) == 1)
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()

    def load() -> object:
        lock.loaded = True
        return [1]

    lock = LastMoment(stage.sync_reads._flights.lock)
    stage.sync_reads._flights.lock = lock  # type: ignore[assignment]
    first = stage.get_sync(load, store_if=lambda _: False)
    second = lock.late[0].result()
    assert first == second == [1]
    assert first is not second


@pytest.mark.parametrize(("value", "share"), [(("a", 1), False), ({"rows": [1]}, True)])
def test_immutable_and_shared_results_are_one_object(
    stage: Stage, pool: ThreadPoolExecutor, value: object, share: bool
) -> None:
    source = ThreadSource(value, shut=True)
    calls = crowd(stage, pool, source, 5, share=share)
    source.gate.set()
    assert all(call.result() is value for call in calls)


def test_a_loader_that_asks_for_its_own_key_runs_through(stage: Stage) -> None:
    calls: list[str] = []

    def load_a() -> object:
        calls.append("a")
        return "a" if calls.count("a") > 1 else ["outer", stage.get_sync(load_b, OTHER)]

    def load_b() -> object:
        calls.append("b")
        return ["b", stage.get_sync(load_a)]

    assert stage.get_sync(load_a) == ["outer", ["b", "a"]]
    assert calls == ["a", "b", "a"]


def test_a_joiner_gives_up_after_its_hard_timeout_and_harms_nobody(stage: Stage, pool: ThreadPoolExecutor) -> None:
    source = ThreadSource(shut=True)
    leader = pool.submit(stage.get_sync, source)
    assert source.entered.wait(60)
    with pytest.raises(LoadTimeoutError, match="'t:key' took longer than"):
        stage.get_sync(source, hard_timeout=0.01)
    source.gate.set()
    assert leader.result() == "value"
    assert source.calls == 1


def test_a_load_that_hangs_does_not_block_its_key_for_ever(stage: Stage, pool: ThreadPoolExecutor) -> None:
    hanging = ThreadSource("at last", shut=True)
    leader = pool.submit(stage.get_sync, hanging, hard_timeout=0.01)
    assert hanging.entered.wait(60)
    wait_until(lambda: joiners(stage) == -1)
    assert stage.get_sync(ThreadSource("anew")) == "anew"
    hanging.gate.set()
    assert leader.result() == "at last"
    assert stage.held() == "anew"


def test_threads_that_wait_for_each_other_end_with_the_hard_timeout(stage: Stage, pool: ThreadPoolExecutor) -> None:
    both = threading.Barrier(2)

    def load(other: str) -> object:
        both.wait(60)
        return stage.get_sync(ThreadSource("unused"), other, hard_timeout=0.05)

    calls = [
        pool.submit(stage.get_sync, lambda: load(OTHER), KEY, hard_timeout=30.0),
        pool.submit(stage.get_sync, lambda: load(KEY), OTHER, hard_timeout=30.0),
    ]
    ends = [call.exception() for call in calls]
    assert LoadTimeoutError in [type(end) for end in ends]


def test_an_async_loader_is_refused(stage: Stage) -> None:
    with pytest.raises(ArgumentTypeError, match="the loader of 't:key' is async"):
        stage.get_sync(Source())
    with pytest.raises(ArgumentTypeError):
        stage.get_sync(Source(), enabled=False)
    assert stage.shelf.leases == {}


def test_a_result_that_cannot_be_held_is_an_error(stage: Stage) -> None:
    with pytest.raises(SerializationError):
        stage.get_sync(ThreadSource([object()]))
    assert stage.shelf.leases == {}


def test_a_result_that_is_too_large_is_given_and_not_stored(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(max_value_bytes=1000)
    with caplog.at_level(logging.WARNING, logger="pika_redis"):
        assert stage.get_sync(ThreadSource({"x": "x" * 5000})) == {"x": "x" * 5000}
    assert "was not stored" in caplog.text
    assert (stage.shelf.slots, stage.shelf.leases) == ({}, {})


def test_an_error_of_the_loader_is_not_taken_for_one_of_the_store(stage: Stage) -> None:
    failure = ValueTooLargeError("of another cache")
    with pytest.raises(ValueTooLargeError) as caught:
        stage.get_sync(ThreadSource(failure))
    assert caught.value is failure


@pytest.mark.parametrize(
    ("options", "value", "stored"),
    [
        ({}, "value", True),
        ({"none_ttl": 0.0}, None, False),
        ({"store_if": bool}, 0, False),
        ({"enabled": False}, 1, False),
    ],
)
def test_what_is_stored(stage: Stage, options: dict[str, Any], value: object, stored: bool) -> None:
    source = ThreadSource(value)
    for _ in range(2):
        assert stage.get_sync(source, **options) == value
    assert source.calls == 2 - stored
    assert stage.shelf.leases == {}


def test_readers_in_the_window_cause_one_refresh_and_none_waits(stage: Stage) -> None:
    stage.get_sync(ThreadSource("old"))
    stage.clock.advance(75)
    source = ThreadSource("new", shut=True)
    assert [stage.get_sync(source, **WINDOW) for _ in range(MANY)] == ["old"] * MANY
    assert source.entered.wait(60)
    assert (source.calls, stage.counters.refreshes) == (1, 1)
    source.gate.set()
    wait_until(lambda: stage.held() == "new")


def test_a_thread_that_finds_nothing_joins_the_refresh(stage: Stage, pool: ThreadPoolExecutor) -> None:
    stage.get_sync(ThreadSource("old"))
    stage.clock.advance(75)
    source = ThreadSource("new", shut=True)
    stage.get_sync(source, **WINDOW)
    stage.clock.advance(30)
    late = pool.submit(stage.get_sync, ThreadSource("unused"), **WINDOW)
    wait_until(lambda: joiners(stage) == 1)
    source.gate.set()
    assert late.result() == "new"


def test_a_failed_refresh_keeps_the_old_value_and_is_told(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.get_sync(ThreadSource("old"))
    stage.clock.advance(75)
    with caplog.at_level(logging.WARNING, logger="pika_redis"):
        assert stage.get_sync(ThreadSource(LookupError("no")), **WINDOW) == "old"
        wait_until(lambda: bool(caplog.records))
    assert caplog.records[0].getMessage() == f"the refresh of {KEY!r} failed"
    assert stage.held() == "old"


def test_an_attached_refresh_runs_inline_and_may_fail(stage: Stage) -> None:
    stage.get_sync(ThreadSource("old"))
    stage.clock.advance(75)
    assert stage.get_sync(ThreadSource(LookupError("no")), attached=True, **WINDOW) == "old"
    stage.clock.advance(1)
    assert stage.get_sync(threading.get_ident, attached=True, **WINDOW) == threading.get_ident()


@pytest.mark.parametrize(("context", "seen"), [("caller", "ann"), ("clean", "nobody")])
def test_a_refresh_sees_the_context_in_which_it_was_triggered(stage: Stage, context: str, seen: str) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    user.set("ann")
    stage.get_sync(ThreadSource("old"))
    stage.clock.advance(75)
    stage.get_sync(user.get, context=context, **WINDOW)
    wait_until(lambda: stage.held() == seen)


def test_refreshes_take_a_bounded_number_of_threads(stage: Stage) -> None:
    most = sync_flights._MOST_REFRESHES
    keys = [f"t:{n}" for n in range(most + 10)]
    for key in keys:
        stage.get_sync(ThreadSource("old"), key)
    stage.clock.advance(75)
    source = ThreadSource("new", shut=True)
    assert [stage.get_sync(source, key, **WINDOW) for key in keys] == ["old"] * len(keys)
    wait_until(lambda: source.calls == most)
    assert stage.counters.refreshes == most
    source.gate.set()
    wait_until(lambda: stage.sync_reads._flights._refreshes == 0)
    assert stage.get_sync(source, keys[-1], **WINDOW) == "old"
    wait_until(lambda: stage.held(keys[-1]) == "new")


@pytest.mark.parametrize("age", [75.0, 105.0])
def test_who_looked_before_a_load_landed_does_not_load_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, age: float
) -> None:
    stage.get_sync(ThreadSource("old"))
    stage.clock.advance(age)
    judged = stage.sync_reads._judged
    source = ThreadSource("new")

    def judged_while_another_loads(*args: Any) -> Any:
        verdict = judged(*args)
        monkeypatch.undo()
        assert stage.sync_reads.refresh(KEY, source, plan()) == "new"
        return verdict

    monkeypatch.setattr(stage.sync_reads, "_judged", judged_while_another_loads)
    assert stage.get_sync(source, **WINDOW) == ("old" if age == 75.0 else "new")
    assert stage.sync_reads._flights._refreshes == 0
    assert source.calls == 1


def test_without_a_thread_for_the_refresh_the_value_is_served_and_the_key_stays_free(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    stage.get_sync(ThreadSource("old"))
    stage.clock.advance(75)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        assert stage.get_sync(ThreadSource("unused"), **WINDOW) == "old"
    assert (joiners(stage), stage.sync_reads._flights._refreshes) == (-1, 0)
    stage.clock.advance(30)
    assert stage.get_sync(ThreadSource("new")) == "new"


def test_an_explicit_refresh_wins_over_a_load_that_began_before_it(stage: Stage, pool: ThreadPoolExecutor) -> None:
    before = ThreadSource("before", shut=True)
    reader = pool.submit(stage.get_sync, before)
    assert before.entered.wait(60)

    def during() -> str:
        before.gate.set()
        assert reader.result() == "before"
        return "during"

    assert stage.sync_reads.refresh(KEY, during, plan()) == "during"
    assert stage.held() == "during"


def test_over_another_namespace_the_flights_are_the_same(stage: Stage, pool: ThreadPoolExecutor) -> None:
    source = ThreadSource(shut=True)
    leader = pool.submit(stage.get_sync, source)
    assert source.entered.wait(60)
    twin = stage.sync_reads.over(stage.store.inner)
    joiner = pool.submit(twin.get_or_load, KEY, ThreadSource("unused"), plan())
    wait_until(lambda: joiners(stage) == 1)
    source.gate.set()
    assert leader.result() == joiner.result() == "value"


def test_a_store_that_waits_is_refused() -> None:
    with pytest.raises(RuntimeError, match="did wait"):
        finish(asyncio.sleep(0))
