"""The checker while things go wrong: connections die, everything is flushed, the server forgets whom to tell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from pika_redis import CacheError, RedisService
from pika_redis.testing import EmbeddedServer
from pika_redis.testing.checker import Fleet, Kind, Plan, Tier, report_on

from ..storage.raw import Raw

Fault = Callable[[RedisService, Fleet], Awaitable[None]]


@pytest.fixture(params=["valkey", "redis"])
def own_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A server of this test alone, since it is mistreated."""
    request.getfixturevalue(f"{request.param}_server")  # skips where there is none
    with EmbeddedServer.start(request.param, config={"enable-debug-command": "local"}) as running:
        yield running


@contextlib.asynccontextmanager
async def again_and_again(fault: Fault, fleet: Fleet, pause: float) -> AsyncIterator[list[int]]:
    """The fault happens all the time; gives a list that counts how often it did."""
    happened = [0]

    async def go_on(service: RedisService) -> None:
        while True:
            with contextlib.suppress(CacheError):
                await fault(service, fleet)
                happened[0] += 1
            await asyncio.sleep(pause)

    async with RedisService(fleet.url, key_prefix="fault:", l1=False) as service:
        task = asyncio.create_task(go_on(service))
        try:
            yield happened
        finally:
            task.cancel()
            await asyncio.wait({task})


async def kill_connections(service: RedisService, fleet: Fleet) -> None:
    await service.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def flush(service: RedisService, fleet: Fleet) -> None:
    await service.execute("FLUSHALL")


async def little_tracking(service: RedisService, fleet: Fleet) -> None:
    await service.execute("CONFIG", "SET", "tracking-table-max-keys", "10")


async def little_memory(service: RedisService, fleet: Fleet) -> None:
    """By turns there is too little and enough."""
    if (await service.execute("CONFIG", "GET", "maxmemory"))[b"maxmemory"] != b"0":
        await service.execute("CONFIG", "SET", "maxmemory", "0")
        return
    said = (await service.execute("INFO", "memory")).splitlines()
    used = next(int(line.removeprefix(b"used_memory:")) for line in said if line.startswith(b"used_memory:"))
    await service.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    await service.execute("CONFIG", "SET", "maxmemory", str(used - 2_000))


async def stop_somebody(service: RedisService, fleet: Fleet) -> None:
    pid = fleet.pids[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(3.5)
    finally:
        os.kill(pid, signal.SIGCONT)


async def leave_the_expired(service: RedisService, fleet: Fleet) -> None:
    """Nobody is told that they have expired, until somebody asks for them."""
    await service.execute("DEBUG", "SET-ACTIVE-EXPIRE", "0")


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        (kill_connections, 0.05),
        (flush, 0.05),
        (little_tracking, 1.0),
        (little_memory, 0.2),
        (stop_somebody, 0.5),
        (leave_the_expired, 1.0),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_no_fault_makes_a_read_older_than_promised(
    own_server: EmbeddedServer, fault: Fault, pause: float, capsys: pytest.CaptureFixture[str]
) -> None:
    ttl = 0.05 if fault is leave_the_expired else 600
    seconds = 30 if fault is kill_connections else 10  # most of the time it is connecting
    plan = Plan(seconds=seconds, processes=3, tasks=8, keys=50, invalidate="both", url=own_server.url, ttl=ttl)
    async with Fleet(plan) as fleet:
        async with again_and_again(fault, fleet, pause) as happened:
            await fleet.run()
        report = await report_on(fleet)
        with Raw(own_server) as shell:
            expired = int(Raw.figure(shell("INFO", "stats"), "expired_keys"))
    with capsys.disabled():
        sys.stdout.write(f"\n{fault.__name__}, {happened[0]} times\n{report.to_text()}\n")
    assert happened[0] >= 2
    assert fault is not leave_the_expired or expired > 1000
    assert report.verdict.violations == 0, report.to_text()
    assert report.verdict.kinds[Kind.READ] > 1000
    assert all(report.verdict.tiers[tier].reads > 20 for tier in (Tier.L1, Tier.SERVER, Tier.STRICT)), report.to_text()
