"""What stands at a key that is no entry: foreign bytes, numbers, guards, marks of failed loads. On real servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from pika_redis import LoadFailedError, RedisService
from pika_redis.model.entry import Outcome, Terms
from pika_redis.policy import loading
from pika_redis.testing import age_entries

from .fleet import FOUND, OURS, THEIRS, Source, begin, claim, held, key, prepare, refresh, replace

GUARD = b"H" + b"\xff123456789abcdef" * 2


@pytest.fixture
def clock() -> None:
    """Time runs."""


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


NO_MARKS = (b"H", b"H\xff" + b"x" * 14, b"H\xff" + b"x" * 16, b"H" + b"x" * 16, b"Hello", b"L123", b"F12345678")


@pytest.mark.parametrize("raw", NO_MARKS)
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


@pytest.mark.parametrize("found", FOUND)
async def test_one_process_alone_may_always_try_again(near: RedisService, processes: Processes, found: str) -> None:
    await prepare(near, found)
    assert [await processes.fail("a", near) for _ in range(5)] == ["tried"] * 5
    assert await near.get_or_load("k", Source("recovered")) == await near.get("k") == "recovered"


async def test_while_one_tries_again_after_a_failure_the_others_wait_however_long_it_takes(
    near: RedisService, far: RedisService, prefix: str
) -> None:
    """The mark of the failure ends before the load does."""
    source, unused = Source("value", shut=True), Source("unused")
    with pytest.raises(LookupError):
        await near.get_or_load("k", Source(LookupError("no")))
    loads = asyncio.create_task(near.get_or_load("k", source))
    await source.reached.wait()
    await age_entries(near, prefix, 4)  # the mark rests for one second, a lease for five
    waits = asyncio.create_task(near.get_or_load("k", unused))
    far_waits = asyncio.create_task(far.get_or_load("k", unused))
    for _ in range(20):
        await far.exists("another")
    source.gate.set()
    assert [await loads, await waits, await far_waits] == ["value"] * 3
    assert unused.calls == 0


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
    await far.execute("PING")  # behind its reply everything was heard
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
