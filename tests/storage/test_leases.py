"""Leases and claims on real servers, and waiting for a load in another process."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from pika_redis import RedisService
from pika_redis.model.entry import Found, Hold, Outcome, Terms
from pika_redis.testing import EmbeddedServer, age_entries

from .fleet import FOUND, OURS, Source, begin, claim, held, key, prepare, refresh, replace
from .tap import near_of

Ages: TypeAlias = Callable[[float], Awaitable[None]]

# -- leases ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> None:
    """Time runs."""


async def test_a_key_that_holds_nothing_gets_a_lease_that_one_process_wins(
    near: RedisService, far: RedisService
) -> None:
    hold = await held(near)
    assert hold.identity[:1] == b"L"
    assert (hold.claim, hold.renewable, hold.storable) == (b"", True, True)
    assert await near.execute("GET", key(near)) == hold.identity
    assert 0 < await near.execute("PTTL", key(near)) <= 5000
    assert await near.get("k") is None
    assert await near.exists("k") is False
    assert await begin(far) is None
    assert await begin(near) is None
    assert await near._store.release(key(near), hold) is Outcome.CURRENT
    assert await near.execute("EXISTS", key(near)) == 0
    assert await begin(far) is not None


async def test_a_lease_gives_way_to_what_was_loaded(near: RedisService, far: RedisService) -> None:
    hold = await held(near)
    assert await replace(near, hold, ["loaded"]) is Outcome.STORED
    assert await far.get("k") == ["loaded"]
    assert await replace(near, hold, ["again"]) is Outcome.OVERTAKEN


@pytest.mark.parametrize("change", ["del", "lease", "set"])
async def test_a_lease_that_is_gone_stores_renews_and_releases_nothing(
    near: RedisService, far: RedisService, change: str
) -> None:
    hold = await held(near)
    await near.execute("DEL", key(near))
    if change == "lease":
        await held(far)
    elif change == "set":
        await far.set("k", ["set"])
    left = await near.execute("GET", key(near))
    assert await near._store.renew(key(near), hold, 60.0) is False
    assert await replace(near, hold, ["loaded"]) is Outcome.OVERTAKEN
    assert await near._store.release(key(near), hold) is Outcome.OVERTAKEN
    await near._store.fail(key(near), hold, OURS, 10.0)
    assert await near.execute("GET", key(near)) == left
    assert left is None or await near.execute("PTTL", key(near)) != 10_000


async def test_a_renewed_lease_lives_on(near: RedisService) -> None:
    hold = await held(near)
    assert await near._store.renew(key(near), hold, 60.0) is True
    assert 50_000 < await near.execute("PTTL", key(near)) <= 60_000
    assert await near.execute("GET", key(near)) == hold.identity


# -- claims ---------------------------------------------------------------------------------------------------------


async def test_an_entry_stays_and_gets_a_claim_beside_it(near: RedisService, far: RedisService) -> None:
    await near.set("k", ["old"])
    before = await near.execute("GET", key(near))
    hold = await held(near)
    assert hold.identity == before[:9]
    assert await near.execute("GET", claim(near)) == hold.claim
    assert 0 < await near.execute("PTTL", claim(near)) <= 5000
    assert await near.execute("GET", key(near)) == before
    assert await begin(far) is None
    assert await near._store.renew(key(near), hold, 60.0) is True
    assert 50_000 < await near.execute("PTTL", claim(near)) <= 60_000
    assert await near._store.release(key(near), hold) is Outcome.CURRENT
    assert await near.execute("GET", key(near)) == before
    assert await near.execute("EXISTS", claim(near)) == 0
    assert await begin(far) is not None


async def test_a_claim_goes_when_the_load_is_stored(near: RedisService) -> None:
    await near.set("k", ["old"])
    hold = await held(near)
    assert await replace(near, hold, ["new"]) is Outcome.STORED
    assert await near.get("k") == ["new"]
    assert await near.execute("EXISTS", claim(near)) == 0


async def test_a_lost_claim_costs_a_load_and_the_first_to_store_wins(near: RedisService, far: RedisService) -> None:
    for first, second in ((near, far), (far, near)):
        await near.set("k", ["old"])
        lost = await held(near)
        await near.execute("DEL", claim(near))
        won = await held(far)
        holds = {near: lost, far: won}
        assert await near._store.renew(key(near), lost, 60.0) is False
        assert await near.execute("GET", claim(near)) == won.claim
        assert await replace(first, holds[first], ["first"]) is Outcome.STORED
        assert await replace(second, holds[second], ["second"]) is Outcome.OVERTAKEN
        assert await near.get("k") == ["first"]
        await near.execute("DEL", claim(near))


async def test_releasing_a_lost_claim_leaves_that_of_another(near: RedisService, far: RedisService) -> None:
    await near.set("k", ["old"])
    lost = await held(near)
    await near.execute("DEL", claim(near))
    won = await held(far)
    await near._store.release(key(near), lost)
    await near._store.fail(key(near), lost, OURS, 10.0)
    assert await near.execute("GET", claim(near)) == won.claim


@pytest.mark.parametrize("change", ["del", "set", "mark_stale", "raw"])
async def test_a_claim_is_no_right_to_undo_a_change(near: RedisService, far: RedisService, change: str) -> None:
    await near.set("k", ["old"])
    hold = await held(near)
    if change == "raw":
        await far.execute("SET", key(far), b"5")
    else:
        await {"del": far.delete, "mark_stale": far.mark_stale}.get(change, lambda k: far.set(k, ["new"]))("k")
    left = await far.execute("GET", key(far))
    assert await replace(near, hold, ["loaded"]) is Outcome.OVERTAKEN
    assert await far.execute("GET", key(far)) == left


@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("change", ["tag", "epoch", "key"])
async def test_what_can_not_be_stored_any_more_is_not_renewed(
    near: RedisService, far: RedisService, found: str, change: str
) -> None:
    await prepare(near, found)
    hold = await held(near, Terms(("t",), 100.0, 5.0, 0.0))
    assert await near._store.renew(key(near), hold, 60.0) is True
    if change == "tag":
        await far.invalidate_tags(["t"])
    elif change == "epoch":
        await far.clear(sweep=False)
    else:
        await far.mark_stale("k")
    assert await near._store.renew(key(near), hold, 60.0) is False
    assert await begin(far) is not None


@pytest.mark.parametrize("found", FOUND)
async def test_after_an_invalidation_nobody_waits_for_a_load_that_began_before(
    near: RedisService, far: RedisService, found: str
) -> None:
    await prepare(near, found)
    doomed = Source(["old"], shut=True)
    load = asyncio.create_task(near.get_or_load("k", doomed, tags=["t"], lease="30ms"))
    await doomed.reached.wait()
    await far.invalidate_tags(["t"])
    assert await far.get_or_load("k", Source(["new"]), tags=["t"]) == ["new"]
    doomed.gate.set()
    assert await load == ["old"]
    assert await near.get("k") == await far.get("k") == ["new"]


@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("who", ["near", "far"])
async def test_after_an_own_invalidation_the_lease_of_the_load_goes_at_once(
    near: RedisService, far: RedisService, found: str, who: str
) -> None:
    await prepare(near, found)
    doomed = Source(["old"], shut=True)
    load = asyncio.create_task(near.get_or_load("k", doomed, tags=["t"], lease="1h"))
    await doomed.reached.wait()
    await near.invalidate_tags(["t"])
    async with asyncio.timeout(20):  # and not a third of an hour
        next_one = near if who == "near" else far
        assert await next_one.get_or_load("k", Source(["new"]), tags=["t"]) == ["new"]
    doomed.gate.set()
    assert await load == ["old"]
    assert await near.get("k") == await far.get("k") == ["new"]


# -- waiting for a load elsewhere -------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", ["absent", "marked stale", "ended by its tag"])
@pytest.mark.parametrize("l1", [True, False])
async def test_a_load_in_another_process_is_waited_for_and_its_value_served(
    server: EmbeddedServer, prefix: str, near: RedisService, found: str, l1: bool
) -> None:
    async with RedisService(server.url, key_prefix=prefix, l1=l1) as far:
        if found != "absent":
            await near.set("k", ["old"], tags=["t"])
            await (near.mark_stale("k") if found == "marked stale" else near.invalidate_tags(["t"]))
        source, unused = Source(["new"], shut=True), Source(["unused"])
        loads = asyncio.create_task(near.get_or_load("k", source, tags=["t"]))
        await source.reached.wait()
        waits = [asyncio.create_task(far.get_or_load("k", unused, tags=["t"])) for _ in range(10)]
        for _ in range(20):
            await far.exists("another")
        source.gate.set()
        assert await asyncio.gather(loads, *waits) == [["new"]] * 11
        assert unused.calls == 0
        keys = await near.execute("KEYS", f"{prefix}*")
        assert sorted(name.removeprefix(prefix.encode()) for name in keys) == [b"#e", b"#t:t", b"k"]


@pytest.mark.parametrize("found", FOUND)
async def test_who_waits_is_woken_and_does_not_try_again_and_again(
    near: RedisService, far: RedisService, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    await prepare(near, found)
    tries: list[str] = []

    async def begin(key: str, found: Found, terms: Terms) -> Hold | None:
        tries.append(key)
        return await begun(key, found, terms)

    begun = far._store.begin
    monkeypatch.setattr(far._store, "begin", begin)
    source = Source(["new"], shut=True)
    loads = asyncio.create_task(near.get_or_load("k", source))
    await source.reached.wait()
    waits = asyncio.create_task(far.get_or_load("k", Source(["unused"])))
    for _ in range(30):
        await far.exists("another")
    source.gate.set()
    assert [await loads, await waits] == [["new"]] * 2
    assert 1 <= len(tries) <= 3


@pytest.mark.parametrize("extra", [0, 2])
async def test_an_entry_that_ends_while_it_is_loaded_again_is_loaded_once(
    near: RedisService, far: RedisService, prefix: str, extra: int
) -> None:
    """Who finds nothing takes a lease and loads: so a claim keeps what it stands beside, though none may read it."""
    options: dict[str, Any] = {"ttl": 100, "ttl_jitter": 0, "stale_if_error": extra, "lease": 30}
    await near.get_or_load("k", Source(["old"]), **options)
    await age_entries(near, prefix, 90)
    source, unused = Source(["new"], shut=True), Source(["unused"])
    assert await near.get_or_load("k", source, refresh_ahead=50, **options) == ["old"]
    await source.reached.wait()
    assert 9 < (await far.remaining_ttl("k") or 0) <= 10
    await age_entries(near, prefix, 20)
    assert await far.get("k") is None
    assert await far.exists("k") is False
    late = [asyncio.create_task(one.get_or_load("k", unused, **options)) for one in (near, far)]
    for _ in range(20):
        await far.exists("another")
    source.gate.set()
    assert await asyncio.gather(*late) == [["new"]] * 2
    assert await far.get("k") == ["new"]
    assert unused.calls == 0
    assert 95 < (await far.remaining_ttl("k") or 0) <= 100


@pytest.fixture
def pass_(near: RedisService, monkeypatch: pytest.MonkeyPatch) -> Ages:
    """Lets time pass for the entry and for what its process takes for the time of the server."""

    async def passing(seconds: float) -> None:
        node = near_of(near).node
        told, left = node.server_ms, await near.execute("PTTL", key(near))
        await near.execute("PEXPIRE", key(near), left - round(seconds * 1000))
        monkeypatch.setattr(node, "server_ms", lambda: told() + round(seconds * 1000))

    return passing


async def test_a_claim_that_is_renewed_keeps_what_it_stands_beside(near: RedisService, pass_: Ages) -> None:
    """Of its own life the entry has three seconds left at the first renewal, and none at the second."""
    await near.set("k", ["old"], 100)
    hold = await held(near)
    assert await near.execute("PTTL", key(near)) > 90_000
    for seconds in (97, 4):
        await pass_(seconds)
        assert await near._store.renew(key(near), hold, 5.0) is True
        assert 4000 < await near.execute("PTTL", key(near)) <= 5000


@pytest.mark.parametrize("ttl", [3600, 2, math.inf])
async def test_a_claim_leaves_alone_what_was_touched_meanwhile(
    near: RedisService, pass_: Ages, far: RedisService, ttl: float
) -> None:
    await near.set("k", ["old"], 100)
    hold = await held(near)
    await pass_(97)
    assert await far.touch("k", ttl) is True
    assert await near._store.renew(key(near), hold, 5.0) is True
    left = await far.remaining_ttl("k")
    assert left is not None
    assert left == ttl or ttl - 1 < left <= ttl


async def test_a_number_that_is_taken_over_by_a_counter_lives_no_longer_for_its_claim(
    near: RedisService, far: RedisService, prefix: str
) -> None:
    options: dict[str, Any] = {"ttl": 100, "ttl_jitter": 0, "lease": 30}
    await near.get_or_load("k", Source(5), **options)
    await age_entries(near, prefix, 90)
    source = Source(7, shut=True)
    assert await near.get_or_load("k", source, refresh_ahead=50, **options) == 5
    await source.reached.wait()
    assert await near.execute("PTTL", key(near)) > 25_000
    assert await far.increment("k") == 6
    assert 9000 < await near.execute("PTTL", key(near)) <= 10_000
    source.gate.set()
    await near.aclose()
    assert await far.get("k") == 6


async def test_a_counter_of_what_was_touched_for_ever_lives_for_ever(near: RedisService) -> None:
    await near.get_or_load("k", Source(5), ttl=100, stale_if_error=50)
    assert await near.touch("k", math.inf) is True
    assert await near.increment("k") == 6
    assert await near.remaining_ttl("k") == math.inf


async def test_a_claim_keeps_nothing_that_was_deleted_or_replaced(near: RedisService, far: RedisService) -> None:
    for change in (far.delete("k"), far.set("k", ["theirs"], 3)):
        await near.set("k", ["old"], 3)
        hold = await held(near)
        await change
        assert await near._store.renew(key(near), hold, 5.0) is False
        assert await near.get("k") == await far.get("k") != ["old"]
        await near.delete("k")


async def test_when_a_load_elsewhere_stores_nothing_who_waits_loads(near: RedisService, far: RedisService) -> None:
    source, own = Source(None, shut=True), Source("own")
    loads = asyncio.create_task(near.get_or_load("k", source, none_ttl=0))
    await source.reached.wait()
    waits = asyncio.create_task(far.get_or_load("k", own))
    await far.exists("another")
    source.gate.set()
    assert [await loads, await waits] == [None, "own"]
    assert own.calls == 1


async def test_who_stops_waiting_leaves_no_lease(near: RedisService, far: RedisService) -> None:
    source = Source("value", shut=True)
    loads = asyncio.create_task(near.get_or_load("k", source))
    await source.reached.wait()
    lease = await near.execute("GET", key(near))
    waits = asyncio.create_task(far.get_or_load("k", Source("unused")))
    await far.exists("another")
    waits.cancel()
    await asyncio.wait({waits})
    assert await near.execute("GET", key(near)) == lease
    source.gate.set()
    assert await loads == "value"


# -- changes that keep the value --------------------------------------------------------------------------------------


async def test_a_touch_keeps_the_identity_so_that_a_load_under_way_is_stored(
    near: RedisService, far: RedisService
) -> None:
    await near.set("k", ["old"])
    source = Source(["new"], shut=True)
    load = refresh(near, source)
    await source.reached.wait()
    assert await far.touch("k", 500) is True
    source.gate.set()
    assert await load == ["new"]
    assert await far.get("k") == ["new"]
