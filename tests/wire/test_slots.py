"""Slots whose reply somebody sees first, and callers that wait for room."""

from __future__ import annotations

import asyncio

import pytest

from pika_redis.errors import CacheServerError
from pika_redis.wire.connection import Reply
from pika_redis.wire.replies import Disconnected, Stalled
from pika_redis.wire.slots import Line, Observed, ObservedBatch, Waiter, refuse

from .stub_transport import connected
from .timing import in_virtual_time, settled


def future() -> asyncio.Future[Reply]:
    return asyncio.get_running_loop().create_future()


def futures() -> asyncio.Future[list[Reply]]:
    return asyncio.get_running_loop().create_future()


# -- one reply ------------------------------------------------------------------------------------------------------


async def test_the_observer_sees_a_reply_before_the_caller_and_says_what_the_caller_gets() -> None:
    seen: list[Reply] = []
    caller = future()

    def see(reply: Reply) -> Reply:
        assert not caller.done()
        seen.append(reply)
        return ("seen", reply)

    Observed(caller, see).set_result(b"x")
    assert seen == [b"x"]
    assert await caller == ("seen", b"x")


async def test_the_observer_sees_what_comes_for_a_caller_that_has_gone() -> None:
    seen: list[Reply] = []
    caller = future()
    caller.cancel()
    slot = Observed(caller, seen.append)
    assert not slot.done()  # or the parser would skip it
    slot.set_result(b"x")
    assert seen == [b"x"]


async def test_an_error_reply_is_shown_and_raised_unless_the_observer_turns_it_into_something_else() -> None:
    error = CacheServerError("WRONGTYPE no", code="WRONGTYPE")
    raised, turned = future(), future()
    Observed(raised, lambda reply: reply).set_exception(error)
    Observed(turned, lambda reply: None).set_exception(error)
    with pytest.raises(CacheServerError, match="WRONGTYPE"):
        await raised
    assert await turned is None


# -- several replies ------------------------------------------------------------------------------------------------


async def test_the_observer_sees_a_batch_when_its_last_reply_is_there() -> None:
    seen: list[Reply] = []
    caller = futures()
    batch = ObservedBatch(caller, 3, lambda replies: seen.append(list(replies)))  # type: ignore[call-overload]
    error = CacheServerError("ERR", code="ERR")
    batch.set_result(1)
    batch.set_exception(error)
    assert (seen, caller.done()) == ([], False)
    batch.set_result(3)
    assert seen == [[1, error, 3]]
    assert await caller == [1, error, 3]


async def test_what_the_observer_puts_into_the_list_is_what_the_caller_gets() -> None:
    caller = futures()

    def see(replies: Reply) -> Reply:
        assert isinstance(replies, list)
        replies[0] = "seen"
        return replies

    batch = ObservedBatch(caller, 2, see)
    batch.set_result(b"x")
    batch.set_result(b"y")
    assert await caller == ["seen", b"y"]


async def test_the_observer_sees_a_batch_whose_caller_has_gone() -> None:
    seen: list[Reply] = []
    caller = futures()
    batch = ObservedBatch(caller, 2, seen.append)
    caller.cancel()
    assert not batch.done()
    batch.set_result(1)
    batch.set_result(2)
    assert seen == [[1, 2]]


# -- on a connection ------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_observers_pushes_and_replies_of_one_segment_come_in_the_order_of_the_wire() -> None:
    connection, _, _ = connected()
    order: list[object] = []
    connection._on_push = lambda push: order.append(("push", push[1]))
    first, second = future(), futures()
    connection.send([("GET", "a")], [Observed(first, order.append)])
    batch = ObservedBatch(second, 2, lambda replies: order.append(tuple(replies)))  # type: ignore[arg-type]
    connection.send([("GET", "b"), ("GET", "c")], [batch, batch])
    await settled()
    push = b">2\r\n+invalidate\r\n*1\r\n$1\r\n%s\r\n"
    connection.data_received(push % b"1" + b"+A\r\n" + push % b"2" + b"+B\r\n" + push % b"3" + b"+C\r\n" + push % b"4")
    assert order == [
        ("push", [b"1"]), b"A", ("push", [b"2"]), ("push", [b"3"]), (b"B", b"C"), ("push", [b"4"]),
    ]  # fmt: skip


@in_virtual_time
async def test_what_the_observer_gave_up_on_is_still_shown_when_a_stalled_server_answers() -> None:
    connection, _, _ = connected()
    seen: list[Reply] = []
    caller = future()
    connection.send([("DEL", "a")], [Observed(caller, seen.append)])
    await asyncio.sleep(1.5)
    with pytest.raises(Stalled):
        caller.result()
    connection.data_received(b":1\r\n")
    assert seen == [1]
    connection.close()


@in_virtual_time
async def test_without_a_reply_the_observer_sees_nothing_and_the_caller_gets_an_error() -> None:
    connection, _, _ = connected()
    seen: list[Reply] = []
    caller, batch_caller = future(), futures()
    batch = ObservedBatch(batch_caller, 2, seen.append)
    connection.send([("GET", "a")], [Observed(caller, seen.append)])
    connection.send([("GET", "b"), ("GET", "c")], [batch, batch])
    await settled()
    connection.connection_lost(None)
    for one in (caller, batch_caller):
        with pytest.raises(Disconnected):
            one.result()
    assert seen == []


async def test_refusing_a_slot_twice_changes_nothing() -> None:
    caller = future()
    slot = Observed(caller, lambda reply: reply)
    refuse(slot, Disconnected("first", sent=True))
    refuse(slot, Disconnected("second", sent=True))
    with pytest.raises(Disconnected, match="first"):
        await caller


# -- the line -------------------------------------------------------------------------------------------------------


async def test_who_was_cancelled_in_line_is_skipped_also_behind_an_observer() -> None:
    line = Line()
    gone, staying = future(), future()
    line.join(Waiter((Observed(gone, lambda reply: reply),), (("GET", "a"),)))
    line.join(Waiter((staying,), (("GET", "b"),)))
    gone.cancel()
    head = line.head()
    assert head is not None
    assert head.commands == (("GET", "b"),)
    assert len(line) == 1


async def test_who_waits_longer_than_so_many_ticks_leaves() -> None:
    line = Line()
    old, new = future(), future()
    line.join(Waiter((old,), (("GET", "a"),)))
    assert list(line.age(2)) == list(line.age(2)) == []
    line.join(Waiter((new,), (("GET", "b"),)))
    (left,) = line.age(2)
    assert left.commands == (("GET", "a"),)
    assert len(line) == 1
    assert [one.commands for one in line.dissolve()] == [(("GET", "b"),)]
    assert line.head() is None


async def test_who_goes_on_in_another_line_has_waited_there_too() -> None:
    line, other = Line(), Line()
    line.join(Waiter((future(),), (("GET", "a"),)))
    assert list(line.age(3)) == list(line.age(3)) == []
    assert list(other.age(3)) == []
    for waiter in line.dissolve():
        other.join(waiter)
    assert list(other.age(3)) == []
    (left,) = other.age(3)
    assert left.commands == (("GET", "a"),)


async def test_time_passes_at_the_same_cost_however_many_wait() -> None:
    line = Line()
    looked = 0

    class Looked(Waiter):
        def has_left(self) -> bool:
            nonlocal looked
            looked += 1
            return False

    for _ in range(1_000):
        line.join(Looked((), ()))
    for _ in range(8):
        assert list(line.age(8)) == []
    assert looked == 8
    assert len(list(line.age(8))) == 1_000
