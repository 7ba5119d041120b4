"""A store that can't be asked is no reason to fail: values are loaded, once for all who wait, and not stored."""

from __future__ import annotations

import asyncio
import logging

import pytest

from pika_redis import CacheServerError, CacheUnavailableError, OutcomeUnknownError

from .stage import Source, Stage, settle

GONE = [CacheUnavailableError("gone"), CacheServerError("OOM", code="OOM"), OutcomeUnknownError("cut off")]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="pika_redis")
    return caplog


@pytest.mark.parametrize("error", GONE, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("verb", ["fetch", "begin", "replace"])
async def test_a_store_that_fails_at_any_step_costs_no_answer(stage: Stage, verb: str, error: Exception) -> None:
    stage.store.broken[verb] = error
    source = Source({"rows": []}, shut=True)
    calls = [asyncio.create_task(stage.get(source, tags=["tag"])) for _ in range(100)]
    await settle()
    source.gate.set()
    results = await asyncio.gather(*calls)
    assert results == [{"rows": []}] * 100
    assert len({id(result) for result in results}) == 100
    assert source.calls == 1
    assert stage.counters.errors >= 1
    assert stage.held() is not results[0]
    stage.store.broken.clear()
    assert await stage.get(Source("stored"), tags=["tag"]) == "stored"
    assert stage.held() == "stored"


async def test_a_store_that_fails_to_release_costs_no_answer(stage: Stage) -> None:
    stage.store.broken.update(release=GONE[0], fail=GONE[0])
    assert await stage.get(Source(None), none_ttl=0.0) is None
    with pytest.raises(LookupError):
        await stage.get(Source(LookupError("no")))
    assert stage.counters.errors == 2


@pytest.mark.parametrize(
    ("verb", "begins", "ends"),
    [
        ("fetch", "the cache can't be asked, values are loaded without it: gone", "the cache answers again"),
        ("replace", "loaded values can't be stored: gone", "loaded values are stored again"),
    ],
)
async def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(
    stage: Stage, told: pytest.LogCaptureFixture, verb: str, begins: str, ends: str
) -> None:
    stage.store.broken[verb] = GONE[0]
    for _ in range(5):
        await stage.get(Source())
    assert messages(told) == [begins]
    assert stage.counters.errors == 5
    stage.store.broken.clear()
    for n in range(3):
        await stage.get(Source(), f"t:{n}")
    assert messages(told) == [begins, ends]


async def test_a_store_that_can_be_read_but_not_written_is_told_once(
    stage: Stage, told: pytest.LogCaptureFixture
) -> None:
    stage.store.broken["replace"] = GONE[1]
    for _ in range(5):
        await stage.get(Source())
    assert messages(told) == ["loaded values can't be stored: OOM"]


async def test_another_error_of_the_store_is_not_hidden(stage: Stage) -> None:
    stage.store.broken["fetch"] = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await stage.get(Source())


async def test_while_the_store_is_gone_a_failing_loader_fails(stage: Stage) -> None:
    stage.store.broken["fetch"] = GONE[0]
    with pytest.raises(LookupError):
        await stage.get(Source(LookupError("no")))


@pytest.mark.parametrize("error", GONE, ids=lambda error: type(error).__name__)
async def test_an_error_of_the_loader_is_not_taken_for_one_of_the_store(stage: Stage, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await stage.get(Source(error))
    assert caught.value is error
    assert stage.counters.errors == 0
