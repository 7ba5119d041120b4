"""The example service as a process of its own, on a free loopback port, gone when the block ends."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from pika_redis import CacheUnavailableError
from pika_redis.testing import free_port

from .http import Client

__all__ = ["check_packages", "serving"]

_START_SECONDS = 30.0
_PACKAGES = ("airportsdata", "fastapi", "uvicorn")
_SETTINGS = (
    "REDIS_",
    "CACHE_",
    "DEFAULT_CACHE_TTL",
    "MAX_CACHE_KEY_LENGTH",
    "AIRPORTS_",
    "UVICORN_",
    "WEB_CONCURRENCY",
)
"""How the variables begin that would change the service: what is measured must not depend on whose machine this is."""


def check_packages() -> None:
    """Raises ModuleNotFoundError for a package that the service needs and this process doesn't."""
    for name in _PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _folder() -> Path:
    """Where airports.py is: beside this file in a wheel, in examples/ in a checkout."""
    here = Path(__file__).resolve().parent
    checkout = here.parents[3] / "examples"
    return here if (here / "airports.py").exists() else checkout


def _unconfigured() -> dict[str, str]:
    """This process's environment without settings."""
    return {name: text for name, text in os.environ.items() if not name.startswith(_SETTINGS)}


@contextlib.asynccontextmanager
async def serving(environment: Mapping[str, str]) -> AsyncIterator[Client]:
    """A client of the service while it runs, with these settings and no others.

    Raises CacheUnavailableError when it does not come up.
    """
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "airports:app", "--app-dir", str(_folder()), "--port", str(port)]
    process = subprocess.Popen(  # noqa: ASYNC220 (starting takes a millisecond)
        [*command, "--log-level", "warning", "--no-access-log"],
        env={**_unconfigured(), **environment},
        stdin=subprocess.DEVNULL,
    )
    client = Client(port)
    try:
        await _answering(client, process)
        yield client
    finally:
        await client.aclose()
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _answering(client: Client, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while process.poll() is None:
            try:
                await client.ask("GET", "/queries")
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
    raise CacheUnavailableError(f"the example service ended with code {process.returncode} before it answered")
