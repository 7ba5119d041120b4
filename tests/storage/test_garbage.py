"""A call that fails leaves nothing behind that only Python's garbage collector could find.

An error knows the frames that it went through. Where one of them knows the error, all of them, and what their callers
held, stay until a full collection: with a server that is gone, that is every call of a busy service.
"""

from __future__ import annotations

import asyncio
import gc
import types
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pika_redis import RedisService
from pika_redis.testing import EmbeddedServer

from ..wire.timing import settled
from .conftest import StartOwn

pytestmark = pytest.mark.timeout(60)
CALLS = 50


@pytest.fixture
def clock() -> None:
    """Time runs."""


@pytest.fixture
def own(start_own: StartOwn) -> EmbeddedServer:
    return start_own({})


@pytest.fixture
async def service(own: EmbeddedServer) -> AsyncIterator[RedisService]:
    async with RedisService(own.url, lazy_connect=False, stall_timeout=0.2, retry_attempts=0) as service:
        await service.set("warm", 1)
        yield service


async def load() -> str:
    return "loaded"


async def fail() -> str:
    raise LookupError("no")


VERBS: dict[str, Callable[[RedisService, str], Awaitable[object]]] = {
    "get": lambda service, key: service.get(key),
    "set": lambda service, key: service.set(key, 1),
    "delete": lambda service, key: service.delete(key),
    "load": lambda service, key: service.get_or_load(key, load),
    "failing load": lambda service, key: service.get_or_load(key, fail),
}


async def left_by(calls: list[Awaitable[object]]) -> Counter[str]:
    """The frames and tracebacks that only the collector finds behind these calls."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await asyncio.gather(*calls, return_exceptions=True)
        await settled()
        gc.collect()
        kinds = (types.FrameType, types.TracebackType, BaseException)
        return Counter(type(one).__name__ for one in gc.garbage if isinstance(one, kinds))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("state", ["healthy", "stopped", "killed"])
async def test_nothing_waits_for_the_collector(
    service: RedisService, own: EmbeddedServer, state: str, raises: bool, verb: str
) -> None:
    asked = service.with_options(on_unavailable="raise") if raises else service
    if state == "stopped":
        own.pause()
    elif state == "killed":
        own.kill()
    left = await left_by([swallowed(VERBS[verb](asked, f"k{number}")) for number in range(CALLS)])
    assert sum(left.values()) < CALLS, left  # one or the other is that of an attempt to connect
    if state == "stopped":
        own.resume()


async def swallowed(call: Awaitable[object]) -> None:
    """So that no caller's own frame keeps an error."""
    try:
        await call
    except Exception:  # noqa: BLE001 (which one is no matter here)
        return
