"""After a failed load: what rests, who is served, and that an explicit refresh is tried and tells."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from .stage import KEY, Source, Stage, ThreadSource, plan, settle

SPARED: dict[str, Any] = {"stale_if_error": 1000.0}
SERVED: dict[str, Any] = {"stale_while_revalidate": 1000.0}


@pytest.fixture
async def aged(stage: Stage) -> Stage:
    """A stage whose entry is past its time."""
    await stage.get(Source("old"), **SPARED)
    stage.clock.advance(150)
    return stage


@pytest.mark.parametrize("window", [SPARED, SERVED])
async def test_a_load_that_failed_rests_for_a_while_and_is_then_tried_again(aged: Stage, window: Any) -> None:
    source = Source(LookupError("no"))
    for _ in range(5):
        assert await aged.get(source, error_backoff=10.0, **window) == "old"
        await settle()
    assert source.calls == 1
    aged.clock.advance(4.9)
    await aged.get(source, error_backoff=10.0, **window)
    await settle()
    assert source.calls == 1
    aged.clock.advance(5.2)
    await aged.get(source, error_backoff=10.0, **window)
    await settle()
    assert source.calls == 2


async def test_a_caller_that_has_nothing_to_serve_does_not_let_it_rest(aged: Stage) -> None:
    assert await aged.get(Source(LookupError("no")), **SPARED) == "old"
    with pytest.raises(KeyError):
        await aged.get(Source(KeyError("still")))
    assert await aged.get(Source("new")) == "new"


async def test_a_failure_is_told_once_and_not_by_everybody_who_is_served_meanwhile(
    aged: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="pika_redis"):
        for _ in range(5):
            await aged.get(Source(LookupError("no")), **SPARED)
    assert [record.message for record in caplog.records] == [
        "a value past its time is served, since its load failed: LookupError('no')"
    ]


async def test_a_failed_refresh_is_told_once_while_it_rests(aged: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="pika_redis"):
        for _ in range(5):
            await aged.get(Source(LookupError("no")), **SERVED)
            await settle()
    assert [record.message for record in caplog.records] == [f"the refresh of {KEY!r} failed"]


async def test_a_load_that_found_no_room_does_not_rest(aged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aged.reads.flights.get().room, "free", 0)
    assert await aged.get(Source("unused"), hard_timeout=0.01, **SPARED) == "old"
    assert aged.store.asked["fail"] == 0


async def test_an_explicit_refresh_does_not_rest_and_tells_its_failure(aged: Stage) -> None:
    assert await aged.get(Source(LookupError("no")), **SPARED) == "old"
    source = Source(KeyError("still"))
    with pytest.raises(KeyError):
        await aged.reads.refresh(KEY, source, plan(**SPARED))
    assert source.calls == 1
    assert await aged.reads.refresh(KEY, Source("new"), plan(**SPARED)) == "new"
    assert aged.held() == "new"


@pytest.mark.parametrize("window", [SPARED, SERVED])
def test_for_threads_a_load_that_failed_rests_too(window: Any) -> None:
    stage = Stage()
    stage.get_sync(ThreadSource("old"), **window)
    stage.clock.advance(150)
    source = ThreadSource(LookupError("no"))
    for _ in range(2):
        assert stage.get_sync(source, attached=True, error_backoff=10.0, **window) == "old"
    assert source.calls == 1
    assert stage.counters.refreshes == (1 if window is SERVED else 0)
    stage.clock.advance(10)
    stage.get_sync(source, attached=True, **window)
    assert source.calls == 2
    stage.clock.advance(10)
    assert stage.get_sync(ThreadSource("new")) == "new"


def test_for_threads_a_caller_that_has_nothing_to_serve_does_not_let_it_rest() -> None:
    stage = Stage()
    stage.get_sync(ThreadSource("old"), **SPARED)
    stage.clock.advance(150)
    assert stage.get_sync(ThreadSource(LookupError("no")), **SPARED) == "old"
    assert stage.get_sync(ThreadSource("new")) == "new"


def test_for_threads_a_resting_refresh_takes_no_place(stage: Stage) -> None:
    stage.get_sync(ThreadSource("old"), **SERVED)
    stage.clock.advance(150)
    stage.get_sync(ThreadSource(LookupError("no")), attached=True, **SERVED)
    unused = ThreadSource("unused")
    for _ in range(100):
        assert stage.get_sync(unused, **SERVED) == "old"
    flights = stage.sync_reads._flights
    assert (unused.calls, flights._refreshes, flights._flights) == (0, 0, {})
