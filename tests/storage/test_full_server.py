"""A server whose memory is full: what was stored is served, nothing new is, and whatever deletes works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from pika_redis import CacheServerError, RedisService
from pika_redis.testing import EmbeddedServer

from .fleet import Source
from .raw import Raw
from .tap import heard

CHANGES: dict[str, Callable[[RedisService], Awaitable[object]]] = {
    "delete": lambda service: service.delete("k"),
    "delete_many": lambda service: service.delete_many(["k", "absent"]),
    "delete_pattern": lambda service: service.delete_pattern("k*"),
    "invalidate_tags": lambda service: service.invalidate_tags(["t", "absent"]),
    "mark_stale": lambda service: service.mark_stale("k"),
    "clear": lambda service: service.clear(),
    "a guard on the key": lambda service: _guarded(service, keys=["k"]),
    "a guard on the tag": lambda service: _guarded(service, tags=["t"]),
}


async def _guarded(service: RedisService, *, keys: list[str] | None = None, tags: list[str] | None = None) -> None:
    async with service.guard(keys or (), tags or ()) as guard:
        assert guard.lost  # there is no room for a hold; what it would stand for is gone already
        assert await service.get("k") is None


@pytest.fixture(scope="module", params=["valkey", "redis"])
def own_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A server of these tests alone."""
    request.getfixturevalue(f"{request.param}_server")  # skips where there is none
    with EmbeddedServer.start(request.param) as running:
        yield running


@pytest.fixture
def shell(own_server: EmbeddedServer) -> Iterator[Raw]:
    with Raw(own_server) as shell:
        yield shell
        shell("CONFIG", "SET", "maxmemory", 0)
        shell("FLUSHALL")
        shell("SCRIPT", "FLUSH")


@pytest.fixture
async def services(own_server: EmbeddedServer, prefix: str, shell: Raw) -> AsyncIterator[list[RedisService]]:
    """One that has stored, one that has read, and one that comes now: what it needs is not known to the server."""
    urls = [own_server.url] * 3
    stored, read, comes = [RedisService(url, key_prefix=prefix) for url in urls]
    async with stored, read, comes:
        for name in ("k", "other"):
            await stored.get_or_load(name, lambda: ["old"], tags=["t"])
            assert await read.get(name) == await read.get(name) == ["old"]
        shell("CONFIG", "SET", "maxmemory", 1)
        yield [stored, read, comes]


@pytest.mark.parametrize("by", ["who stored it", "who read it", "who comes now"])
@pytest.mark.parametrize("change", CHANGES)
async def test_whatever_deletes_works(services: list[RedisService], shell: Raw, change: str, by: str) -> None:
    service = services[["who stored it", "who read it", "who comes now"].index(by)]
    await CHANGES[change](service)
    for one in services:
        await one._nears.get().hear()
        assert await one.get("k") is None
        assert await one.get_or_load("k", lambda: ["new"], tags=["t"]) == ["new"]
    assert await services[0].get("k") is None  # there was no room for it
    shell("CONFIG", "SET", "maxmemory", 0)
    assert await services[1].get_or_load("k", lambda: ["stored"], tags=["t"]) == ["stored"]
    assert await services[2].get("k") == ["stored"]


async def test_what_was_stored_is_served_and_what_can_not_be_stored_is_counted(services: list[RedisService]) -> None:
    for service in services:
        assert await service.get("k") == ["old"]
        before = (await service.get_stats()).errors
        assert await service.get_or_load("new", lambda: "loaded") == "loaded"
        assert (await service.get_stats()).errors > before
        for change in (service.add("new", "set"), service.increment("number")):
            with pytest.raises(CacheServerError) as caught:
                await change
            assert caught.value.code == "OOM"
    with pytest.raises(CacheServerError, match="OOM"):
        await services[0].with_options(on_unavailable="raise").set("k", "set")


async def test_what_is_set_and_has_no_room_ends_what_stood_there(
    services: list[RedisService], caplog: pytest.LogCaptureFixture
) -> None:
    for value in ("set", "again"):
        await services[0].set("k", value)
        for service in services:
            await heard(service)
            assert await service.get("k") is None
    await services[0].set_many({"other": 1, "third": 2})
    await heard(services[1])
    assert await services[1].get("other") is None
    assert [record.message[:24] for record in caplog.records] == ["values can't be stored, "]
    assert not (await services[0].get_stats()).degraded


async def test_callers_at_once_share_a_load_that_has_no_room(services: list[RedisService]) -> None:
    source = Source("loaded", shut=True)
    callers = [asyncio.create_task(services[0].get_or_load("new", source)) for _ in range(100)]
    await source.reached.wait()
    source.gate.set()
    assert {*await asyncio.gather(*callers)} == {"loaded"}
    assert source.calls == 1


async def test_when_one_of_two_writers_leaves_its_guard_there_is_no_room_for_the_hold_of_the_other(
    services: list[RedisService], shell: Raw
) -> None:
    shell("CONFIG", "SET", "maxmemory", 0)
    async with services[1].guard(["k"]):
        async with services[0].guard(["k"]):
            shell("CONFIG", "SET", "maxmemory", 1)
        assert await services[2].get("k") is None
    assert await services[2].get("k") is None
