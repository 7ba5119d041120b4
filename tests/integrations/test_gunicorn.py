"""An application that gunicorn loads, and that talks to the server, before it forks its workers (`--preload`)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from pika_redis.testing import EmbeddedServer, free_port

from ..silence import complaints

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn forks")

SOURCE = str(Path(__file__).resolve().parents[2] / "src")
APPLICATION = """
import asyncio, os
from fastapi import FastAPI
from pika_redis import RedisService, cache
from pika_redis.integrations.fastapi import CacheDep, install_cache

service = RedisService(os.environ["URL"], key_prefix=os.environ["PREFIX"])
app = FastAPI()
install_cache(app, service)

async def warm():
    await service.set("from before the fork", [os.getpid()])
    assert await service.get("from before the fork") == [os.getpid()]  # a copy is in memory, and is forked with it

asyncio.run(warm())

@app.get("/")
async def read(cache: CacheDep) -> dict[str, int]:
    (value,) = await cache.get("from before the fork")
    return {"worker": os.getpid(), "value": value}

@app.get("/rows/{name}")
@cache(ttl=60)
async def rows(name: str) -> list[int]:
    return [os.getpid()]

@app.post("/{value}")
async def write(value: int, cache: CacheDep) -> int:
    await cache.set("from before the fork", [value])
    return os.getpid()
"""


@asynccontextmanager
async def gunicorn(folder: Path, url: str, prefix: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The application with two workers, and its address; it has ended when this is left, silent but for a worker."""
    (folder / "application.py").write_text(APPLICATION, "utf-8")
    address = f"127.0.0.1:{free_port()}"
    options = ["--preload", "--workers=2", "--worker-class=uvicorn_worker.UvicornWorker", "--log-level=warning"]
    master = await asyncio.create_subprocess_exec(
        *[sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-m", "gunicorn", *options],
        *["--bind", address, "application:app"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SOURCE, "URL": url, "PREFIX": prefix},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield master, f"http://{address}"
        master.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(master.communicate(), 30)
        assert master.returncode == 0
        assert [line for line in complaints(said.decode()).splitlines() if "was sent SIGKILL" not in line] == []
    finally:
        if master.returncode is None:
            os.killpg(master.pid, signal.SIGKILL)  # its workers too
            await master.communicate()


async def of_both(client: httpx.AsyncClient, path: str, but: int = 0) -> dict[int, dict[str, int]]:
    """What each of two workers answers, by its process; of `but`, which is gone, nothing is awaited."""
    answers: dict[int, dict[str, int]] = {}
    while len(answers) < 2:
        try:
            answer = (await client.get(path)).json()
        except httpx.TransportError:  # nobody listens yet, or the worker that took the connection was killed
            await asyncio.sleep(0.02)
            continue
        if answer["worker"] != but:
            answers[answer["worker"]] = answer
    return answers


@pytest.mark.slow
@pytest.mark.ci
async def test_workers_forked_from_a_preloaded_application_share_no_connection(
    server: EmbeddedServer, prefix: str, tmp_path: Path
) -> None:
    fresh = httpx.Limits(max_keepalive_connections=0)  # each request may reach another worker
    async with (
        gunicorn(tmp_path, server.url, prefix) as (master, url),
        httpx.AsyncClient(base_url=url, limits=fresh) as client,
    ):
        first = await of_both(client, "/")
        assert {answer["value"] for answer in first.values()} == {master.pid}
        assert master.pid not in first

        for value in range(10):  # by one of them; the other's copy is gone when the request has returned
            writer = (await client.post(f"/{value}")).json()
            assert writer in first
            assert {answer["value"] for answer in (await of_both(client, "/")).values()} == {value}

        loaded = [(await client.get(f"/rows/{number % 5}")).json() for number in range(40)]
        assert all(rows == loaded[number % 5] for number, rows in enumerate(loaded))

        killed = min(first)
        os.kill(killed, signal.SIGKILL)
        second = await of_both(client, "/", but=killed)
        assert len(second.keys() - first.keys()) == 1
        assert {answer["value"] for answer in second.values()} == {9}
