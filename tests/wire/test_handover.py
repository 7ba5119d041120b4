from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pika_redis.errors import OverloadedError
from pika_redis.wire.connection import Connection
from pika_redis.wire.handover import hand_over
from pika_redis.wire.limits import Limits
from pika_redis.wire.replies import Disconnected, Full, Stalled

from .stub_transport import connected, packed
from .timing import in_virtual_time, settled


class Succession:
    """An old and a young connection over stubs, and what became of the handover."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.old, self.old_wire, _ = connected(limits)
        self.young, self.young_wire, _ = connected(limits)
        self.taken = self.given_up = 0

    def begin(self) -> None:
        hand_over(self.old, self._take_over, self._give_up)

    def _take_over(self) -> Connection | None:
        self.taken += 1
        return self.young

    def _give_up(self) -> None:
        self.given_up += 1


def replies(*calls: asyncio.Future[Any]) -> asyncio.Future[list[Any]]:
    return asyncio.gather(*calls, return_exceptions=True)


@in_virtual_time
async def test_with_nothing_due_it_happens_at_once() -> None:
    those = Succession()
    those.begin()
    assert (those.taken, those.given_up) == (1, 0)
    assert not those.old.usable
    assert those.old_wire.aborted
    assert those.young.usable


@in_virtual_time
async def test_it_waits_for_the_last_reply_also_to_commands_that_were_abandoned() -> None:
    those = Succession()
    first, abandoned = those.old.call(("SET", "k", "1")), those.old.call(("SET", "k", "2"))
    await settled()
    abandoned.cancel()
    those.begin()
    those.old.data_received(b"+OK\r\n")
    assert those.taken == 0
    assert those.old.usable
    those.old.data_received(b"+OK\r\n")
    assert those.taken == 1
    assert await first == b"OK"


@in_virtual_time
async def test_who_comes_meanwhile_goes_over_in_his_order() -> None:
    those = Succession()
    before = those.old.call(("GET", "a"))
    await settled()
    those.begin()
    later = [those.old.call(("GET", f"k{number}")) for number in range(3)]
    batch = those.old.call_many([("GET", "x"), ("GET", "y")])
    later[1].cancel()
    await settled()
    assert those.old_wire.written == packed("GET", "a")
    those.old.data_received(b"+before\r\n")
    await settled()
    assert those.young_wire.written == b"".join(packed("GET", key) for key in ("k0", "k2", "x", "y"))
    those.young.data_received(b"+0\r\n+2\r\n+x\r\n+y\r\n")
    assert await replies(before, later[0], later[2], batch) == [b"before", b"0", b"2", [b"x", b"y"]]
    assert not those.old.usable


@in_virtual_time
async def test_it_is_given_up_when_the_old_one_takes_as_long_as_callers_wait() -> None:
    those = Succession(Limits(stall=1.0, command_timeout=60.0))
    call = those.old.call(("GET", "a"))
    await settled()
    those.begin()
    waiting = those.old.call(("GET", "b"))
    await asyncio.sleep(1.5)
    assert (those.taken, those.given_up) == (0, 1)
    assert [type(outcome) for outcome in await replies(call, waiting)] == [Stalled, Stalled]
    those.old.data_received(b"+late\r\n")  # the old one goes on
    again = those.old.call(("GET", "c"))
    await settled()
    those.old.data_received(b"+c\r\n")
    assert await again == b"c"
    assert those.taken == 0


@in_virtual_time
async def test_an_old_one_that_is_always_busy_goes_on_after_a_while() -> None:
    those = Succession(Limits(stall=1.0))
    busy = [those.old.call(("GET", "a"))]
    await settled()
    those.begin()
    waiting = those.old.call(("GET", "z"))
    for _ in range(20):  # one slow reply after the other, none of them a stall
        those.old.heard = False
        await asyncio.sleep(0.1)
        those.old.data_received(b":1" if not those.old.heard else b"")
    assert those.given_up == 1
    assert busy[0].done() is False
    outcome = (await replies(waiting))[0]
    assert isinstance(outcome, Full | OverloadedError)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_it_is_given_up_when_the_old_one_is_lost(when: str) -> None:
    @in_virtual_time
    async def scenario() -> None:
        those = Succession()
        call = those.old.call(("GET", "a"))
        await settled()
        if when == "before":
            those.old.close("lost")
            those.begin()
        else:
            those.begin()
            those.old.close("lost")
        assert (those.taken, those.given_up) == (0, 1)
        assert isinstance((await replies(call))[0], Disconnected)

    scenario()


@in_virtual_time
async def test_when_it_is_not_wanted_any_more_the_old_one_goes_on() -> None:
    those = Succession()
    hand_over(those.old, lambda: None, lambda: None)
    call = those.old.call(("GET", "a"))
    await settled()
    those.old.data_received(b"+a\r\n")
    assert await call == b"a"


@in_virtual_time
async def test_who_finds_no_room_on_the_young_one_is_told() -> None:
    those = Succession()
    those.young, _, _ = connected(Limits(in_flight=1, waiting=1))
    ahead = [those.young.call(("GET", "x")) for _ in range(2)]
    call = those.old.call(("GET", "a"))
    await settled()
    those.begin()
    waiting = those.old.call(("GET", "b"))
    those.old.data_received(b"+a\r\n")
    assert await call == b"a"
    assert isinstance((await replies(waiting))[0], Full)
    assert not any(one.done() for one in ahead)
