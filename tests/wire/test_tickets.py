"""Callers that stand in line before they make a command: in turn, never forgotten, and told when it is in vain."""

from __future__ import annotations

import asyncio

import pytest

from pika_redis.wire.connection import Connection
from pika_redis.wire.limits import Limits
from pika_redis.wire.link import NoConnection
from pika_redis.wire.replies import Disconnected, Full, Stalled

from .stub_transport import connected
from .timing import in_virtual_time, settled

OK = b"+OK\r\n"


async def called(connection: Connection, name: str, served: list[str]) -> None:
    """Call as a store does: with a ticket where others wait."""
    if connection.crowded and (refused := await connection.ticket()) is not None:
        raise refused
    await connection.call(("GET", name))
    served.append(name)


def crowd(connection: Connection, names: str, served: list[str]) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(called(connection, name, served)) for name in names]


@in_virtual_time
async def test_nobody_needs_a_ticket_before_somebody_waits() -> None:
    connection, _, _ = connected(Limits(in_flight=1))
    seen = [connection.crowded]
    calls = []
    for name in "ab":
        calls.append(connection.call(("GET", name)))
        seen.append(connection.crowded)
    for _ in calls:
        await settled()
        connection.data_received(OK)
        seen.append(connection.crowded)
    assert seen == [False, False, True, False, False]
    assert all(call.done() for call in calls)


@in_virtual_time
@pytest.mark.parametrize("room", [1, 2, 3, 100])
async def test_all_are_served_in_the_order_of_their_coming(room: int) -> None:
    connection, transport, _ = connected(Limits(in_flight=room))
    served: list[str] = []
    names = "abcdefghijklmnopqrstuvwxyz"
    tasks = crowd(connection, names, served)
    answered = 0
    while answered < len(names):
        await settled()
        assert connection.in_flight <= room
        sent = b"".join(transport.writes).count(b"GET")
        assert sent > answered, "somebody waits and nothing is due"
        connection.data_received(OK * (sent - answered))
        answered = sent
    await asyncio.gather(*tasks)
    assert "".join(served) == names
    assert not connection.crowded


@in_virtual_time
async def test_who_has_a_ticket_and_leaves_keeps_nobody_waiting() -> None:
    connection, transport, _ = connected(Limits(in_flight=2))
    served: list[str] = []
    tasks = crowd(connection, "abcdefgh", served)
    await settled()
    for task in tasks[3:7]:  # all who hold tickets but the last
        task.cancel()
    await settled()
    for _ in range(4):
        connection.data_received(OK * connection.in_flight)
        await settled()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert served == ["a", "b", "c", "h"]
    assert b"".join(transport.writes).count(b"GET") == 4


@in_virtual_time
async def test_who_is_let_in_and_does_not_call_keeps_nobody_waiting() -> None:
    connection, _, _ = connected(Limits(in_flight=1))
    calls = [connection.call(("GET", name)) for name in "ab"]
    idle = [connection.ticket() for _ in range(3)]
    last = connection.ticket()
    await settled()
    connection.data_received(OK)  # b is let in
    await settled()
    connection.data_received(OK)  # nothing is due any more
    for _ in range(10):
        await settled()
    assert all(call.done() for call in calls)
    assert all(one.result() is None for one in idle)
    assert last.result() is None
    assert not connection.crowded


@in_virtual_time
async def test_nobody_overtakes_who_has_a_ticket() -> None:
    connection, transport, _ = connected(Limits(in_flight=1))
    served: list[str] = []
    tasks = crowd(connection, "abc", served)
    await settled()
    pushy = connection.call(("GET", "z"))
    for _ in range(4):
        connection.data_received(OK)
        await settled()
    await asyncio.gather(*tasks, pushy)
    order = [line.split(b"\r\n")[-2] for line in transport.writes]
    assert order == [b"a", b"b", b"c", b"z"]


@in_virtual_time
@pytest.mark.parametrize("kind", [Stalled, Full])
async def test_who_waits_too_long_is_told_why(kind: type[Disconnected]) -> None:
    connection, _, _ = connected(Limits(in_flight=2, stall=1.0, command_timeout=50.0))
    calls = [connection.call(("GET", name)) for name in "abc"]
    ticket = connection.ticket()
    await settled()
    if kind is Stalled:
        await asyncio.sleep(1.5)
    else:
        for _ in range(30):  # the server is slow, and makes progress: there is one reply at a time of a large command
            await asyncio.sleep(0.05)
            connection.data_received(b"")
    assert ticket.done()
    assert isinstance(ticket.result(), kind)
    assert not connection.crowded
    connection.close()
    await asyncio.gather(*calls, return_exceptions=True)


@in_virtual_time
async def test_a_lost_connection_tells_those_with_tickets() -> None:
    connection, _, _ = connected(Limits(in_flight=1))
    calls = [connection.call(("GET", name)) for name in "ab"]
    ticket, gone = connection.ticket(), connection.ticket()
    gone.cancel()
    await settled()
    connection.connection_lost(None)
    refused = ticket.result()
    assert isinstance(refused, Disconnected)
    assert not refused.sent
    assert not connection.crowded
    with pytest.raises(Disconnected):
        connection.ticket()
    await asyncio.gather(*calls, return_exceptions=True)


def test_without_a_connection_there_is_no_line() -> None:
    assert not NoConnection.crowded
    with pytest.raises(Disconnected):
        NoConnection().ticket()


@in_virtual_time
async def test_who_comes_between_a_promise_and_its_use_does_not_take_the_room() -> None:
    connection, transport, _ = connected(Limits(in_flight=4))
    served: list[str] = []
    tasks = crowd(connection, "abcdefgh", served)
    await settled()
    connection.data_received(OK * 4)
    pushy = [connection.call(("GET", name)) for name in "yz"]  # before those who were told can run
    for _ in range(6):
        await settled()
        connection.data_received(OK * connection.in_flight)
    await asyncio.gather(*tasks, *pushy)
    sent = b"".join(transport.writes).split(b"\r\n")
    names = b"".join(sent[at + 2] for at, word in enumerate(sent) if word == b"GET")
    assert sorted(names) == sorted(b"abcdefghyz")
    assert names.startswith(b"abcdef")  # and who is told and who waits with a command may change places for one turn
    assert not connection.crowded


@in_virtual_time
async def test_who_goes_over_to_a_younger_connection_is_let_in_only_where_there_is_room() -> None:
    old, _, _ = connected(Limits(in_flight=1))
    young, transport, _ = connected(Limits(in_flight=4))
    served: list[str] = []
    calls = [old.call(("GET", "x")), old.call(("GET", "a"))]
    tasks = crowd(old, "bc", served)
    await settled()
    calls.append(old.call(("GET", "d")))
    tasks += crowd(old, "efg", served)
    await settled()
    told = list(old.take_line())
    for waiter in told:
        young.enter(waiter)
    assert transport.writes == []
    assert young.in_flight == 1
    assert young.crowded
    assert [waiter.has_left() for waiter in told] == [False, True, False, False, False, False, False]
    old.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, *calls[:1], return_exceptions=True)
