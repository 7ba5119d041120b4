"""Refresh ahead of expiry: one load in the background, nobody who has a fresh value waits for it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import Any

import pytest

from pika_redis.testing.conformance.comparing import unlike

from .stage import KEY, Source, Stage, plan, settle

WINDOW: dict[str, Any] = {"refresh_ahead": 30.0}


@pytest.fixture
async def ageing(stage: Stage) -> Stage:
    """A stage whose entry has reached the window before its expiry."""
    await stage.get(Source("old"))
    stage.clock.advance(75)
    return stage


async def test_before_the_window_nothing_is_refreshed(stage: Stage) -> None:
    await stage.get(Source("old"))
    stage.clock.advance(69)
    source = Source("new")
    assert await stage.get(source, **WINDOW) == "old"
    await settle()
    assert source.calls == 0


async def test_a_thousand_readers_in_the_window_cause_one_load_and_none_waits(ageing: Stage) -> None:
    source = Source("new", shut=True)
    async with asyncio.timeout(10):
        assert unlike([await ageing.get(source, **WINDOW) for _ in range(1000)], ["old"] * 1000) == []
    await settle()
    assert (source.calls, ageing.counters.refreshes) == (1, 0)
    source.gate.set()
    await settle()
    assert ageing.counters.refreshes == 1
    assert ageing.held() == "new"
    assert await ageing.get(source, **WINDOW) == "new"
    assert source.calls == 1


async def test_who_finds_nothing_joins_the_refresh(ageing: Stage) -> None:
    source = Source("new", shut=True)
    await ageing.get(source, **WINDOW)
    ageing.clock.advance(30)
    late = [asyncio.create_task(ageing.get(Source("unused"), **WINDOW)) for _ in range(3)]
    await settle()
    source.gate.set()
    assert await asyncio.gather(*late) == ["new"] * 3
    assert source.calls == 1


async def test_a_failed_refresh_keeps_the_old_value_and_is_told(
    ageing: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="pika_redis"):
        assert await ageing.get(Source(LookupError("no")), **WINDOW) == "old"
        await settle()
    assert ageing.held() == "old"
    assert [record.message for record in caplog.records] == [f"the refresh of {KEY!r} failed"]
    assert caplog.records[0].exc_info is not None
    ageing.clock.advance(1)
    assert await ageing.get(Source("new"), **WINDOW) == "old"
    await settle()
    assert ageing.held() == "new"


async def test_a_failed_refresh_fails_those_who_found_nothing(ageing: Stage) -> None:
    source = Source(LookupError("no"), shut=True)
    await ageing.get(source, **WINDOW)
    ageing.clock.advance(30)
    late = asyncio.create_task(ageing.get(Source("unused"), **WINDOW))
    await settle()
    source.gate.set()
    with pytest.raises(LookupError):
        await late


async def test_a_refresh_that_was_overtaken_by_a_delete_is_not_stored(ageing: Stage) -> None:
    source = Source("late", shut=True)
    await ageing.get(source, **WINDOW)
    await settle()
    await ageing.changes.delete([KEY])
    assert await ageing.get(Source("current"), **WINDOW) == "current"
    source.gate.set()
    await settle()
    assert ageing.held() == "current"


async def test_a_refresh_sees_the_context_in_which_it_was_triggered(ageing: Stage) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    user.set("ann")

    async def load() -> str:
        return user.get()

    await ageing.get(load, **WINDOW)
    user.set("bob")
    await settle()
    assert ageing.held() == "ann"


async def test_a_refresh_with_a_clean_context_sees_nobody(ageing: Stage) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    user.set("ann")

    async def load() -> str:
        return user.get()

    await ageing.get(load, context="clean", **WINDOW)
    await settle()
    assert ageing.held() == "nobody"


async def test_an_entry_that_lives_no_longer_than_the_window_is_not_loaded_by_every_read(stage: Stage) -> None:
    source = Source(None)
    for _ in range(20):
        assert await stage.get(source, none_ttl=10.0, **WINDOW) is None
        await settle()
    assert source.calls == 1
    stage.clock.advance(6)
    await stage.get(source, none_ttl=10.0, **WINDOW)
    await settle()
    assert source.calls == 2


async def test_an_entry_without_expiry_is_never_refreshed(stage: Stage) -> None:
    source = Source()
    await stage.get(source, ttl=float("inf"), **WINDOW)
    stage.clock.advance(1e9)
    assert await stage.get(source, ttl=float("inf"), **WINDOW) == "value"
    await settle()
    assert source.calls == 1


async def test_an_explicit_refresh_loads_stores_and_gives_the_result(stage: Stage) -> None:
    await stage.get(Source("old"))
    assert await stage.reads.refresh(KEY, Source("new"), plan()) == "new"
    assert stage.held() == "new"


async def test_an_explicit_refresh_wins_over_a_load_that_began_before_it(stage: Stage) -> None:
    before = Source("before", shut=True)
    reader = asyncio.create_task(stage.get(before))
    await settle()
    during = Source("during", shut=True)
    refresher = asyncio.create_task(stage.reads.refresh(KEY, during, plan()))
    await settle()
    before.gate.set()
    assert await reader == "before"
    joiner = asyncio.create_task(stage.get(Source("unused")))
    await settle()
    during.gate.set()
    assert await refresher == await joiner == "during"
    assert stage.held() == "during"


async def test_an_explicit_refresh_of_a_disabled_cache_stores_nothing(stage: Stage) -> None:
    assert await stage.reads.refresh(KEY, Source("new"), plan(enabled=False)) == "new"
    assert not stage.store.asked
