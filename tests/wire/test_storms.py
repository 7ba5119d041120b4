from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from pika_redis import CacheClosedError, RedisService
from pika_redis.testing import EmbeddedServer

from ..silence import complaints

UNCLOSED = """
import asyncio, sys
from pika_redis import RedisService

async def main():
    service = RedisService(sys.argv[1])
    async def load():
        await asyncio.Event().wait()
    waiting = [asyncio.create_task(service.get_or_load(f"key {n}", load)) for n in range(3)]
    await service.set("key", "value")
    assert await service.get("key") == "value"

if sys.argv[2] == "uvloop":
    import uvloop
    uvloop.run(main())
    uvloop.run(main())
else:
    asyncio.run(main())
    asyncio.run(main())
"""


async def storm(server: EmbeddedServer, prefix: str, reads: int) -> int:
    """Read distinct values, cancel a third at random points; gives how many answers were seen."""
    dice = random.Random(20261122)
    names = [f"k{number}" for number in range(1000)]
    async with RedisService(server.url, key_prefix=prefix) as service:
        await service.set_many({name: f"value of {name}" for name in names})
        seen = 0

        async def read(name: str) -> None:
            nonlocal seen
            assert await service.get(name) == f"value of {name}"
            seen += 1

        for _ in range(reads // 1000):
            tasks = [asyncio.create_task(read(name)) for name in names]
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            for task in dice.sample(tasks, 333):
                task.cancel()
                if dice.random() < 0.1:
                    await asyncio.sleep(0)
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                assert outcome is None or isinstance(outcome, asyncio.CancelledError)
    return seen


async def test_every_reply_belongs_to_its_key_when_a_third_of_the_callers_are_cancelled(
    server: EmbeddedServer, prefix: str
) -> None:
    assert await storm(server, prefix, 100_000) > 60_000


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_service_left_unclosed_with_loads_running_ends_in_silence(valkey_server: EmbeddedServer, loop: str) -> None:
    source = str(Path(__file__).resolve().parents[2] / "src")
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", UNCLOSED, valkey_server.url, loop],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )
    assert (ran.returncode, complaints(ran.stderr)) == (0, "")


async def test_a_view_of_a_closed_service_does_not_reconnect(valkey_server: EmbeddedServer) -> None:
    service = RedisService(valkey_server.url)
    view = service.with_options(ttl=5)
    await view.set("k", 1)
    await service.aclose()
    with pytest.raises(CacheClosedError):
        await view.get("k")
