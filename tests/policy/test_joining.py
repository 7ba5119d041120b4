"""Who may have the result of a load: who joined before it began, and who came late if nothing changed meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pika_redis import CacheClosedError, CacheServerError, CacheUnavailableError, Loaded
from pika_redis.model.entry import Outcome

from .doors import Doors
from .stage import KEY, Source, Stage, plan, settle


@pytest.fixture
def doors(stage: Stage) -> Doors:
    doors = stage.store.inner = Doors(stage.store.inner)
    assert isinstance(doors, Doors)
    return doors


def call(stage: Stage, source: Source, **wanted: Any) -> asyncio.Task[Any]:
    return asyncio.create_task(stage.get(source, **wanted))


async def elsewhere(stage: Stage) -> None:
    """Another process ends the tag: this one's flights are not let go of."""
    await stage.store.inner.invalidate(["tag"])


async def test_who_joined_before_the_loader_was_called_gets_the_result_whatever_happens(
    stage: Stage, doors: Doors
) -> None:
    door = doors.shut("begin")
    source, unused = Source("old", shut=True), Source("unused")
    leader = call(stage, source, tags=["tag"])
    await door.reached.wait()
    early = call(stage, unused, tags=["tag"])
    await settle()
    door.opened.set()
    await source.entered.wait()
    await elsewhere(stage)
    source.gate.set()
    assert await asyncio.gather(*[leader, early]) == ["old"] * 2
    assert unused.calls == 0


async def test_who_came_late_gets_the_result_when_nothing_changed(stage: Stage) -> None:
    source, unused = Source("value", shut=True), Source("unused")
    leader = call(stage, source, tags=["tag"])
    await source.entered.wait()
    late = call(stage, unused, tags=["tag"])
    await settle()
    source.gate.set()
    assert await asyncio.gather(*[leader, late]) == ["value"] * 2
    assert (unused.calls, stage.counters.joined) == (0, 1)


async def test_who_came_late_looks_again_when_something_changed(stage: Stage) -> None:
    source, again = Source("old", shut=True), Source("new", shut=True)
    leader = call(stage, source, tags=["tag"])
    await source.entered.wait()
    await elsewhere(stage)
    late = [call(stage, again, tags=["tag"]) for _ in range(10)]
    await settle()
    source.gate.set()
    assert await leader == "old"
    await settle()
    again.gate.set()
    assert await asyncio.gather(*late) == ["new"] * 10
    assert again.calls == 1
    assert stage.held() == "new"


@pytest.mark.parametrize(("changes", "gets"), [(False, "value"), (True, "again")])
async def test_of_what_is_not_to_be_stored_the_same_holds(stage: Stage, changes: bool, gets: str) -> None:
    source = Source("value", shut=True)
    leader = call(stage, source, tags=["tag"], store_if=lambda _: False)
    await source.entered.wait()
    if changes:
        await elsewhere(stage)
    late = call(stage, Source("again"), tags=["tag"])
    await settle()
    source.gate.set()
    assert await leader == "value"
    assert await late == gets


@pytest.mark.parametrize("outcome", [Outcome.OVERTAKEN, Outcome.DOUBTFUL, Outcome.UNSURE])
async def test_who_came_late_looks_again_unless_the_store_is_sure(stage: Stage, doors: Doors, outcome: Outcome) -> None:
    async def replace(*_: object) -> Outcome:
        return outcome

    doors.answers["replace"] = replace
    source = Source("value", shut=True)
    leader = call(stage, source)
    await source.entered.wait()
    late = call(stage, Source("again"))
    await settle()
    source.gate.set()
    assert await leader == "value"
    assert await late == "again"


async def test_while_the_store_can_not_be_asked_who_came_late_gets_the_result(stage: Stage) -> None:
    stage.store.broken["fetch"] = CacheUnavailableError("gone")
    source, unused = Source("value", shut=True), Source("unused")
    leader = call(stage, source)
    await source.entered.wait()
    late = call(stage, unused)
    await settle()
    source.gate.set()
    assert await asyncio.gather(*[leader, late]) == ["value"] * 2
    assert unused.calls == 0


FULL = CacheServerError("OOM command not allowed", code="OOM")


@pytest.mark.parametrize(
    ("held", "change", "gets"),
    [
        ("marked stale", None, "value"),
        ("marked stale", "delete", "again"),
        ("marked stale", "tag", "again"),
        ("nothing", None, "again"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
async def test_of_a_load_that_a_full_server_gave_no_lease_the_same_holds(
    stage: Stage, held: str, change: str | None, gets: str, strict: bool
) -> None:
    """Of a key that held nothing, which could not be marked, nobody can tell whether it was deleted."""
    if held != "nothing":
        await stage.get(Source("old"), tags=["tag"], stale_if_error=50)
        await stage.store.inner.mark_stale(KEY)
    stage.store.broken["begin"] = FULL
    source = Source("value", shut=True)
    leader = call(stage, source, tags=["tag"])
    await source.entered.wait()
    if change == "delete":
        await stage.store.inner.delete([KEY])
    elif change == "tag":
        await elsewhere(stage)
    late = call(stage, Source("again"), tags=["tag"], consistency="strict" if strict else "eventual")
    await settle()
    source.gate.set()
    assert await leader == "value"
    assert await late == gets


@pytest.mark.parametrize("named", [["tag"], ["tag", "late"]])
async def test_of_tags_that_only_the_loader_named_nobody_knows_whether_they_were_invalidated(
    stage: Stage, named: list[str]
) -> None:
    await stage.get(Source("old"), tags=["tag"], stale_if_error=50)
    await stage.store.inner.mark_stale(KEY)
    stage.store.broken["begin"] = FULL
    source = Source(Loaded("value", tags=named), shut=True)
    leader = call(stage, source, tags=["tag"])
    await source.entered.wait()
    late = call(stage, Source("again"), tags=["tag"])
    await settle()
    source.gate.set()
    assert await leader == "value"
    assert await late == ("value" if named == ["tag"] else "again")


async def test_a_cache_that_is_closed_meanwhile_costs_nobody_the_value(stage: Stage) -> None:
    await stage.get(Source("old"), stale_if_error=50)
    await stage.store.inner.mark_stale(KEY)
    stage.store.broken["begin"] = FULL
    source = Source("value", shut=True)
    leader = call(stage, source)
    await source.entered.wait()
    late = call(stage, Source("again"))
    await settle()
    stage.store.broken["fetch"] = CacheClosedError("closed")
    source.gate.set()
    assert await asyncio.gather(*[leader, late]) == ["value"] * 2


@pytest.mark.parametrize("gone", ["before", "meanwhile"])
async def test_while_the_store_can_not_be_asked_who_is_strict_and_came_late_has_it_loaded_again(
    stage: Stage, gone: str
) -> None:
    stage.store.broken["begin" if gone == "meanwhile" else "fetch"] = CacheUnavailableError("gone")
    source, again = Source("value", shut=True), Source("again")
    leader = call(stage, source)
    await source.entered.wait()
    stage.store.broken["fetch"] = CacheUnavailableError("gone")
    late = [call(stage, again), call(stage, again, consistency="strict")]
    await settle()
    source.gate.set()
    assert await leader == "value"
    assert await asyncio.gather(*late) == ["value", "again"]
    assert again.calls == 1


async def test_who_came_late_gets_a_failure_at_once(stage: Stage) -> None:
    failure = LookupError("no")
    source, unused = Source(failure, shut=True), Source("unused")
    leader = call(stage, source)
    await source.entered.wait()
    late = call(stage, unused)
    await settle()
    source.gate.set()
    assert await asyncio.gather(*[leader, late], return_exceptions=True) == [failure] * 2
    assert unused.calls == 0


async def test_nobody_joins_once_the_result_is_on_its_way_to_the_store(stage: Stage, doors: Doors) -> None:
    door = doors.shut("replace")
    first, second = Source("first"), Source("second")
    leader = call(stage, first)
    await door.reached.wait()
    late = call(stage, second)
    await settle()
    assert second.calls == 1
    door.opened.set()
    assert await asyncio.gather(*[leader, late]) == ["first", "second"]
    assert (stage.counters.loads, stage.counters.joined) == (2, 0)


async def test_a_load_that_is_cancelled_before_its_first_step_tells_that_the_cache_was_closed(stage: Stage) -> None:
    source = Source()
    waiter = call(stage, source)
    await asyncio.sleep(0)
    (load,) = stage.reads.flights.get()._tasks
    load.cancel()
    with pytest.raises(CacheClosedError, match="before it began"):
        await waiter
    assert (source.calls, stage.shelf.leases) == (0, {})
    assert stage.reads.flights.get().get(KEY) is None


async def test_a_generator_exit_of_a_loader_is_a_failure_like_any_other(stage: Stage) -> None:
    source = Source(GeneratorExit(), shut=True)
    waiters = [call(stage, source) for _ in range(2)]
    await settle()
    source.gate.set()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [(type(result), str(result)) for result in results] == [
        (RuntimeError, "the loader raised GeneratorExit()")
    ] * 2
    assert stage.shelf.leases == {}
    assert await stage.get(Source("after")) == "after"


async def test_an_explicit_refresh_lets_go_of_the_load_under_way(stage: Stage) -> None:
    source = Source("before", shut=True)
    leader = call(stage, source)
    await source.entered.wait()
    flight = stage.reads.flights.get().get(KEY)
    assert flight is not None
    assert await stage.reads.refresh(KEY, Source("refreshed"), plan()) == "refreshed"
    assert flight.detached
    source.gate.set()
    assert await leader == "before"
    assert stage.held() == "refreshed"
