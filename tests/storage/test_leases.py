"""Leases, claims and marks on real servers. Two services stand for two processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pika_redis import LoadFailedError, RedisService
from pika_redis.model.entry import Draft, Failure, Hold, Outcome, Terms
from pika_redis.policy import loading
from pika_redis.policy.loading import Plan
from pika_redis.policy.rules.options import Options
from pika_redis.storage.store import Store
from pika_redis.testing import EmbeddedServer, age_entries

TERMS = Terms((), 100.0, 5.0, 0.0)
GUARD = b"H" + b"\xff123456789abcdef" * 2
OURS, THEIRS = Failure(b"process1", 1), Failure(b"process2", 2)


@pytest.fixture
async def near(server: EmbeddedServer, prefix: str) -> AsyncIterator[RedisService]:
    async with RedisService(server.url, key_prefix=prefix) as service:
        yield service


@pytest.fixture
async def far(server: EmbeddedServer, prefix: str) -> AsyncIterator[RedisService]:
    """Another process, as far as the first can tell."""
    async with RedisService(server.url, key_prefix=prefix) as service:
        yield service


class Source:
    """A loader that stops at its gate. An exception as value is raised."""

    def __init__(self, value: object, *, shut: bool = False) -> None:
        self.value = value
        self.calls = 0
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        if not shut:
            self.gate.set()

    async def __call__(self) -> Any:
        self.calls += 1
        self.reached.set()
        await self.gate.wait()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def key(service: RedisService) -> str:
    return service.name_of("k")


def claim(service: RedisService) -> str:
    return service._namespace.claim_key(key(service))


async def begin(service: RedisService, terms: Terms = TERMS) -> Hold | None:
    store: Store = service._store
    return await store.begin(key(service), await store.fetch(key(service), terms.tags), terms)


async def held(service: RedisService, terms: Terms = TERMS) -> Hold:
    hold = await begin(service, terms)
    assert hold is not None
    return hold


async def replace(service: RedisService, hold: Hold, value: object) -> Outcome:
    return await service._store.replace(key(service), hold, Draft(value, 100.0, plain_integers=False))


def refresh(service: RedisService, source: Source) -> asyncio.Task[object]:
    plan = Plan(Options(ttl=100.0))
    return asyncio.create_task(service.reads.refresh(key(service), source, plan))


# -- leases ---------------------------------------------------------------------------------------------------------


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


# -- bytes without a nonce ------------------------------------------------------------------------------------------


async def test_a_refresh_does_not_undo_a_number_that_begins_with_the_same_digits(
    near: RedisService, far: RedisService
) -> None:
    await near.set("k", 1234567890)
    source = Source(["loaded"], shut=True)
    load = refresh(near, source)
    await source.reached.wait()
    await far.execute("SET", key(far), b"1234567891")
    source.gate.set()
    assert await load == ["loaded"]
    assert await far.get("k") == await near.get("k") == 1234567891


async def test_a_number_stays_while_it_is_refreshed_and_when_that_fails(near: RedisService, far: RedisService) -> None:
    await near.set("k", 7)
    source = Source(LookupError("no"), shut=True)
    load = refresh(near, source)
    await source.reached.wait()
    assert await far.get("k") == 7
    source.gate.set()
    with pytest.raises(LookupError):
        await load
    assert await near.increment("k") == await far.get("k") == 8
    assert await refresh(near, Source(9)) == await far.get("k") == 9
    assert await near.execute("EXISTS", claim(near)) == 0


async def test_a_number_that_changes_during_its_refresh_is_kept(near: RedisService, far: RedisService) -> None:
    await near.set("k", 7)
    source = Source(["loaded"], shut=True)
    load = refresh(near, source)
    await source.reached.wait()
    assert await far.increment("k") == 8
    source.gate.set()
    await load
    assert await near.get("k") == 8


@pytest.mark.parametrize("change", ["DEL", "SET"])
async def test_foreign_bytes_give_way_and_a_change_of_them_is_not_undone(
    near: RedisService, far: RedisService, change: str
) -> None:
    await near.execute("SET", key(near), b"not ours")
    source = Source(["loaded"], shut=True)
    load = asyncio.create_task(near.get_or_load("k", source))
    await source.reached.wait()
    await far.execute(change, key(far), *([b"not ours"] if change == "SET" else []))
    source.gate.set()
    assert await load == ["loaded"]
    assert await far.execute("GET", key(far)) == (b"not ours" if change == "SET" else None)


async def test_a_value_of_another_type_is_replaced_by_what_was_loaded_and_by_nothing_else(near: RedisService) -> None:
    await near.execute("RPUSH", key(near), "x")
    hold = await held(near)
    assert (hold.identity, hold.renewable) == (b"", False)
    assert await near._store.release(key(near), hold) is Outcome.OVERTAKEN
    await near._store.fail(key(near), hold, OURS, 10.0)
    assert await near.execute("LRANGE", key(near), 0, -1) == [b"x"]
    assert await replace(near, hold, ["loaded"]) is Outcome.STORED
    assert await near.get("k") == ["loaded"]


# -- a writer's guard -------------------------------------------------------------------------------------------------


async def test_while_a_guard_stands_there_values_are_loaded_and_not_stored(
    near: RedisService, far: RedisService
) -> None:
    await near.execute("SET", key(near), GUARD, "PX", 60_000)
    hold = await held(near)
    assert (hold.storable, hold.renewable) == (False, False)
    assert await replace(near, hold, "loaded") is Outcome.OVERTAKEN
    source = Source(["loaded"])
    for service in (near, far):
        assert await service.get_or_load("k", source, tags=["t"]) == ["loaded"]
        assert await service.get("k", default="miss") == "miss"
    assert source.calls == 2
    with pytest.raises(LookupError):
        await near.get_or_load("k", Source(LookupError("no")))
    assert await near.execute("GET", key(near)) == GUARD
    assert (await near.get_stats()).undecodable == 0
    await near.execute("DEL", key(near))
    assert await far.get_or_load("k", source) == await near.get("k") == ["loaded"]


@pytest.mark.parametrize("found", ["absent", "marked stale"])
async def test_a_guard_that_came_during_a_load_stays(near: RedisService, far: RedisService, found: str) -> None:
    if found != "absent":
        await near.set("k", ["old"])
        await near.mark_stale("k")
    source = Source(["loaded"], shut=True)
    load = asyncio.create_task(near.get_or_load("k", source))
    await source.reached.wait()
    await far.execute("SET", key(far), GUARD)
    source.gate.set()
    assert await load == ["loaded"]
    assert await near.execute("GET", key(near)) == GUARD
    assert await near.mark_stale("k") is False
    assert await near.execute("GET", key(near)) == GUARD


@pytest.mark.parametrize("raw", [b"H", b"H\xff" + b"x" * 14, b"H\xff" + b"x" * 16, b"H" + b"x" * 16, b"Hello, world", b"L123", b"F12345678"])
async def test_bytes_that_only_begin_like_a_mark_are_foreign(near: RedisService, raw: bytes) -> None:
    await near.execute("SET", key(near), raw)
    assert await near.get_or_load("k", Source(["loaded"])) == ["loaded"]
    assert await near.get("k") == ["loaded"]
    assert (await near.get_stats()).undecodable > 0


# -- failed loads -----------------------------------------------------------------------------------------------------


class Processes:
    """By turns the same code is another process, by the name under which it marks its failures."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    @contextlib.contextmanager
    def be(self, name: str) -> Iterator[None]:
        with self._patch.context() as patch:
            patch.setattr(loading._process, "token", name.encode().ljust(8))
            yield

    async def fail(self, name: str, service: RedisService, **options: Any) -> str:
        """A failing load of one process: whether it was tried, or refused."""
        source = Source(LookupError(name))
        with self.be(name):
            ended = (await asyncio.gather(service.get_or_load("k", source, **options), return_exceptions=True))[0]
        assert isinstance(ended, LookupError if source.calls else LoadFailedError)
        return "tried" if source.calls else "refused"


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Processes:
    return Processes(monkeypatch)


async def prepare(service: RedisService, found: str) -> None:
    if found == "absent":
        return
    await service.set("k", ["old"], tags=["t"])
    await (service.mark_stale("k") if found == "marked stale" else service.invalidate_tags(["t"]))


FOUND = ["absent", "marked stale", "ended by its tag"]


@pytest.mark.parametrize("found", FOUND)
async def test_one_process_alone_may_always_try_again(near: RedisService, processes: Processes, found: str) -> None:
    await prepare(near, found)
    assert [await processes.fail("a", near) for _ in range(5)] == ["tried"] * 5
    assert await near.get_or_load("k", Source("recovered")) == await near.get("k") == "recovered"


@pytest.mark.parametrize("found", FOUND)
async def test_when_two_processes_failed_all_are_refused_until_the_mark_expires(
    near: RedisService, far: RedisService, processes: Processes, prefix: str, found: str
) -> None:
    await prepare(near, found)
    turns = [("a", near), ("a", near), ("b", far), ("a", near), ("b", far), ("c", far)]
    seen = [await processes.fail(name, service, error_backoff=60) for name, service in turns]
    assert seen == ["tried", "tried", "tried", "refused", "refused", "refused"]
    await age_entries(near, prefix, 61)
    assert await processes.fail("c", far, error_backoff=60) == "tried"
    assert await processes.fail("c", far, error_backoff=60) == "tried"


@pytest.mark.parametrize("found", FOUND)
async def test_a_process_that_succeeds_ends_the_failures(
    near: RedisService, far: RedisService, processes: Processes, found: str
) -> None:
    await prepare(near, found)
    await processes.fail("a", near, error_backoff=60)
    with processes.be("b"):
        assert await far.get_or_load("k", Source(["loaded"])) == ["loaded"]
    assert await near.get("k") == ["loaded"]
    assert await near.execute("EXISTS", claim(near)) == 0
    await near.delete("k")
    assert await processes.fail("b", far) == "tried"


async def test_a_mark_is_no_value_and_gives_way_to_one(near: RedisService, far: RedisService) -> None:
    hold = await held(near)
    await near._store.fail(key(near), hold, THEIRS, 60.0)
    raw = await near.execute("GET", key(near))
    assert (raw[:1], raw[9:]) == (b"F", b"process2\x02")
    assert await far.get("k", default="miss") == "miss"
    assert await far.exists("k") is False
    assert (await far._store.fetch(key(far), ())).failure == THEIRS
    with pytest.raises(LoadFailedError, match="failed in 2 processes a moment ago"):
        await far.get_or_load("k", Source("unused"))
    assert await far.add("k", "added") is True
    assert await near.get("k") == "added"


async def test_a_mark_beside_an_entry_lets_it_rest_for_those_who_have_something_to_serve(
    near: RedisService, far: RedisService
) -> None:
    await near.set("k", ["old"])
    hold = await held(near)
    await near._store.fail(key(near), hold, OURS, 60.0)
    assert 50_000 < await near.execute("PTTL", claim(near)) <= 60_000
    with pytest.raises(LoadFailedError):
        await begin(far, Terms((), 100.0, 5.0, 0.0, spare=True))
    taken = await held(far)
    assert taken.failure == OURS
    assert await near.execute("GET", claim(near)) == taken.claim
    assert 0 < await near.execute("PTTL", claim(near)) <= 5000
    assert await begin(near) is None
    await far._store.fail(key(far), taken, THEIRS, 60.0)
    with pytest.raises(LoadFailedError):
        await begin(near)


@pytest.mark.parametrize("first", [b"#", b"L", b"F", b"H"])
async def test_a_claim_is_marked_whatever_its_token_begins_with(
    near: RedisService, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    await near.set("k", ["old"])
    with monkeypatch.context() as patch:
        patch.setattr("pika_redis.storage.leases.os.urandom", lambda size: first + b"x" * (size - 1))
        hold = await held(near)
        await near._store.fail(key(near), hold, OURS, 60.0)
    assert await near.execute("GET", claim(near)) == b"F" + first + b"x" * 7 + b"process1\x01"


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
