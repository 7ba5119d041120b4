"""Real sentinels, a real primary that is killed or stopped, and what callers notice of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

import pytest

from pika_redis import CacheUnavailableError, RedisService
from pika_redis.errors import OutcomeUnknownError
from pika_redis.testing import EmbeddedSentinels, EmbeddedServer, FakeClock
from pika_redis.wire.embedded import ServerKind

pytestmark = pytest.mark.slow

BACK_WITHIN = 5.0  # seconds, of which the sentinels take most: they call a primary down after half a second


@pytest.fixture(params=[pytest.param("valkey", marks=pytest.mark.ci), "redis"])
def sentinels(request: pytest.FixtureRequest) -> Iterator[EmbeddedSentinels]:
    kind: ServerKind = request.param
    request.getfixturevalue(f"{kind}_server")  # skips where there is none
    with EmbeddedSentinels.start(kind) as group:
        yield group


def kill(server: EmbeddedServer) -> None:
    server.kill()


def stop(server: EmbeddedServer) -> None:
    server.pause()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = BACK_WITHIN) -> None:
    """Wait until it is so, which nobody tells."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 (other processes bring it about)
            await asyncio.sleep(0.02)


async def port_of(service: RedisService) -> int:
    """The port of the server that answers."""
    info = (await service.execute("INFO", "server")).decode()
    return int(info.split("tcp_port:")[1].split()[0])


@pytest.mark.parametrize("harm", [kill, stop])
async def test_writes_are_back_soon_and_none_that_was_acknowledged_after_the_switch_is_lost(
    sentinels: EmbeddedSentinels, harm: Callable[[EmbeddedServer], None]
) -> None:
    old = sentinels.primary
    async with RedisService(sentinels.url, lazy_connect=False, on_unavailable="raise", retry_attempts=0) as service:
        assert await port_of(service) == old.port
        harm(old)
        written: list[int] = []
        async with asyncio.timeout(BACK_WITHIN):
            while not written:
                with contextlib.suppress(CacheUnavailableError, OutcomeUnknownError):
                    await service.set("k", 0)
                    written.append(0)
                await asyncio.sleep(0.01)
        if old.running:
            old.resume()  # it says that it is the primary, until somebody demotes it
        for number in range(1, 300):
            await service.set("k", number)
            await service.set(f"k{number}", number)
            written.append(number)
            await asyncio.sleep(0.005)
        new = sentinels.primary
        assert new is not old
        async with RedisService(f"redis://{new.host}:{new.port}") as direct:
            assert await direct.get("k") == written[-1]
            assert await direct.get_many([f"k{number}" for number in written[1:]]) == written[1:]


@pytest.mark.parametrize("harm", [kill, stop])
async def test_under_load_no_call_fails_for_want_of_the_primary(
    sentinels: EmbeddedSentinels, harm: Callable[[EmbeddedServer], None]
) -> None:
    old = sentinels.primary
    async with RedisService(sentinels.url, lazy_connect=False) as service:
        done = asyncio.Event()

        async def work(number: int) -> int:
            calls = 0
            while not done.is_set():
                await service.set(f"k{number}", calls)
                await service.get(f"k{number}")
                await service.get_or_load(f"l{number}", lambda: number, ttl=0.05)
                calls += 3
                await asyncio.sleep(0.001)
            return calls

        working = [asyncio.create_task(work(number)) for number in range(20)]
        await asyncio.sleep(0.2)
        harm(old)

        async def healthy() -> bool:
            return (await service.health_check()).status == "healthy"

        await until(healthy)
        done.set()
        assert all(await asyncio.gather(*working))  # each of them made calls
        assert await port_of(service) != old.port


async def test_a_value_of_the_old_primary_is_not_served_when_the_new_one_has_another(
    sentinels: EmbeddedSentinels,
) -> None:
    old = sentinels.primary
    async with RedisService(sentinels.url) as reader, RedisService(sentinels.url) as writer:
        await reader.set("k", "old")
        assert [await reader.get("k") for _ in range(3)] == ["old"] * 3
        assert (await reader.get_stats()).l1_hits
        old.pause()

        async def switched() -> bool:
            return sentinels.primary is not old

        async def left() -> bool:
            return await port_of(writer) != old.port

        async def read() -> bool:
            return bool(await reader.get("k") == "new")

        await until(switched)
        old.resume()
        await until(left)
        await writer.set("k", "new")
        await until(read, 3)  # the longest that a copy may live on
        for _ in range(50):
            assert await reader.get("k") == "new"
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("proof", [True, False])
async def test_while_no_sentinel_can_be_asked_every_read_asks_the_server(proof: bool) -> None:
    clock = FakeClock()
    with EmbeddedSentinels.start() as sentinels:
        async with RedisService(sentinels.url, clock=clock, sentinel_proof=proof, lazy_connect=False) as service:

            async def hits(reads: int) -> int:
                before = (await service.get_stats()).l1_hits
                for _ in range(reads):
                    assert await service.get("k") == "v"
                    await asyncio.sleep(0.01)
                return (await service.get_stats()).l1_hits - before

            await service.set("k", "v")
            await service.get("k")
            assert await hits(5) == 5
            for sentinel in sentinels.sentinels:
                sentinel.pause()
            clock.advance(3.5)
            await hits(1)  # T itself has nothing to say for that time either
            assert await hits(5) == (0 if proof else 5)
            for sentinel in sentinels.sentinels:
                sentinel.resume()

            async def served() -> bool:
                return await hits(1) > 0

            await until(served, 20)


async def test_a_wrong_name_is_told_with_the_sentinels() -> None:
    with EmbeddedSentinels.start(replicas=0, sentinels=1, quorum=1) as sentinels:
        url = sentinels.url.replace("mymaster", "mymastr")
        service = RedisService(url, on_unavailable="raise", retry_attempts=0)
        with pytest.raises(CacheUnavailableError, match="no sentinel watches a master named 'mymastr'; asked were"):
            await service.connect()
        await service.aclose()
        [sentinel] = sentinels.sentinels
        for wrong, said in (
            (f"redis://127.0.0.1:{sentinel.port}", r"it is a sentinel: its URL begins with redis\+sentinel://"),
            (f"redis+sentinel://127.0.0.1:{sentinels.primary.port}/m", "it is no sentinel: .* begins with redis://"),
        ):
            service = RedisService(wrong, on_unavailable="raise", retry_attempts=0)
            with pytest.raises(CacheUnavailableError, match=said):
                await service.connect()
            await service.aclose()


async def test_sentinels_and_servers_with_logins_of_their_own() -> None:
    config = {"requirepass": "open"}
    watching = {"requirepass": "sesame", "sentinel sentinel-pass": "sesame"}
    with EmbeddedSentinels.start(config=config, sentinel_config=watching) as sentinels:
        url = f"{sentinels.url}?sentinel_password=sesame"
        async with RedisService(url, on_unavailable="raise") as service:
            await service.set("k", "v")
            await asyncio.to_thread(sentinels.failover)

            async def moved() -> bool:
                return await port_of(service) != sentinels.servers[0].port

            await until(moved)
            assert await service.get("k") == "v"
        for wrong in (f"{sentinels.url}?sentinel_password=wrong-one", sentinels.url):
            refused = RedisService(wrong, on_unavailable="raise", retry_attempts=0)
            with pytest.raises(PermissionError) as caught:
                await refused.connect()
            assert "wrong-one" not in str(caught.value)
            await refused.aclose()
