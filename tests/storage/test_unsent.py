"""Who asks for the same before the question has left shares the answer; nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pika_redis import CacheServerError, RedisService
from pika_redis.testing.conformance.comparing import unlike

from ..wire.fake_server import Talk
from ..wire.timing import settled, turned
from .raw import Raw
from .tap import Tap, heard, near_of
from .tracking_server import TrackingServer

READS: dict[str, Callable[[RedisService], Awaitable[Any]]] = {
    "get_or_load": lambda service: service.get_or_load("k", lambda: "loaded", tags=["t"]),
    "get_or_load strict": lambda service: service.get_or_load("k", lambda: "loaded", consistency="strict"),
}


class Slow(TrackingServer):
    """Answers reads of `k` when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[bytes] = []
        self.holds = False

    def _answer(self, talk: Talk, words: list[bytes]) -> bytes | None:
        reply = super()._answer(talk, words)
        if self.holds and words[-1] == b"p:k" and reply is not None:
            self.held.append(reply)
            return b""
        return reply

    def answer_all(self) -> None:
        self.holds = False
        self.tell(b"".join(self.held))


@pytest.mark.parametrize("read", READS)
async def test_those_who_ask_in_one_turn_ask_once(near: RedisService, far: RedisService, tap: Tap, read: str) -> None:
    await far.set("k", ["value"], tags=["t"])
    await near.get_or_load("j", lambda: "", tags=["t"])
    with tap.on(near) as asked:
        values = await asyncio.gather(*[READS[read](near) for _ in range(100)])
    assert asked.commands == (2 if "strict" in read else 1)  # the tag, which it did not name, is read behind it
    assert values == [["value"]] * 100
    values[0].append("mine")
    assert values[1] == ["value"]


async def test_who_asks_for_something_else_does_not_share(near: RedisService, far: RedisService, tap: Tap) -> None:
    for key in ("k", "l"):
        await far.set(key, key)
    await near.get("warm")
    with tap.on(near) as asked:
        await asyncio.gather(
            near.get_or_load("k", lambda: "k"),
            near.get_or_load("l", lambda: "l"),
            near.get_or_load("k", lambda: "k", consistency="strict"),
        )
    assert asked.commands == 3


async def test_a_thousand_who_are_told_to_look_again_ask_once(near: RedisService, shell: Raw, tap: Tap) -> None:
    entered, gate = asyncio.Event(), asyncio.Event()

    async def load() -> str:
        entered.set()
        await gate.wait()
        return "old"

    first = asyncio.create_task(near.get_or_load("k", load))
    await entered.wait()
    late = [asyncio.create_task(near.get_or_load("k", lambda: "new")) for _ in range(1000)]
    await settled()
    shell("DEL", near.name_of("k"))
    with tap.on(near) as asked:
        gate.set()
        assert await first == "old"
        assert unlike(await asyncio.gather(*late), ["new"] * 1000) == []
    assert asked.commands < 12  # the store that came too late, one look, one lease, one store


async def test_who_asks_when_it_has_left_asks_again() -> None:
    async with Slow().running() as server, server.service(l1=False) as service:  # type: ignore[attr-defined]
        assert isinstance(server, Slow)
        await service.set("k", "new")
        new = server.data[b"p:k"]
        await service.set("k", "old")
        server.holds = True
        early = asyncio.create_task(service.get_or_load("k", lambda: "loaded"))
        await server.until(lambda: len(server.held) == 1)
        server.data[b"p:k"] = new
        late = [asyncio.create_task(service.get_or_load("k", lambda: "loaded")) for _ in range(3)]
        await server.until(lambda: len(server.held) == 2)
        server.answer_all()
        assert await early == "old"
        assert await asyncio.gather(*late) == ["new"] * 3


async def test_one_who_is_cancelled_leaves_the_others_their_answer(
    near: RedisService, far: RedisService, tap: Tap
) -> None:
    await far.set("k", "value")
    await near.get("warm")
    with tap.on(near) as asked:
        tasks = [asyncio.create_task(near.get_or_load("k", lambda: "loaded")) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[3].cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ended] == [asyncio.CancelledError, str, str, asyncio.CancelledError, str]
    assert asked.commands <= 2


async def test_an_error_reaches_all_who_asked() -> None:
    async with TrackingServer().running() as server, server.service() as service:  # type: ignore[attr-defined]
        assert isinstance(server, TrackingServer)
        await service.get("warm")
        usual = server.answer
        server.answer = lambda talk, words: b"-ERR broken\r\n" if words[-1] == b"p:k" else usual(talk, words)
        reads = [service._reads._store.fetch("p:k", ()) for _ in range(3)]
        ended = await asyncio.gather(*reads, return_exceptions=True)
        assert [type(end) for end in ended] == [CacheServerError] * 3
        server.answer = usual
        assert await service.get("k") is None
        await heard(service)
        assert not service._nears.get().unsent._reads


async def test_an_outage_is_not_taken_for_the_one_before(near: RedisService) -> None:
    """A look that began without a connection was answered, and then that connection was lost too."""
    node, unsent = near_of(near).node, near_of(near).unsent
    asked: list[asyncio.Future[str]] = []

    async def ask() -> str:
        asked.append(asyncio.get_running_loop().create_future())
        return await asked[-1]

    node.connection.close("lost")  # type: ignore[union-attr]
    early = [asyncio.create_task(unsent.shared("k", ask)) for _ in range(3)]
    await settled()
    assert len(asked) == 1
    await turned(lambda: node.connection.usable)
    node.connection.close("lost again")  # type: ignore[union-attr]
    late = [asyncio.create_task(unsent.shared("k", ask)) for _ in range(3)]
    await settled()
    assert len(asked) == 2
    for answer, word in zip(asked, ("old", "new"), strict=True):
        answer.set_result(word)
    assert await asyncio.gather(*early, *late) == ["old"] * 3 + ["new"] * 3
    await turned(lambda: node.connection.usable)
