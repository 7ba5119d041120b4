"""A bounded number of loads runs at a time; who finds no place waits, is served what is at hand, or is told."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from pika_redis import OverloadedError
from pika_redis.policy.room import MOST_LOADS, Room

from .stage import OTHER, Source, Stage, settle


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
    assert stage.reads.flights.get().room.free == MOST_LOADS


@pytest.fixture
async def narrow(stage: Stage) -> Room:
    """The door, for one flight at a time."""
    door = stage.reads.flights.get().door
    door.free = 1
    return door


class Shut:
    """A door behind which the one flight is that may be there."""

    def __init__(self, stage: Stage) -> None:
        self.source = Source("first", shut=True)
        self.leader = asyncio.create_task(stage.get(self.source, OTHER))

    async def open(self) -> None:
        self.source.gate.set()
        assert await self.leader == "first"


@pytest.fixture
async def shut(stage: Stage, narrow: Room) -> Shut:
    shut = Shut(stage)
    await settle()
    assert narrow.free == 0
    return shut


async def test_who_finds_the_door_shut_asks_nothing_more_and_leads_in_turn(stage: Stage, narrow: Room) -> None:
    sources = [Source(n, shut=True) for n in range(3)]
    calls = [asyncio.create_task(stage.get(source, f"t:{source.value}")) for source in sources]
    await settle()
    assert [source.calls for source in sources] == [1, 0, 0]
    assert stage.store.asked["begin"] == 1
    sources[0].gate.set()
    await settle()
    assert [source.calls for source in sources] == [1, 1, 0]
    sources[1].gate.set()
    sources[2].gate.set()
    assert await asyncio.gather(*calls) == [0, 1, 2]
    assert narrow.free == 1


async def test_who_waited_at_the_door_joins_the_load_that_another_leads_by_then(
    stage: Stage, narrow: Room, shut: Shut
) -> None:
    second = Source("second", shut=True)
    waiting = [asyncio.create_task(stage.get(second)) for _ in range(5)]
    await settle()
    await shut.open()
    second.gate.set()
    assert await asyncio.gather(*waiting) == ["second"] * 5
    assert second.calls == 1
    assert narrow.free == 1


async def test_who_waits_at_the_door_is_told_at_its_deadline(stage: Stage, narrow: Room, shut: Shut) -> None:
    second = Source("second")
    with pytest.raises(OverloadedError, match=r"no room to load 't:key' within 0\.0\d* s: too many loads run"):
        await stage.get(second, hard_timeout=0.01)
    await shut.open()
    assert second.calls == 0
    assert narrow.free == 1


async def test_who_waits_at_the_door_is_served_what_is_past_its_time(stage: Stage, narrow: Room) -> None:
    await stage.get(Source("old"), stale_if_error=100.0)
    stage.clock.advance(150)
    shut, second = Shut(stage), Source("second")
    await settle()
    assert await stage.get(second, stale_if_error=100.0, soft_timeout=0.01) == "old"
    await shut.open()
    assert second.calls == 0
    assert narrow.free == 1


async def test_a_load_within_a_load_passes_a_door_that_is_shut(stage: Stage, narrow: Room) -> None:
    async def outer() -> object:
        return await stage.get(Source("inner"), OTHER)

    assert await stage.get(outer) == "inner"
    assert narrow.free == 1


async def test_who_leaves_the_line_at_the_door_gives_nothing_back_that_it_has_not(
    stage: Stage, narrow: Room, shut: Shut
) -> None:
    waiting = asyncio.create_task(stage.get(Source("second")))
    await settle()
    waiting.cancel()
    await asyncio.wait({waiting})
    await shut.open()
    assert narrow.free == 1
    assert await stage.get(Source("third")) == "third"


@pytest.mark.parametrize("stored", [True, False])
async def test_those_at_the_door_share_one_load_also_when_it_fails_or_is_not_stored(
    stage: Stage, narrow: Room, shut: Shut, stored: bool
) -> None:
    second = Source("second" if stored else LookupError("no"))
    waiting = [asyncio.create_task(stage.get(second, none_ttl=0)) for _ in range(20)]
    await settle()
    await shut.open()
    given = await asyncio.gather(*waiting, return_exceptions=True)
    assert second.calls == 1
    assert all(one == "second" if stored else isinstance(one, LookupError) for one in given)
    assert narrow.free == 1


async def test_when_the_leader_at_the_door_goes_away_another_leads(stage: Stage, narrow: Room, shut: Shut) -> None:
    second, third = Source("second"), Source("third")
    gone = asyncio.create_task(stage.get(second))
    await settle()
    stays = asyncio.create_task(stage.get(third))
    await settle()
    gone.cancel()
    await asyncio.wait({gone})
    await shut.open()
    assert await stays == "third"
    assert second.calls == 0
    assert narrow.free == 1


async def test_a_flight_keeps_its_place_when_its_caller_goes_away(stage: Stage, narrow: Room, shut: Shut) -> None:
    second = Source("second")
    shut.leader.cancel()
    await asyncio.wait({shut.leader})
    waiting = asyncio.create_task(stage.get(second))
    await settle()
    assert second.calls == 0
    shut.source.gate.set()
    assert await waiting == "second"
    await settle()
    assert narrow.free == 1


async def test_a_load_at_the_door_that_another_load_waits_for_goes_in_at_once(stage: Stage, narrow: Room) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def outer() -> object:
        inside.set()
        await go_on.wait()
        return await stage.get(Source("own"))

    leader = asyncio.create_task(stage.get(outer, OTHER))
    await inside.wait()
    at_door = asyncio.create_task(stage.get(Source("late")))
    await settle()
    go_on.set()
    async with asyncio.timeout(10):
        assert [await leader, await at_door] == ["late", "late"]
    assert narrow.free == 1


@pytest.mark.parametrize("attached", [False, True])
async def test_a_request_that_is_thrown_away_leaves_the_door_and_its_place(
    stage: Stage, narrow: Room, shut: Shut, attached: bool
) -> None:
    request = stage.get(Source("second"), attached=attached)
    request.send(None)
    request.close()
    await shut.open()
    assert narrow.free == 1
    running = stage.get(Source("third", shut=True), attached=attached)
    running.send(None)
    assert narrow.free == 0
    running.close()
    await settle()
    assert narrow.free == (1 if attached else 0)
    if attached:
        assert stage.reads.flights.get().room.free == MOST_LOADS
        assert await stage.get(Source("fourth")) == "fourth"
