"""Attempts that lead to where the server is no more are given up, however far they have come; others go on."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from pika_redis.errors import CacheUnavailableError
from pika_redis.wire.dialer import Dialer
from pika_redis.wire.endpoint import Endpoint
from pika_redis.wire.limits import Limits
from pika_redis.wire.locator import Fixed

from .timing import in_virtual_time, settled


class Stuck:
    """An opener whose connections never come about."""

    def __init__(self) -> None:
        self.closed: list[object] = []

    async def open(self, *_: object) -> Any:
        await asyncio.get_running_loop().create_future()

    def close_others(self, reason: str, place: object) -> list[object]:
        self.closed.append(place)
        return []


@pytest.mark.parametrize("place", [("other", 6379), None])
def test_an_attempt_that_leads_elsewhere_ends(place: tuple[str, int] | None) -> None:
    @in_virtual_time
    async def scenario() -> None:
        endpoint, opener = Endpoint("old", 6379), Stuck()
        dialer = Dialer(endpoint, cast("Any", opener), Fixed(endpoint))
        attempt = asyncio.create_task(dialer.open(Limits(), lambda *_: None))
        await settled()
        dialer.leave("it moved", place)
        with pytest.raises(CacheUnavailableError, match="old:6379: it moved while a connection to it was made"):
            await attempt
        assert opener.closed == [place]

    scenario()


@in_virtual_time
async def test_an_attempt_that_leads_there_goes_on() -> None:
    endpoint = Endpoint("new", 6379)
    dialer = Dialer(endpoint, cast("Any", Stuck()), Fixed(endpoint))
    attempt = asyncio.create_task(dialer.open(Limits(), lambda *_: None))
    await settled()
    dialer.leave("it moved", ("new", 6379))
    await settled()
    assert not attempt.done()
    attempt.cancel()
