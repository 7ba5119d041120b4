"""A bounded number of loads runs at a time; who finds no place waits, is served what is at hand, or is told."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from pika_redis import OverloadedError
from pika_redis.policy.room import MOST_LOADS

from .stage import Source, Stage, settle


class Full:
    """A stage on which as many loads run as may."""

    def __init__(self, stage: Stage) -> None:
        self.sources = [Source(n, shut=True) for n in range(MOST_LOADS)]
        self.calls = [asyncio.create_task(stage.get(one, f"t:{one.value}")) for one in self.sources]

    async def empty(self) -> None:
        for source in self.sources:
            source.gate.set()
        assert await asyncio.gather(*self.calls) == list(range(MOST_LOADS))


@pytest.fixture
async def full(stage: Stage) -> Full:
    full = Full(stage)
    await settle()
    assert all(source.calls == 1 for source in full.sources)
    return full


async def test_one_load_more_waits_until_another_is_over(stage: Stage, full: Full) -> None:
    source = Source("at last")
    call = asyncio.create_task(stage.get(source))
    await settle()
    assert source.calls == 0
    full.sources[7].gate.set()
    assert await call == "at last"
    await full.empty()


@pytest.mark.parametrize("error", [LookupError("no"), asyncio.CancelledError()])
async def test_a_load_that_fails_gives_its_place_back(stage: Stage, full: Full, error: BaseException) -> None:
    call = asyncio.create_task(stage.get(Source("at last")))
    full.sources[0].value = error
    full.sources[0].gate.set()
    assert await call == "at last"
    full.calls[0].cancel()
    await asyncio.wait({full.calls[0]})
    full.sources, full.calls = full.sources[1:], full.calls[1:]
    for source in full.sources:
        source.gate.set()
    await asyncio.gather(*full.calls)


async def test_loads_within_loads_need_no_place_of_their_own(stage: Stage) -> None:
    all_in = asyncio.Event()
    inside = 0

    async def outer(n: int) -> list[Any]:
        nonlocal inside
        inside += 1
        if inside == MOST_LOADS:
            all_in.set()
        await all_in.wait()
        return [await stage.get(Source(n), f"t:inner {n}")]

    calls = [stage.get(functools.partial(outer, n), f"t:outer {n}") for n in range(MOST_LOADS)]
    async with asyncio.timeout(30):
        assert await asyncio.gather(*calls) == [[n] for n in range(MOST_LOADS)]


@pytest.mark.parametrize("attached", [False, True])
async def test_who_finds_no_place_before_the_deadline_is_told(stage: Stage, full: Full, attached: bool) -> None:
    source = Source()
    with pytest.raises(OverloadedError, match=r"no room to load 't:key' within 0\.01 s: too many loads run"):
        await stage.get(source, hard_timeout=0.01, attached=attached)
    assert source.calls == 0
    await full.empty()
    assert stage.shelf.leases == {}
    assert await stage.get(source) == "value"


async def test_who_finds_no_place_is_served_what_is_past_its_time(stage: Stage) -> None:
    await stage.get(Source("old"), stale_if_error=100.0)
    stage.clock.advance(150)
    full = Full(stage)
    await settle()
    source = Source("new")
    assert await stage.get(source, stale_if_error=100.0, hard_timeout=0.01) == "old"
    assert source.calls == 0
    await full.empty()
    assert await stage.get(source, stale_if_error=100.0) == "new"


async def test_who_waits_for_a_place_and_goes_away_takes_none(stage: Stage, full: Full) -> None:
    source = Source()
    call = asyncio.create_task(stage.get(source, attached=True))
    await settle()
    call.cancel()
    await asyncio.wait({call})
    await full.empty()
    assert source.calls == 0
    assert stage.reads.flights.get().room._places._value == MOST_LOADS
