"""A lease whose holder could not give it back, since the server was gone: nobody waits for its end."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from pika_redis import DO_NOT_STORE, CacheUnavailableError, RedisService
from pika_redis.testing import EmbeddedServer, FaultyWire, until_healthy

from ..wire.fake_server import Relay
from ..wire.timing import turned
from .conftest import StartOwn
from .fleet import TERMS, Source
from .raw import Raw
from .tap import near_of, server_of

LONG = 600


@pytest.fixture
def own(start_own: StartOwn) -> EmbeddedServer:
    return start_own({})


def is_leased(own: EmbeddedServer, key: str) -> bool:
    with Raw(own) as shell:
        return bool(shell("EXISTS", key))


@pytest.mark.parametrize("end", ["loaded", LookupError("failed")], ids=["loaded", "failed"])
@pytest.mark.parametrize("mode", ["degrade", "raise"])
async def test_a_load_that_ends_while_the_server_is_gone_gives_its_lease_back_later(
    own: EmbeddedServer, end: object, mode: str
) -> None:
    async with RedisService(own.url, stall_timeout=0.1, retry_attempts=0, on_unavailable=mode) as service:  # type: ignore[arg-type]
        await until_healthy(service)
        source = Source(end, shut=True)
        load = asyncio.create_task(service.get_or_load("k", source, lease=LONG))
        await source.reached.wait()
        assert is_leased(own, "pika:k")
        own.pause()
        with contextlib.suppress(CacheUnavailableError):
            await service.get("other")  # stalled: what follows is not even sent
        source.gate.set()
        await asyncio.wait({load})
        assert isinstance(load.exception(), LookupError) is isinstance(end, LookupError)
        own.resume()
        near = near_of(service)
        await turned(lambda: not near.standing.cut and not near.journal.owes)
        assert not is_leased(own, "pika:k")


@pytest.mark.parametrize("end", ["loaded", LookupError("failed"), DO_NOT_STORE], ids=["loaded", "failed", "not stored"])
async def test_a_load_that_ends_while_the_server_refuses_everything_gives_its_lease_back_later(
    own: EmbeddedServer, end: object
) -> None:
    async with FaultyWire(own.url) as wire, RedisService(wire.url, retry_attempts=0) as service:
        source = Source(end, shut=True)
        load = asyncio.create_task(service.get_or_load("k", source, lease=LONG))
        await source.reached.wait()
        near = near_of(service)
        wire.answer("*", "LOADING Redis is loading the dataset in memory")
        source.gate.set()
        await asyncio.wait({load})
        for _ in range(3):  # what it was to be told is refused as well, as often as it is
            refused = wire.counts["answer"]
            near.standing.resume()
            await turned(lambda: wire.counts["answer"] > refused)  # noqa: B023 (awaited within the turn)
        assert is_leased(own, "pika:k")
        wire.heal()
        near.standing.resume()
        await turned(lambda: not near.standing.cut and not near.journal.owes)
        assert not is_leased(own, "pika:k")


async def test_a_lease_that_arrives_when_nobody_wants_it_any_more_is_given_back(own: EmbeddedServer) -> None:
    async with Relay(own.port).running() as relay:
        url = f"redis://127.0.0.1:{relay.port}"
        async with RedisService(url, stall_timeout=0.1) as service:
            await until_healthy(service)
            store, near = server_of(service), near_of(service)
            found = await store.fetch("pika:k", ())
            relay.hold_commands = True
            with pytest.raises(ConnectionError):
                await store.begin("pika:k", found, TERMS)
            assert near.journal.owes
            relay.release()
            await turned(lambda: not near.journal.owes)
            assert not is_leased(own, "pika:k")


async def test_a_lease_that_somebody_else_has_by_then_is_left_alone(own: EmbeddedServer) -> None:
    async with RedisService(own.url, stall_timeout=0.1) as service:
        near = near_of(service)
        await until_healthy(service)
        with Raw(own) as shell:
            shell("SET", "pika:k", b"L12345678")
            near.journal.keep_lease("pika:k", b"L87654321")
            near.standing.resume()
            await turned(lambda: not near.journal.owes)
            assert shell("GET", "pika:k") == b"L12345678"
