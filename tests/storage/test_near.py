"""Copies in this process's memory: what makes one, and what ends it. On real servers.

A copy is looked for by what a read asks: nothing, when there is one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pika_redis import RedisService
from pika_redis.storage.near import Near
from pika_redis.testing import EmbeddedServer, FakeClock

from .conftest import StartOwn
from .raw import Raw, Word
from .tap import Tap, heard, is_served, near_of

Verb = Callable[[RedisService], Awaitable[object]]


async def load() -> object:
    return "loaded"


async def copied(service: RedisService, key: str = "k", value: object = ("a", 1), **how: Any) -> None:
    """There is an entry, and a copy of it."""
    await service.set(key, value, **how)
    await service.get(key)
    assert service.name_of(key) in near_of(service).copies


# -- what makes a copy ----------------------------------------------------------------------------------------------

READS: dict[str, Verb] = {
    "get": lambda service: service.get("k"),
    "get_many": lambda service: service.get_many(["k"]),
    "get_with_ttl": lambda service: service.get_with_ttl("k"),
    "exists": lambda service: service.exists("k"),
    "get_or_load": lambda service: service.get_or_load("k", load),
}


@pytest.mark.parametrize("read", READS)
async def test_the_second_read_asks_nothing(near: RedisService, far: RedisService, tap: Tap, read: str) -> None:
    await far.set("k", ("a", 1), tags=["t"])
    await near.get("j")
    with tap.on(near) as asked:
        await READS[read](near)
        assert not asked.nothing
    with tap.on(near) as asked:
        assert await near.get("k") == ("a", 1)
        assert await near.get_many(["k", "k"]) == [("a", 1)] * 2
        assert await near.get_or_load("k", load) == ("a", 1)
    assert asked.nothing
    assert (await near.get_stats()).hits >= 3


async def test_a_loaded_value_is_a_copy_at_once(near: RedisService, far: RedisService, tap: Tap) -> None:
    assert await near.get_or_load("k", load, tags=["t"]) == "loaded"
    with tap.on(near) as asked:
        assert await near.get("k") == "loaded"
    assert asked.nothing
    await far.delete("k")
    await heard(near)
    assert await near.get("k") is None  # it was tracked from its beginning


async def test_what_was_set_is_no_copy_until_it_is_read(near: RedisService, far: RedisService, tap: Tap) -> None:
    """The server doesn't track what we write: a change by somebody else would never be told."""
    await near.set("k", "mine")
    assert near_of(near).copies == {}
    await far.set("k", "theirs")
    assert await near.get("k") == "theirs"


async def test_counters_and_foreign_bytes_are_read_every_time(near: RedisService, shell: Raw, tap: Tap) -> None:
    await near.increment("n")
    shell("SET", near.name_of("foreign"), "bytes")
    for _ in range(2):
        with tap.on(near) as asked:
            assert await near.get("n") == 1
            assert await near.get("foreign") is None
        assert asked.trips == 2
    assert near_of(near).copies == {}


async def test_what_is_marked_stale_is_no_copy(near: RedisService, far: RedisService) -> None:
    await near.get_or_load("k", load, stale_while_revalidate=60)
    await far.mark_stale("k")
    await heard(near)
    assert await near.get("k") is None
    assert near_of(near).copies == {}


async def test_copies_count_as_hits_of_their_own(near: RedisService) -> None:
    await copied(near)
    before = near._counters.l1_hits
    await near.get("k")
    await near.get_or_load("k", load)
    await near.get_many(["k", "absent"])
    assert near._counters.l1_hits - before == 3


# -- what others do ends it -----------------------------------------------------------------------------------------

FOREIGN: dict[str, Callable[[str], tuple[Word, ...]]] = {
    "SET": lambda key: ("SET", key, "7"),
    "DEL": lambda key: ("DEL", key),
    "EXPIRE": lambda key: ("EXPIRE", key, 100),
    "PERSIST": lambda key: ("PERSIST", key),
    "APPEND": lambda key: ("APPEND", key, "x"),
    "RENAME": lambda key: ("RENAME", key, key + "2"),
    "MSET": lambda key: ("MSET", key, "7"),
}


@pytest.mark.parametrize("command", FOREIGN)
async def test_a_foreign_command_ends_the_copy(near: RedisService, shell: Raw, tap: Tap, command: str) -> None:
    await copied(near)
    shell(*FOREIGN[command](near.name_of("k")))
    await heard(near)
    assert near_of(near).copies == {}
    with tap.on(near) as asked:
        await near.get("k")
    assert asked.trips == 1


CHANGES: dict[str, Verb] = {
    "set": lambda service: service.set("k", "new"),
    "set_many": lambda service: service.set_many({"j": "new", "k": "new"}),
    "delete": lambda service: service.delete("k"),
    "delete_many": lambda service: service.delete_many(["j", "k"]),
    "increment": lambda service: service.increment("k"),
    "touch": lambda service: service.touch("k", 100),
    "mark_stale": lambda service: service.mark_stale("k"),
    "delete_pattern": lambda service: service.delete_pattern("?"),
    "invalidate_tags": lambda service: service.invalidate_tags(["t"]),
    "clear": lambda service: service.clear(),
    "clear without a sweep": lambda service: service.clear(sweep=False),
}


async def entry_for(service: RedisService, change: str) -> None:
    """An entry that the change has to do with: an integer that a loader gave can become a counter."""

    async def seven() -> int:
        return 7

    await service.get_or_load("k", seven, tags=["t"] if change == "invalidate_tags" else ())
    assert is_served(service)


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_by_another_process_ends_the_copy(near: RedisService, far: RedisService, change: str) -> None:
    await entry_for(near, change)
    await CHANGES[change](far)
    await heard(near)
    assert not is_served(near)
    assert await near.get("k") == await far.get("k")


async def test_a_change_by_another_service_of_the_same_loop_ends_it_too(near: RedisService, far: RedisService) -> None:
    """A sets, B sets, A reads: who leaves the server's word about its own writes out would find A's value."""
    for round_ in range(20):
        await near.set("k", ["a", round_])
        await near.get("k")
        await far.set("k", ["b", round_])
        await far.get("k")
        await heard(near)
        assert await near.get("k") == ["b", round_]
        await near.set("k", ["c", round_])
        await heard(far)
        assert await far.get("k") == ["c", round_]


# -- own changes end it before they return --------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False], ids=["with pushes", "without pushes"])
@pytest.mark.parametrize("change", CHANGES)
async def test_an_own_change_ends_the_copy_before_it_returns(
    near: RedisService, monkeypatch: pytest.MonkeyPatch, change: str, told: bool
) -> None:
    await entry_for(near, change)
    if not told:
        monkeypatch.setattr(Near, "pushed", lambda near, push: None)
    await CHANGES[change](near)
    assert not is_served(near)


async def test_adding_in_the_place_of_a_dead_entry_ends_its_copy(
    near: RedisService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await copied(near, tags=["t"])
    await near.invalidate_tags(["t"])
    assert near.name_of("k") in near_of(near).copies  # not served, and still there
    monkeypatch.setattr(Near, "pushed", lambda near, push: None)
    assert await near.add("k", "added")
    assert near_of(near).copies == {}
    assert await near.get("k") == "added"


@pytest.mark.parametrize("change", ["set", "delete", "mark_stale", "invalidate_tags", "clear without a sweep"])
async def test_an_own_change_whose_caller_is_cancelled_ends_the_copy_when_it_is_answered(
    near: RedisService, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    await entry_for(near, change)
    if change == "mark_stale":  # reads first, then writes
        await near.mark_stale("other")
    monkeypatch.setattr(Near, "pushed", lambda near, push: None)
    connection = near_of(near).node.connection
    changing = asyncio.ensure_future(CHANGES[change](near))
    sent = 2 if change == "mark_stale" else 1
    while sent:
        before = connection.in_flight
        await asyncio.sleep(0)
        sent -= connection.in_flight > before
    changing.cancel()
    await asyncio.wait({changing})
    assert changing.cancelled()
    await heard(near)
    assert not is_served(near)


async def test_a_read_under_way_while_an_own_change_is_sent_makes_no_old_copy(near: RedisService) -> None:
    await near.set("k", ["old"])
    read, _ = await asyncio.gather(near.get("k"), near.set("k", ["new"]))
    assert read == ["old"]
    assert await near.get("k") == ["new"]


async def test_a_refused_store_ends_the_copy_of_what_is_no_longer_there(
    near: RedisService, shell: Raw, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await copied(near, ttl=2)
    clock.advance(1.2)
    loaded = asyncio.Event()

    async def slow() -> object:
        shell("SET", near.name_of("k"), "7")
        loaded.set()
        return "late"

    monkeypatch.setattr(Near, "pushed", lambda near, push: None)
    assert await near.get_or_load("k", slow, refresh_ahead=0.9) == ("a", 1)
    await loaded.wait()
    await heard(near)
    assert near_of(near).copies == {}
    assert await near.get("k") == 7


async def test_execute_of_ones_own_ends_the_copy_before_it_returns(near: RedisService, tap: Tap) -> None:
    await copied(near)
    with tap.on(near) as asked:
        await near.execute("SET", near.name_of("k"), "7")
        assert asked.commands == 1  # that connection is another one: here a PING fetches what was to be told
    assert near_of(near).copies == {}
    assert await near.get("k") == 7


# -- time -----------------------------------------------------------------------------------------------------------


async def test_a_copy_ends_by_its_own_ttl(near: RedisService, clock: FakeClock, tap: Tap) -> None:
    """Here time passes faster than on the server, which still has the entry."""
    await copied(near, ttl=2)
    clock.advance(1.99)
    with tap.on(near) as asked:
        assert is_served(near)
    clock.advance(0.02)
    for _ in range(3):
        with tap.on(near) as asked:
            assert await near.get("k") == ("a", 1)
        assert asked.trips >= 1


async def test_a_copy_is_not_served_within_the_window_of_a_refresh(
    near: RedisService, clock: FakeClock, tap: Tap
) -> None:
    await copied(near, ttl=2)
    clock.advance(1.2)
    with tap.on(near) as asked:
        assert await near.get_or_load("k", load, refresh_ahead=0.7) == ("a", 1)
        assert asked.nothing
        assert await near.get_or_load("k", load, refresh_ahead=0.9) == ("a", 1)
        assert not asked.nothing


async def test_a_server_that_ends_nothing_by_itself_makes_no_copy_live_longer(start_own: StartOwn, tap: Tap) -> None:
    own = start_own({"enable-debug-command": "yes"})
    with Raw(own) as shell:
        shell("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        async with RedisService(own.url) as near:
            await copied(near, ttl=0.05)
            served = 0
            while await near.get("k") is not None:
                served += 1
            assert served
            assert shell("EXISTS", near.name_of("k")) == 0


# -- room -----------------------------------------------------------------------------------------------------------


async def test_copies_take_no_more_than_their_bytes(server: EmbeddedServer, prefix: str, tap: Tap) -> None:
    async with RedisService(server.url, key_prefix=prefix, l1=100_000) as near:
        await near.set_many({f"k{number}": "x" * 900 for number in range(200)})
        held = near_of(near)
        for number in range(200):
            await near.get(f"k{number}")
            assert sum(one.size for one in held.copies.values()) == held._queues.bytes <= 100_000
        assert 50 < len(held.copies) < 100
        assert near._counters.evictions == 200 - len(held.copies)
        with tap.on(near) as asked:
            for name in list(held.copies):
                assert await near.get(name.removeprefix(prefix)) == "x" * 900
        assert asked.nothing
        await near.set("large", os.urandom(200_000))
        await near.get("large")
        assert near.name_of("large") not in held.copies
        assert held._queues.bytes > 50_000  # and nothing had to go for it


async def test_dropped_copies_leave_no_bytes_behind(near: RedisService) -> None:
    for number in range(50):
        await copied(near, f"k{number}")
    await near.delete_pattern("*")
    held = near_of(near)
    assert (held.copies, held._queues.bytes) == ({}, 0)


@pytest.mark.parametrize("l1", [False, 0])
async def test_without_l1_every_read_asks_and_nothing_is_held(
    server: EmbeddedServer, prefix: str, tap: Tap, l1: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with RedisService(server.url, key_prefix=prefix, l1=l1) as near:
        await near.get_or_load("k", load, tags=["t"])
        for _ in range(3):
            with tap.on(near) as asked:
                assert await near.get("k") == "loaded"
                assert await near.get_or_load("k", load, tags=["t"]) == "loaded"
                assert await near.get_many(["k"]) == ["loaded"]
            assert asked.trips >= 3
        assert near_of(near).copies == {}
        tracked = await near_of(near).node.call(("CLIENT", "TRACKINGINFO"))
        assert b"off" in str(tracked).encode()
    assert caplog.messages == []
