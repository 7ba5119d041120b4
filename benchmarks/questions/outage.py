"""The server is gone: how long does a `get` take then?

Twice: the server falls silent (its process is stopped, connections stay open and nothing answers), and its port is
closed (the process is killed). Every library with its default timeouts and retries reads one key again and again, one
call after the other, from the moment of the failure on, for a few seconds; a call that takes longer than 12 s is
given up, and that time is shown. cashews and aiocache swallow errors or raise them, redis-py, coredis and
valkey-glide raise; for the caller it is the wait that counts. `pika-redis` answers from memory once it knows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import aiocache  # type: ignore[import-untyped]
import cashews
import coredis
from glide import GlideClient, GlideClientConfiguration, Logger, LogLevel, NodeAddress
from redis.asyncio import Redis

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer

from ..bars import verdict
from ..machine import observe
from ..peers.catalog import LIBRARIES
from ..peers.server_peer import Address
from ..result import OURS, Question, Result, Verdict, tabulate
from ..rounds import Pace
from ..serving import run_in, server_name

__all__ = ["QUESTION", "run"]

QUESTION = Question.of(__name__, __doc__)

_LONGEST = 12.0
_PAUSE = 0.002
_FAILURES = ("silent", "port closed")
Get = Callable[[str], Awaitable[object]]


def run(pace: Pace) -> Result:
    """Ask."""
    seconds = 1.5 if pace.quick else 4.0
    waits: dict[str, dict[str, list[float]]] = {}
    name = ""
    logging.disable(logging.CRITICAL)  # everybody tells of the outage, some with a traceback a call
    Logger.set_logger_config(LogLevel.OFF)
    try:
        for failure in _FAILURES:
            with EmbeddedServer.start() as server:
                name = asyncio.run(server_name(server))

                async def main(server: EmbeddedServer = server, failure: str = failure) -> None:
                    for library, each in (await _through(server, failure, seconds)).items():
                        waits.setdefault(failure, {})[library] = each

                run_in("uvloop", main)
    finally:
        logging.disable(logging.NOTSET)
    cases = {
        f"{failure}, {word}": {library: [_share(each, share)] for library, each in libraries.items()}
        for word, share in (("slowest", 1.0), ("p50", 0.5))
        for failure, libraries in waits.items()
    }
    table = tabulate("a get while the server is gone", "ms", "less", "", cases)
    return Result(QUESTION, observe(name, LIBRARIES), (table,), _verdicts(waits["silent"][OURS]), quick=pace.quick)


def _verdicts(waits: list[float]) -> tuple[Verdict, ...]:
    opened = max(number for number, wait in enumerate(waits) if wait == max(waits))
    after = waits[opened + 1 :]
    late = _share(after, 0.99)
    return (
        verdict("outage-first", f"{max(waits) / 1e3:.3g} s", kept=max(waits) <= 1_200),
        verdict("outage-then", f"{late:.2g} ms ({len(after)} calls, slowest {max(after):.2g} ms)", kept=late <= 1),
    )


def _share(waits: list[float], share: float) -> float:
    return sorted(waits)[min(len(waits) - 1, int(share * len(waits)))]


async def _through(server: EmbeddedServer, failure: str, seconds: float) -> dict[str, list[float]]:
    async with AsyncExitStack() as stack:
        libraries = await _opened(stack, Address(server.host, server.port))
        for get in libraries.values():
            for _ in range(3):
                await get("key")
        if failure == "silent":
            server.pause()
        else:
            server.kill()
        try:
            waits = [await _asked(get, seconds) for name, get in libraries.items() if name == OURS]
            others = {name: get for name, get in libraries.items() if name != OURS}
            measured = await asyncio.gather(*[_asked(get, seconds) for get in others.values()])
            return dict(zip([OURS, *others], [*waits, *measured], strict=True))
        finally:
            if failure == "silent":
                server.resume()
            else:
                server.restart()


async def _opened(stack: AsyncExitStack, address: Address) -> dict[str, Get]:
    ours = await stack.enter_async_context(RedisService(address.url, l1=False))
    plain = Redis(host=address.host, port=address.port)
    stack.push_async_callback(plain.aclose)
    sharing = await stack.enter_async_context(coredis.Redis(address.host, address.port))
    glide = await GlideClient.create(GlideClientConfiguration([NodeAddress(address.host, address.port)]))
    stack.push_async_callback(glide.close)
    cached = cashews.Cache()
    cached.setup(address.url, client_side=False)
    stack.push_async_callback(cached.close)
    other = aiocache.RedisCache(endpoint=address.host, port=address.port)
    stack.push_async_callback(other.close)

    async def shared(key: str) -> object:
        return await sharing.get(key)

    return {
        OURS: ours.get,
        "redis-py": plain.get,
        "coredis": shared,
        "valkey-glide": glide.get,
        "cashews": cached.get,
        "aiocache": other.get,
    }


async def _asked(get: Get, seconds: float) -> list[float]:
    """Milliseconds of each call, failed or not, until `seconds` have passed."""
    waits = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_LONGEST):
                await get("key")
        except Exception:  # noqa: BLE001 (each library has errors of its own; what counts is the wait)
            pass
        waits.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(_PAUSE)
    return waits
