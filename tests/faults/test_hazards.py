"""What goes wrong between callers, connections and processes: cancelling, giving up, forking, all at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pika_redis import CacheUnavailableError, RedisService
from pika_redis.testing import EmbeddedServer, FaultyWire, until_healthy
from pika_redis.testing.server import ServerKind

from ..silence import complaints
from ..storage.raw import Raw
from ..storage.tap import near_of
from ..wire.timing import turned

CLIENTS = 200
NAMES = [f"k{number}" for number in range(100)]
VALUES = {name: f"value of {name}" for name in NAMES}


@pytest.fixture
def wire(server: EmbeddedServer) -> Iterator[FaultyWire]:
    with FaultyWire(server.url, seed=7) as wire:
        yield wire


# -- replies belong to who asked ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
async def test_who_is_cancelled_while_it_connects_takes_nobodys_reply(wire: FaultyWire, prefix: str, seed: int) -> None:
    """Eight times for each service: one that loses its connections more often than that pauses between connects."""
    dice = random.Random(seed)
    async with RedisService(wire.url, key_prefix=prefix, l1=False, stall_timeout=20) as service:
        await service.set_many(VALUES)
        seen = 0

        async def read(name: str) -> None:
            nonlocal seen
            assert await service.get(name) == VALUES[name]
            seen += 1

        for _ in range(8):
            wire.cut()
            tasks = [asyncio.create_task(read(name)) for name in NAMES]
            for victim in dice.sample(tasks, 33):
                await asyncio.sleep(0)
                victim.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                assert outcome is None or isinstance(outcome, asyncio.CancelledError)
        assert 8 * 67 <= seen < 8 * 100


async def test_who_gives_up_leaves_its_late_reply_to_nobody(wire: FaultyWire, prefix: str) -> None:
    """Replies come after callers have stopped waiting for them; the connection is kept all the while."""
    async with RedisService(wire.url, key_prefix=prefix, l1=False, stall_timeout=0.05) as service:
        await service.set_many(VALUES)
        connection = near_of(service).node.connection
        given: list[tuple[str, object]] = []
        for _ in range(8):
            wire.delay(0.25, share=0.02)
            given += zip(NAMES, await asyncio.gather(*[service.get(name) for name in NAMES]), strict=True)
            wire.heal()
            await until_healthy(service)
            assert await service.get_many(NAMES) == list(VALUES.values())
        assert [(name, value) for name, value in given if value not in (VALUES[name], None)] == []
        assert any(value is None for _, value in given)
        assert near_of(service).node.connection is connection


async def test_a_counter_is_never_counted_twice_for_one_call(wire: FaultyWire, prefix: str) -> None:
    """The connection breaks within the reply: the server has counted, and the command is not sent again."""
    keys = [f"n{number}" for number in range(10)]
    async with RedisService(wire.url, key_prefix=prefix, stall_timeout=5) as service:
        await service.increment("before")
        for key in keys:
            before = wire.counts["break_off"]
            wire.break_off()
            call = asyncio.create_task(service.increment(key))
            await turned(lambda: wire.counts["break_off"] > before)  # noqa: B023 (awaited here)
            wire.heal()  # the next connection is a good one
            with pytest.raises(CacheUnavailableError):
                await call
            await until_healthy(service)
        assert await service.get_many(keys, 0) == [1] * len(keys)


def test_loops_of_eight_threads_each_get_their_own_replies(server: EmbeddedServer, prefix: str) -> None:
    service = RedisService(server.url, key_prefix=prefix, l1=False)
    outcomes: list[object] = []

    async def reads(seed: int) -> None:
        dice = random.Random(seed)
        await service.set_many({f"{name} of {seed}": f"{value} of {seed}" for name, value in VALUES.items()})
        for _ in range(10):
            tasks = {name: asyncio.create_task(service.get(f"{name} of {seed}")) for name in NAMES}
            for name in dice.sample(NAMES, 30):
                await asyncio.sleep(0)
                tasks[name].cancel()
            given = await asyncio.gather(*tasks.values(), return_exceptions=True)
            for name, value in zip(tasks, given, strict=True):
                assert isinstance(value, asyncio.CancelledError) or value == f"{VALUES[name]} of {seed}"

    def run(seed: int) -> None:
        try:
            outcomes.append(asyncio.run(reads(seed)))
        except BaseException as error:  # noqa: BLE001 (told below)
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert outcomes == [None] * 8
    asyncio.run(service.aclose())


async def test_a_value_of_fifty_megabytes_takes_its_time_and_costs_nobody_an_answer(
    server: EmbeddedServer, prefix: str
) -> None:
    """It is written and read over the connection that small ones share: they wait for it, and it is no stall."""
    big = random.Random(1).randbytes(50_000_000)
    async with RedisService(server.url, key_prefix=prefix, l1=False, max_value_bytes=2**26) as service:
        await service.set_many(VALUES)

        async def small() -> None:
            assert await asyncio.gather(*[service.get(name) for name in NAMES]) == list(VALUES.values())

        for _ in range(3):
            reads = [asyncio.create_task(small())]
            written = asyncio.create_task(service.set("big", big))
            reads += [asyncio.create_task(small()) for _ in range(3)]
            await written
            read = asyncio.create_task(service.get("big"))
            reads += [asyncio.create_task(small()) for _ in range(3)]
            assert await read == big
            await asyncio.gather(*reads)
            await service.delete("big")
        stats = await service.get_stats()
        assert (stats.errors, stats.outages, stats.misses) == (0, 0, 0)


# -- forks -----------------------------------------------------------------------------------------------------------

FORKING = """
import asyncio, os, sys
from pika_redis import RedisService

names = [f"k{number}" for number in range(50)]
service = RedisService(sys.argv[1], key_prefix=sys.argv[2])

async def in_child(number):
    before = (await service.get_stats()).l1_hits
    assert await service.get("changes") == "new"
    assert (await service.get_stats()).l1_hits == before
    assert await asyncio.gather(*[service.get(name) for name in names]) == names
    assert await service.increment("children") > 0
    await service.aclose()

async def main():
    await service.set_many({name: name for name in names})
    await service.set("changes", "old")
    assert await service.get("changes") == "old"
    connection = service._nears.get().node.connection
    ended = False

    async def read():
        seen = 0
        while not ended:
            assert await asyncio.gather(*[service.get(name, consistency="strict") for name in names]) == names
            seen += 1
        return seen

    readers = [asyncio.create_task(read()) for _ in range(3)]
    children = []
    async with RedisService(sys.argv[1], key_prefix=sys.argv[2]) as other:
        await other.set("changes", "new")
    for number in range(20):
        await asyncio.sleep(0.002)
        child = os.fork()
        if not child:
            code = 1
            try:
                asyncio.run(in_child(number))
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    for child in children:
        while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
            await asyncio.sleep(0.005)
        assert os.waitstatus_to_exitcode(found[1]) == 0
    ended = True
    assert all(await asyncio.gather(*readers))
    assert service._nears.get().node.connection is connection
    assert await service.get("children") == 20
    await service.aclose()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.ci
def test_children_that_are_forked_under_load_share_nothing_with_their_parent(
    server: EmbeddedServer, prefix: str
) -> None:
    source = str(Path(__file__).resolve().parents[2] / "src")
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", FORKING, server.url, prefix],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )
    assert (ran.returncode, complaints(ran.stderr)) == (0, "")


# -- all at once -----------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def hanging_up(port: int) -> AsyncIterator[list[int]]:
    """Somebody who takes connections on this port and ends them at once; gives a list that holds how many."""
    came = [0]

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came[0] += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", port, backlog=1000):
        yield came


@pytest.mark.parametrize(
    "kind", [pytest.param("valkey", marks=pytest.mark.valkey), pytest.param("redis", marks=pytest.mark.redis)]
)
@pytest.mark.slow
@pytest.mark.ci
async def test_many_clients_of_a_server_that_was_gone_knock_seldom_and_come_back_once(
    kind: ServerKind, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(f"{kind}_server")  # skips where there is none
    with EmbeddedServer.start(kind) as own:
        services = [RedisService(own.url, lazy_connect=False) for _ in range(CLIENTS)]
        try:
            for service in services:
                await service.connect()
            own.kill()
            async with hanging_up(own.port) as knocks:
                for _ in range(40):
                    assert await asyncio.gather(*[service.get("k") for service in services]) == [None] * CLIENTS
                    await asyncio.sleep(0.05)
            assert CLIENTS <= knocks[0] < 12 * CLIENTS  # the pauses double: it's the logarithm of the time that counts
            own.restart()
            await asyncio.gather(*[until_healthy(service, within=40) for service in services])
            with Raw(own) as shell:
                came = int(Raw.figure(shell("INFO", "stats"), "total_connections_received"))
            assert CLIENTS <= came < 1.1 * CLIENTS
        finally:
            await asyncio.gather(*[service.aclose() for service in services])
