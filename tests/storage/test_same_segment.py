"""A reply and the push that ends it, in one segment: the copy must not outlive it.

Both are parsed in one go, before anybody who awaits the reply runs. So a copy that is made after the `await` comes
behind the push and is stale for ever; the control shows that it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pika_redis import RedisService
from pika_redis.storage.near import Near

from ..wire.fake_server import Talk
from ..wire.timing import on_both_loops
from .tracking_server import TrackingServer, push

KEY, TAG = b"p:k", b"p:#t:t"
RUNS = [40, pytest.param(10_000, marks=pytest.mark.slow)]


class Changing(TrackingServer):
    """Whenever `k` was read somebody changes it, or its tag, and the server tells of that right behind its reply."""

    def __init__(self, changes: str) -> None:
        super().__init__()
        self.told = push(changes)
        self.changes = changes
        self.entries: list[bytes] = []
        self.tags: list[bytes] = []

    def _answer(self, talk: Talk, words: list[bytes]) -> bytes | None:
        reply = super()._answer(talk, words)
        if not self.entries or KEY not in words or words[0] not in (b"GET", b"MGET"):
            return reply
        if self.changes == KEY.decode():
            self.data[KEY] = self.entries[self.data[KEY] == self.entries[0]]
        else:
            self.data.pop(TAG, None)
        return (reply or b"") + self.told


READS: dict[str, Callable[[RedisService], Awaitable[Any]]] = {
    "get": lambda service: service.get("k"),
    "get_many": lambda service: service.get_many(["k"]),
    "get_or_load": lambda service: service.get_or_load("k", lambda: "loaded", tags=["t"]),
}


async def stale_reads(runs: int, read: str) -> int:
    """Reads that gave what a read before them gave: `k` is another one after every read."""
    async with Changing("p:k").running() as server, server.service() as service:  # type: ignore[attr-defined]
        for value in ("one", "two"):
            await service.set("k", value, tags=["t"])
            server.entries.append(server.data[KEY])  # type: ignore[attr-defined]
        stale, last = 0, None
        for _ in range(runs):
            value = await READS[read](service)
            stale += value == last
            last = value
        return stale


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("read", READS)
@on_both_loops
async def test_a_push_behind_the_reply_in_its_segment_ends_the_copy(runs: int, read: str) -> None:
    stale = await stale_reads(runs, read)
    print(f"{runs} runs of {read}, {stale} stale")  # noqa: T201 (the figure)
    assert stale == 0


@on_both_loops
async def test_a_copy_made_after_the_await_would_be_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Near.keep

    def late(near: Near, *what: Any) -> None:
        asyncio.get_running_loop().call_soon(keep, near, *what)

    monkeypatch.setattr(Near, "keep", late)
    assert await stale_reads(40, "get") > 30


@pytest.mark.parametrize("runs", [40, pytest.param(2_000, marks=pytest.mark.slow)])
@on_both_loops
async def test_a_push_for_a_tag_behind_the_reply_in_its_segment_ends_the_copy(runs: int) -> None:
    async with Changing(TAG.decode()).running() as server:
        assert isinstance(server, Changing)
        async with server.service() as service:
            for run in range(runs):
                server.entries = []
                await service.set("k", [run], tags=["t"])
                server.entries = [b""]
                assert await service.get("k") == [run]  # when it was asked the tag was current
                assert await service.get("k") is None
