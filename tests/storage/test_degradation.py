"""A server that is gone: what every verb does meanwhile, and that nothing old is read when it is back."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pika_redis import DO_NOT_STORE, CacheUnavailableError, HealthStatus, RedisService
from pika_redis.testing import EmbeddedServer, FakeClock, until_healthy

from ..wire.fake_server import Relay
from ..wire.timing import turned
from .conftest import StartOwn
from .fleet import Source
from .raw import Raw
from .tap import near_of

Fault = Callable[[EmbeddedServer], None]
FAULTS: dict[str, tuple[Fault, Fault]] = {
    "killed": (EmbeddedServer.kill, EmbeddedServer.restart),
    "stopped": (EmbeddedServer.pause, EmbeddedServer.resume),
}


STALL = 0.1
"""Short, since tests wait for it; above what a busy machine makes of an answer."""


@pytest.fixture
def own(start_own: StartOwn) -> EmbeddedServer:
    return start_own({})


@pytest.fixture
async def service(own: EmbeddedServer, clock: FakeClock) -> AsyncIterator[RedisService]:
    async with RedisService(own.url, clock=clock, stall_timeout=STALL) as service:
        await until_healthy(service)
        yield service


async def back(service: RedisService) -> None:
    """The server is trusted again."""
    await turned(lambda: not near_of(service).standing.cut)


# -- meanwhile ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_read_or_change_fails_for_want_of_the_server(
    service: RedisService, own: EmbeddedServer, fault: str
) -> None:
    await service.set_many({"a": "old", "b": "old", "n": 1})
    await service.set("t", "old", tags=["t"])
    goes, comes = FAULTS[fault]
    goes(own)
    assert await service.get("absent", "default") == "default"
    await service.set("a", "new")
    await service.set_many([{"key": "t", "value": "new", "tags": ["t"]}])
    assert await service.get_many(["a", "t", "absent"]) == ["new", "new", None]
    assert await service.get_with_ttl("a") == ("new", 30.0)
    assert await service.exists("a")
    await service.invalidate_tags(["t"])
    assert await service.get("t") is None
    assert await service.delete("a") is False
    assert await service.delete_many(["b", "absent"]) == 0
    assert await service.mark_stale("n") is False
    assert await service.touch("a", 5) is False
    assert await service.get_many(["a", "b", "n"]) == [None, None, None]
    assert await service.delete_pattern("x*") == 0
    await service.clear()
    stats = await service.get_stats()
    assert (stats.degraded, stats.outages) == (True, 1)
    health = await service.health_check()
    assert (health.status, health.connected) == (HealthStatus.DEGRADED, False)
    assert "values come from this process's memory" in health.detail
    comes(own)
    await back(service)
    assert await service.get_many(["a", "b", "n", "t"]) == [None] * 4
    stats = await service.get_stats()
    assert (stats.degraded, stats.outages) == (False, 1)
    assert (await service.health_check()).status is HealthStatus.HEALTHY


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_would_be_wrong_without_the_server_says_so(
    service: RedisService, own: EmbeddedServer, fault: str
) -> None:
    await service.set("n", 1)
    FAULTS[fault][0](own)
    for call in (
        service.increment("n"),
        service.decrement("n"),
        service.add("n", 2),
        service.lock("l", 10).__aenter__(),
        service.count_pattern("*"),
        service.execute("PING"),
    ):
        with pytest.raises(CacheUnavailableError):
            await call
    assert await service.get("n") is None  # and nothing was counted here


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_load_protects_the_source_and_its_value_is_kept_for_a_while(
    service: RedisService, own: EmbeddedServer, clock: FakeClock, fault: str
) -> None:
    FAULTS[fault][0](own)
    source = Source({"rows": []}, shut=True)
    callers = [asyncio.create_task(service.get_or_load("k", source, ttl=3600)) for _ in range(100)]
    await source.reached.wait()
    source.gate.set()
    values = await asyncio.gather(*callers)
    assert values == [{"rows": []}] * 100
    assert len({id(value) for value in values}) == 100
    assert await service.get("k") == {"rows": []}
    clock.advance(29.0)
    assert await service.get_or_load("k", source) == {"rows": []}
    assert source.calls == 1
    clock.advance(1.5)
    await service.get_or_load("k", source)
    assert source.calls == 2


async def test_how_long_a_value_lives_here_is_for_service_and_load_to_say(
    own: EmbeddedServer, clock: FakeClock
) -> None:
    async with RedisService(own.url, clock=clock, degraded_ttl=10) as service:
        own.kill()
        await service.set("set", 1.5)
        await service.get_or_load("load", Source(1.5), degraded_ttl=5)
        await service.with_options(degraded_ttl=2).set("briefly", 1.5)
        await service.set("none", 1.5, ttl=1)
        left = [await service.remaining_ttl(key) for key in ("set", "load", "briefly", "none")]
        assert left == pytest.approx([10, 5, 2, 1])


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_was_loaded_meanwhile_is_dropped_when_the_server_is_back_and_never_carried_there(
    service: RedisService, own: EmbeddedServer, fault: str
) -> None:
    goes, comes = FAULTS[fault]
    goes(own)
    assert await service.get_or_load("k", Source("meanwhile")) == "meanwhile"
    slow = Source("slow", shut=True)
    late = asyncio.create_task(service.get_or_load("slow", slow))
    await slow.reached.wait()
    comes(own)
    await back(service)
    assert await service.get("k") is None
    slow.gate.set()
    assert await late == "slow"  # it began while the server was gone: it is stored nowhere
    assert await service.get("slow") is None
    assert await service.get_or_load("k", Source("new")) == "new"


async def test_a_load_that_began_before_the_cut_is_stored_nowhere(service: RedisService, own: EmbeddedServer) -> None:
    source = Source("before", shut=True)
    load = asyncio.create_task(service.get_or_load("k", source))
    await source.reached.wait()
    own.kill()
    assert await service.get("k") is None
    source.gate.set()
    assert await load == "before"
    assert await service.get("k") is None


async def test_a_change_meanwhile_lets_go_of_loads_that_began_before_it(
    service: RedisService, own: EmbeddedServer
) -> None:
    own.kill()
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: service.delete("k"),
        lambda: service.invalidate_tags(["t"]),
        lambda: service.delete_pattern("k*"),
        service.clear,
        lambda: service.mark_stale("k"),
    ]
    for change in changes:
        source = Source("old", shut=True)
        load = asyncio.create_task(service.get_or_load("k", source, tags=["t"]))
        await source.reached.wait()
        await change()
        assert await service.get_or_load("k", Source("new"), tags=["t"]) == "new"
        source.gate.set()
        assert await load == "old"
        assert await service.get("k") == "new"
        await change()
        assert await service.get("k") is None


async def test_a_writer_under_a_guard_is_not_held_up(service: RedisService, own: EmbeddedServer) -> None:
    await service.set("k", "old")
    own.pause()
    async with service.guard(["k"], ["t"]) as guard:
        assert guard.lost
        assert await service.get("k") is None
        assert await service.get_or_load("k", Source("within")) == "within"
        assert await service.get("k") is None  # nothing is stored while it is held
    assert await service.get_or_load("k", Source("after")) == "after"
    own.resume()
    await back(service)
    assert await service.get("k") is None


async def test_a_strict_read_finds_nothing_here(service: RedisService, own: EmbeddedServer) -> None:
    own.kill()
    await service.set("k", "here")
    assert await service.get("k", consistency="strict") is None
    assert await service.get_or_load("k", Source("loaded"), consistency="strict") == "loaded"


@pytest.mark.parametrize("stored", [True, False])
async def test_a_strict_read_takes_nobody_elses_load_on_trust(
    service: RedisService, own: EmbeddedServer, stored: bool
) -> None:
    own.kill()
    early = Source("before" if stored else DO_NOT_STORE, shut=True)
    first = asyncio.create_task(service.get_or_load("k", early))
    await early.reached.wait()  # what others invalidate from here on, this process does not hear of
    late = Source("after")
    strict = asyncio.create_task(service.get_or_load("k", late, consistency="strict"))
    usual = asyncio.create_task(service.get_or_load("k", Source("unwanted")))
    for _ in range(20):
        await asyncio.sleep(0)
    early.gate.set()
    given = "before" if stored else None
    assert [await first, await strict, await usual] == [given, "after", given]
    assert late.calls == 1


async def test_who_wants_to_know_is_told(service: RedisService, own: EmbeddedServer) -> None:
    own.kill()
    telling = service.with_options(on_unavailable="raise")
    for call in (
        telling.get("k"),
        telling.set("k", 1),
        telling.delete("k"),
        service.get_or_load("k", Source("x"), on_unavailable="raise"),
        service.get_or_load_many(["k"], lambda keys: keys, on_unavailable="raise"),
    ):
        with pytest.raises(CacheUnavailableError):
            await call
    assert await service.get_or_load("k", Source("x")) == "x"


# -- copies from before --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
async def test_copies_from_before_are_for_emergencies_alone(
    service: RedisService, own: EmbeddedServer, clock: FakeClock, fault: str
) -> None:
    for key in ("k", "l", "tagged"):
        await service.set(key, "copy", tags=["t"] if key == "tagged" else ())
    assert await service.get_many(["k", "l", "tagged"]) == ["copy"] * 3
    FAULTS[fault][0](own)
    clock.advance(5.0)
    assert await service.get("k") is None
    broken = Source(LookupError("the source is gone too"))
    with pytest.raises(LookupError):
        await service.get_or_load("k", broken)
    for key in ("k", "tagged"):
        assert await service.get_or_load(key, broken, stale_if_error=20) == "copy"
    assert await service.with_options(stale_if_error=20).get("k") == "copy"
    with pytest.raises(LookupError):
        await service.get_or_load("k", broken, stale_if_error=4)
    await service.delete("k")
    await service.invalidate_tags(["t"])
    for key in ("k", "tagged"):
        with pytest.raises(LookupError):
            await service.get_or_load(key, broken, stale_if_error=20)
        assert await service.with_options(stale_if_error=20).get(key) is None
    assert await service.get_or_load("l", broken, stale_if_error=20) == "copy"
    clock.advance(20.0)
    with pytest.raises(LookupError):
        await service.get_or_load("l", broken, stale_if_error=20)
    await service.clear()
    with pytest.raises(LookupError):
        await service.get_or_load("l", broken, stale_if_error=100)


# -- told, once ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(
    service: RedisService, own: EmbeddedServer, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level(logging.INFO, "pika_redis")
    goes, comes = FAULTS[fault]
    goes(own)
    for number in range(20):
        await service.get(f"k{number}")
        await service.set("k", number)
        await service.get_or_load(f"l{number}", Source(number))
    comes(own)
    await back(service)
    for number in range(20):
        await service.get(f"k{number}")
    began, ended = [record.message for record in caplog.records]
    assert began.startswith("the server can't be used, the cache answers from this process's memory: 127.0.0.1:")
    assert ended.startswith("the server answers again, after ")


# -- waiting -------------------------------------------------------------------------------------------------------


class Turns:
    """Counts how often the loop turns: who waits for anything lets it turn."""

    def __init__(self) -> None:
        self.seen = 0
        self._counting = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self.seen += 1
        self._counting = asyncio.get_running_loop().call_soon(self._turn)

    def stop(self) -> int:
        self._counting.cancel()
        return self.seen


async def test_a_silent_server_costs_one_wait_and_then_nobody_waits(own: EmbeddedServer) -> None:
    async with RedisService(own.url, stall_timeout=0.2) as service:
        await service.get("k")
        own.pause()
        await asyncio.gather(*[service.get(f"k{number}") for number in range(100)])
        turns = Turns()
        for number in range(100):
            await service.get(f"l{number}")
        assert turns.stop() == 0


async def test_calls_do_not_wait_for_a_connection_that_is_tried_again(own: EmbeddedServer) -> None:
    """A host that swallows what is sent to it: the first caller waits for the connection, later ones don't."""
    async with Relay(own.port).running() as relay:
        relay.hold_commands = True
        url = f"redis://127.0.0.1:{relay.port}"
        async with RedisService(url, stall_timeout=0.05, connect_timeout=0.1) as service:
            for number in range(3):
                await service.get_or_load(f"k{number}", Source(number))
            await turned(lambda: near_of(service).single._tracked._failures > 0)
            turns = Turns()
            for number in range(1000):
                assert await service.get(f"k{number % 3}") == number % 3
                await service.delete("x")
            assert turns.stop() == 0


# -- the way back ----------------------------------------------------------------------------------------------------


async def test_nothing_that_was_invalidated_meanwhile_is_ever_read_again(own: EmbeddedServer) -> None:
    """The server keeps its data, and all reads race against the end of the stall."""
    async with (
        RedisService(own.url, stall_timeout=STALL, l1=False) as bare,
        RedisService(own.url, stall_timeout=STALL) as service,
    ):
        for one in (service, bare):
            await until_healthy(one)
            for number in range(50):
                await one.set(f"k{number}", "old", tags=[f"t{number % 10}"])
                await one.get(f"k{number}")
            own.pause()
            await one.get("k0")
            await one.delete_many([f"k{number}" for number in range(0, 50, 2)])
            await one.invalidate_tags([f"t{number}" for number in (1, 3)])
            gone = [f"k{number}" for number in range(50) if number % 2 == 0 or number % 10 in (1, 3)]

            async def read(service: RedisService, keys: list[str]) -> set[object]:
                seen: set[object] = set()
                while near_of(service).standing.cut:
                    seen |= {await service.get(key) for key in keys}
                    await asyncio.sleep(0)
                return seen | set(await service.get_many(keys))

            readers = [asyncio.create_task(read(one, gone)) for _ in range(3)]
            await asyncio.sleep(0)
            own.resume()
            assert set().union(*await asyncio.gather(*readers)) == {None}
            assert await one.get("k5") == "old"  # what was not invalidated is there
            await one.clear()


async def test_the_journal_is_settled_without_any_call(service: RedisService, own: EmbeddedServer) -> None:
    await service.set("k", "old")
    own.pause()
    await service.delete("k")
    own.resume()
    with Raw(own) as shell:
        await turned(lambda: not shell("EXISTS", service.name_of("k")))
    await turned(lambda: near_of(service).journal.waiting == 0)
    assert (await service.get_stats()).replayed == 1


async def test_invalidations_while_nothing_was_asked_yet_reach_the_server_later(own: EmbeddedServer) -> None:
    with Raw(own) as shell:
        shell("SET", "pika:k", "5")
        async with Relay(own.port).running() as relay:
            relay.hold_commands = True
            url = f"redis://127.0.0.1:{relay.port}"
            async with RedisService(url, stall_timeout=0.05) as service:
                assert await service.delete("k") is False
                relay.release()
                await back(service)
                assert await service.get("k") is None
        assert shell("EXISTS", "pika:k") == 0


async def test_what_no_longer_fits_into_the_journal_ends_everything(
    service: RedisService, own: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        await service.set(f"k{number}", "old")
    journal = near_of(service).journal
    monkeypatch.setattr(journal, "_most", 10)
    own.pause()
    await service.get("k0")
    for number in range(20):
        await service.delete(f"k{number}")
    assert journal.waiting <= 10
    own.resume()
    await back(service)
    assert await service.get_many([f"k{number}" for number in range(30)]) == [None] * 30


async def test_a_value_set_meanwhile_does_not_leave_an_older_one_on_the_server(
    service: RedisService, own: EmbeddedServer
) -> None:
    await service.set("k", "old")
    own.pause()
    await service.set("k", "new")
    assert await service.get("k") == "new"
    own.resume()
    await back(service)
    assert await service.get("k") is None


async def test_a_namespace_beside_has_a_journal_too(service: RedisService, own: EmbeddedServer) -> None:
    other = service.with_options(key_prefix="other:")
    await other.set("k", "old")
    await service.set("k", "old")
    own.pause()
    await other.clear()
    own.resume()
    await back(service)
    assert await other.get("k") is None
    assert await service.get("k") == "old"


async def test_closing_meanwhile_leaves_nothing_behind(own: EmbeddedServer) -> None:
    service = RedisService(own.url)
    await service.set("k", 1)
    own.kill()
    await service.set("k", 2)
    before = asyncio.all_tasks()
    await service.aclose()
    assert asyncio.all_tasks() <= {asyncio.current_task()} | before
    assert not service._degraded.seconds


def test_a_second_loop_starts_anew(own: EmbeddedServer) -> None:
    service = RedisService(own.url)

    async def use(value: object) -> tuple[object, object]:
        await service.set("k", value)
        return await service.get("k"), (await service.get_stats()).degraded

    assert asyncio.run(use("first")) == ("first", False)
    own.kill()
    assert asyncio.run(use("second")) == ("second", True)
    own.restart()
    assert asyncio.run(use("third")) == ("third", False)


def test_what_a_loop_could_not_invalidate_the_next_one_does(own: EmbeddedServer) -> None:
    service = RedisService(own.url, stall_timeout=STALL)
    asyncio.run(service.set("k", "old"))
    own.pause()
    assert asyncio.run(service.delete("k")) is False
    own.resume()
    assert asyncio.run(service.get("k")) is None


async def test_a_ttl_without_end_is_short_here(service: RedisService, own: EmbeddedServer) -> None:
    own.kill()
    await service.set("k", "v", ttl=math.inf)
    assert await service.remaining_ttl("k") == pytest.approx(30)
