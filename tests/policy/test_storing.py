"""What of a loaded value is stored, for how long, and who gets which copy of it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

import pytest

from pika_redis import Loaded, SerializationError
from pika_redis.policy import loading

from .stage import KEY, OTHER, Source, Stage, plan, settle


async def shared_by(stage: Stage, source: Source, size: int = 3, **wanted: Any) -> list[Any]:
    """What callers get who come while the load is under way."""
    source.gate.clear()
    calls = [asyncio.create_task(stage.get(source, **wanted)) for _ in range(size)]
    await settle()
    source.gate.set()
    return await asyncio.gather(*calls)


@pytest.mark.parametrize("attached", [False, True])
async def test_every_joiner_gets_a_mutable_result_for_itself(stage: Stage, attached: bool) -> None:
    results = await shared_by(stage, Source({"rows": [1]}), attached=attached)
    for result in results:
        assert result == {"rows": [1]}
        result["rows"].append("mine")
    assert stage.held() == {"rows": [1]}


async def test_without_joiners_nothing_is_copied(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[object] = []
    monkeypatch.setattr(stage.reads, "_copier", copied.append)
    monkeypatch.setattr(stage.sync_reads, "_copier", copied.append)
    await stage.get(Source([1]))
    stage.get_sync(lambda: [1], OTHER)
    assert copied == []


async def test_every_joiner_of_a_load_that_is_not_stored_gets_its_own_too(stage: Stage) -> None:
    first, *others = await shared_by(stage, Source([1]), store_if=lambda _: False)
    first.append(2)
    assert others == [[1], [1]]
    assert others[0] is not others[1]


@pytest.mark.parametrize("value", ["text", 10**30, ("a", (1, None)), frozenset({1})])
async def test_an_immutable_result_is_one_object_for_all(stage: Stage, value: object) -> None:
    results = await shared_by(stage, Source(value))
    assert all(result is value for result in results)
    assert stage.held() is value


async def test_with_share_a_mutable_result_is_one_object_for_all(stage: Stage) -> None:
    value = {"rows": [1]}
    results = await shared_by(stage, Source(value), share=True)
    assert all(result is value for result in results)
    assert stage.held() is value


async def test_a_result_that_no_codec_holds_and_that_is_not_to_be_stored_is_given_as_it_is(stage: Stage) -> None:
    value = object()
    assert await shared_by(stage, Source(value), store_if=lambda _: False) == [value] * 3


@pytest.mark.parametrize(
    ("options", "value", "lives"),
    [
        ({}, "value", 100.0),
        ({}, None, 100.0),
        ({"none_ttl": 5.0}, None, 5.0),
        ({"none_ttl": 5.0}, "value", 100.0),
        ({"none_ttl": 500.0}, None, 500.0),
        ({"store_if": lambda value: value == "value"}, "value", 100.0),
    ],
)
async def test_how_long_a_loaded_value_lives(
    stage: Stage, options: dict[str, Any], value: object, lives: float
) -> None:
    source = Source(value)
    await stage.get(source, **options)
    stage.clock.advance(lives - 0.01)
    assert await stage.get(source, **options) == value
    assert source.calls == 1
    stage.clock.advance(0.02)
    await stage.get(source, **options)
    assert source.calls == 2


@pytest.mark.parametrize(
    ("options", "value"),
    [({"none_ttl": 0.0}, None), ({"store_if": bool}, 0), ({"store_if": lambda value: value != "value"}, "value")],
)
async def test_what_is_not_stored(stage: Stage, options: dict[str, Any], value: object) -> None:
    source = Source(value)
    for _ in range(2):
        assert await stage.get(source, **options) == value
    assert source.calls == 2
    assert "replace" not in stage.store.asked
    assert stage.shelf.leases == {}


async def test_store_if_that_fails_is_a_failed_load(stage: Stage) -> None:
    def broken(value: object) -> bool:
        raise LookupError("no")

    with pytest.raises(LookupError):
        await stage.get(Source(), store_if=broken)
    assert stage.shelf.leases == {}


@pytest.mark.parametrize("roll", [0.0, 0.5, 0.999999])
async def test_the_jitter_shortens_a_life_by_at_most_its_share(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, roll: float
) -> None:
    monkeypatch.setattr(random, "random", lambda: roll)
    await stage.get(Source(), ttl_jitter=0.2)
    left = await stage.store.remaining(KEY)
    assert left == pytest.approx(100 * (1 - 0.2 * roll), abs=0.002)


@pytest.mark.parametrize("verb", ["get_or_load", "refresh"])
async def test_a_disabled_cache_loads_every_time_and_asks_nobody(stage: Stage, verb: str) -> None:
    await stage.get(Source("cached"))
    stage.store.asked.clear()
    source = Source("loaded")
    flow: Callable[..., Any] = getattr(stage.reads, verb)
    for _ in range(2):
        assert await flow(KEY, source, plan(enabled=False)) == "loaded"
    assert source.calls == 2
    assert not stage.store.asked
    assert stage.held() == "cached"


async def test_a_bypassing_call_loads_and_asks_nobody(stage: Stage) -> None:
    assert await stage.reads.uncached(KEY, Source("loaded"), plan()) == "loaded"
    assert not stage.store.asked


async def test_the_tags_that_keys_learnt_from_their_loaders_are_bounded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_MOST_LEARNT", 3)
    for number in range(10):
        await stage.get(Source(Loaded(number, tags=[f"tag {number}"])), f"t:{number}")
        await settle()
        assert 0 < len(stage.reads._loads._learnt) <= 3
        assert stage.held(f"t:{number}") == number


@pytest.mark.parametrize("value", [[0] * 5000, {"rows": [0] * 5000}, "x" * 5000], ids=["list", "dict", "str"])
async def test_a_value_that_is_too_large_is_given_and_not_stored(
    caplog: pytest.LogCaptureFixture, value: object
) -> None:
    stage = Stage(max_value_bytes=1000)
    source = Source(value)
    with caplog.at_level(logging.WARNING, logger="pika_redis"):
        assert await stage.get(source) == value
    assert [record.message.split(": ")[0] for record in caplog.records] == [
        "the value loaded for 't:key' was not stored"
    ]
    await stage.get(source)
    assert source.calls == 2
    assert (stage.shelf.slots, stage.shelf.leases) == ({}, {})


async def test_what_no_codec_holds_is_an_error_for_all(stage: Stage) -> None:
    source = Source({"orders": [object()]}, shut=True)
    calls = [asyncio.create_task(stage.get(source)) for _ in range(3)]
    await settle()
    source.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, SerializationError) for result in results)
    assert source.calls == 1
    assert stage.shelf.leases == {}


async def test_a_stored_value_carries_its_tags(stage: Stage) -> None:
    source = Source()
    await stage.get(source, tags=["one", "two"])
    await stage.changes.invalidate(["two"])
    await stage.get(source, tags=["one", "two"])
    assert source.calls == 2


async def test_tags_are_renewed_by_loads_although_all_are_known(stage: Stage) -> None:
    await stage.get(Source(), tags=["tag"])
    await stage.changes.delete([KEY])
    stage.store.asked.clear()
    await stage.get(Source(), tags=["tag"])
    assert stage.store.asked["begin"] == 1


async def test_a_tag_invalidated_during_a_load_costs_one_more_load_not_two(stage: Stage) -> None:
    first = Source("first", shut=True)
    reader = asyncio.create_task(stage.get(first, tags=["tag"]))
    await settle()
    await stage.changes.invalidate(["tag"])
    second = Source("second", shut=True)
    another = asyncio.create_task(stage.get(second, tags=["tag"]))
    await settle()
    first.gate.set()
    assert await reader == "first"
    second.gate.set()
    assert await another == "second"
    assert stage.held() == "second"


async def test_a_loaded_integer_is_an_entry_and_no_counter(stage: Stage) -> None:
    await stage.get(Source(5))
    assert await stage.changes.mark_stale(KEY) is True
