"""A connection that has grown old is replaced, and nobody notices."""

from __future__ import annotations

import asyncio
import math
from itertools import count, pairwise

from pika_redis.errors import CacheUnavailableError
from pika_redis.testing import EmbeddedServer
from pika_redis.wire.age import Age
from pika_redis.wire.connection import Connection
from pika_redis.wire.endpoint import Endpoint
from pika_redis.wire.node import Node, Repeat

from .fake_server import FakeServer, Relay
from .test_link import linked
from .test_listener import Diary
from .timing import VirtualLoop, in_virtual_time, on_both_loops, settled, turned

REFUSED = CacheUnavailableError("nobody listens")


@in_virtual_time
async def test_the_age_is_about_the_limit() -> None:
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def replace() -> None:
        times.append(loop.time())
        age.begin()

    began = loop.time()
    age = Age(loop, 600, replace)
    age.begin()
    await asyncio.sleep(600 * 100)
    ages = [late - early for early, late in pairwise([began, *times])]
    assert all(480 <= one <= 720 for one in ages)
    assert max(ages) - min(ages) > 100
    await age.aclose()


@in_virtual_time
async def test_without_a_limit_there_is_no_timer() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)

    async def replace() -> None: ...

    age = Age(loop, math.inf, replace)
    age.begin()
    age.begin_again()
    assert loop.timers == 0
    await age.aclose()


@in_virtual_time
async def test_an_idle_connection_costs_one_timer_and_a_new_one_is_made_when_it_is_old() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    link, dialer, made = linked(Endpoint(max_age=600))
    await link.ready()
    assert loop.timers == 1
    await asyncio.sleep(479)
    assert len(dialer.opened) == 1
    await asyncio.sleep(242)
    assert link.connection is dialer.opened[1]
    assert (len(made), len(dialer.opened)) == (2, 2)
    assert not dialer.opened[0].usable
    assert dialer.predecessors == [None, None]  # the old one serves until the new one does
    await link.aclose()


@in_virtual_time
async def test_what_cannot_be_replaced_goes_on_and_is_tried_again_later() -> None:
    link, dialer, _ = linked(Endpoint(max_age=600))
    await link.ready()
    dialer.usual = REFUSED
    await asyncio.sleep(3000)
    assert link.connection is dialer.opened[0]
    assert dialer.opened[0].usable
    assert 20 < len(dialer.times) < 100
    dialer.usual = None
    await asyncio.sleep(61)
    assert link.connection is dialer.opened[1]
    await link.aclose()


@in_virtual_time
async def test_a_loss_while_it_is_replaced_leaves_one_connection() -> None:
    link, dialer, _ = linked(Endpoint(max_age=600))
    await link.ready()
    first = dialer.opened[0]
    first.heard = True
    dialer.hold = asyncio.Event()
    await asyncio.sleep(721)
    first.connection_lost(None)
    dialer.hold.set()
    await settled(10)
    await link.ready()
    assert isinstance(link.connection, Connection)
    assert [connection for connection in dialer.opened if connection.usable] == [link.connection]
    await link.aclose()


@in_virtual_time
async def test_closing_while_it_is_replaced_leaves_nothing() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    link, dialer, _ = linked(Endpoint(max_age=600))
    await link.ready()
    dialer.hold = asyncio.Event()
    await asyncio.sleep(721)
    await link.aclose()
    assert len(dialer.opened) == 1
    assert loop.timers == 0
    assert len(asyncio.all_tasks()) == 1


@in_virtual_time
async def test_one_that_is_not_kept_is_closed_at_a_moment_when_nobody_uses_it() -> None:
    link, dialer, _ = linked(Endpoint(max_age=600), keep=False)
    await link.ready()
    await asyncio.sleep(599)
    link.retire()
    assert dialer.opened[0].usable
    await asyncio.sleep(2)
    link.retire()
    assert dialer.opened[0].hung_up
    await link.ready()
    assert link.connection is dialer.opened[1]
    await link.aclose()


@in_virtual_time
async def test_a_young_one_that_is_lost_before_its_turn_is_not_taken() -> None:
    link, dialer, _ = linked(Endpoint(max_age=600))
    await link.ready()
    old = dialer.opened[0]
    await asyncio.sleep(479)
    dialer.hold = asyncio.Event()
    await asyncio.sleep(242)
    call = old.call(("GET", "a"))
    dialer.hold.set()
    await settled(10)
    dialer.opened[1].connection_lost(None)
    old.data_received(b"+a\r\n")
    assert await call == b"a"
    assert link.connection is old
    assert old.usable
    await link.aclose()


async def test_the_connection_of_ones_own_grows_old_too() -> None:
    async with FakeServer().running() as server:
        node = Node(asyncio.get_running_loop(), Endpoint("127.0.0.1", server.port, max_age=0.02))
        async with node.exclusive() as first:
            assert first.usable
        await asyncio.sleep(0.03)
        async with node.exclusive() as second:
            assert second is not first
        assert first.hung_up
        await node.aclose()


@on_both_loops
async def test_under_load_no_call_fails_and_every_reply_is_the_callers(server: EmbeddedServer, prefix: str) -> None:
    diary = Diary()
    node = Node(
        asyncio.get_running_loop(), Endpoint(server.host, server.port, max_age=0.01), listener=diary, track=True
    )
    swaps = 20

    async def work(number: int) -> None:
        key = f"{prefix}{number}"
        for step in count():
            assert await node.call(("SET", key, step), Repeat.UNSENT) == b"OK"
            assert await node.call(("GET", key)) == str(step).encode()
            if diary.lines.count(("made", None)) > swaps:
                return

    await asyncio.gather(*map(work, range(30)))
    assert await node.call(("CLIENT", "ID")) is not None
    await node.aclose()


@on_both_loops
async def test_an_abandoned_write_never_lands_behind_what_the_new_one_does(server: EmbeddedServer, prefix: str) -> None:
    key = f"{prefix}k"
    async with Relay(server.port).running() as relay:
        node = Node(asyncio.get_running_loop(), Endpoint("127.0.0.1", relay.port, max_age=0.05))
        await node.ready()
        old = node.connection
        relay.hold_standing()
        stuck = asyncio.ensure_future(node.call(("SET", key, "old"), Repeat.UNSENT))
        await settled()
        stuck.cancel()
        await turned(lambda: old.crowded or node.connection is not old)  # the younger one stands in line
        delete = asyncio.ensure_future(node.call(("DEL", key)))
        await settled()
        assert node.connection is old
        assert not delete.done()
        relay.release()
        assert await delete == 1
        assert node.connection is not old
        assert await node.call(("EXISTS", key)) == 0
        await node.aclose()
