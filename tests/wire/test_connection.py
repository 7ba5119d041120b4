from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar, copy_context

import pytest

from pika_redis.errors import ArgumentError, ArgumentTypeError, CacheServerError, CacheTimeoutError
from pika_redis.wire.connection import Connection
from pika_redis.wire.limits import Limits
from pika_redis.wire.replies import Disconnected, Full, Stalled

from .stub_transport import connected, packed
from .timing import VirtualLoop, in_virtual_time, settled

PUSH = b">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n"


def failure(future: asyncio.Future[object] | asyncio.Future[list[object]]) -> BaseException | None:
    assert future.done()
    return future.exception()


# -- commands and replies ------------------------------------------------------------------------------------------


@in_virtual_time
async def test_commands_of_one_tick_leave_in_one_write() -> None:
    connection, transport, _ = connected()
    connection.call(("GET", "a"))
    connection.call_many([("GET", "b"), ("GET", "c")])
    connection.call(("GET", "d"))
    assert transport.writes == []
    await settled()
    assert transport.writes == [b"".join(packed("GET", name) for name in "abcd")]


@in_virtual_time
async def test_the_nth_reply_belongs_to_the_nth_command() -> None:
    connection, _, _ = connected()
    calls = [connection.call(("GET", name)) for name in "abc"]
    await settled()
    connection.data_received(b"$1\r\nA\r\n:7\r\n_\r\n")
    assert [call.result() for call in calls] == [b"A", 7, None]
    assert connection.in_flight == 0


@in_virtual_time
async def test_replies_may_come_byte_by_byte() -> None:
    connection, _, losses = connected()
    value = b"line\r\n|1\r\nrest"
    calls = [connection.call(("GET", name)) for name in "ab"]
    batch = connection.call_many([("MGET", "c", "d"), ("GET", "e")])
    await settled()
    for byte in b"$%d\r\n%s\r\n-ERR no\r\n*2\r\n$1\r\nC\r\n_\r\n%%1\r\n+f\r\n,1.5\r\n" % (len(value), value):
        connection.data_received(bytes([byte]))
    assert calls[0].result() == value
    assert isinstance(failure(calls[1]), CacheServerError)
    assert batch.result() == [[b"C", None], {b"f": 1.5}]
    assert losses == []


@in_virtual_time
async def test_an_error_reply_raises_and_in_a_batch_stands_in_the_list() -> None:
    connection, _, _ = connected()
    call = connection.call(("INCR", "a"))
    batch = connection.call_many([("INCR", "a"), ("GET", "b")])
    await settled()
    connection.data_received(b"-WRONGTYPE no\r\n-OOM full\r\n$1\r\nB\r\n")
    with pytest.raises(CacheServerError, match="WRONGTYPE"):
        await call
    error, value = await batch
    assert isinstance(error, CacheServerError)
    assert (error.code, value) == ("OOM", b"B")


@in_virtual_time
async def test_an_error_inside_a_list_is_one_of_ours() -> None:
    connection, _, _ = connected()
    call = connection.call(("EVAL", "…", 0))
    connection.data_received(b"*2\r\n:1\r\n-ERR inner\r\n")
    reply = await call
    assert isinstance(reply, list)
    assert isinstance(reply[1], CacheServerError)


@in_virtual_time
async def test_the_reply_of_a_cancelled_caller_is_dropped_in_order() -> None:
    connection, _, _ = connected()
    first, second, third = (asyncio.ensure_future(connection.call(("GET", name))) for name in "abc")
    batch = connection.call_many([("GET", "d"), ("GET", "e")])
    last = connection.call(("GET", "f"))
    second.cancel()  # before it was written
    await settled()
    first.cancel()  # after
    batch.cancel()
    assert connection.in_flight == 6
    connection.data_received(b"".join(b"$1\r\n%c\r\n" % letter for letter in b"ABCDEF"))
    assert (third.result(), last.result()) == (b"C", b"F")


@in_virtual_time
async def test_a_push_is_no_reply_even_in_the_segment_of_one() -> None:
    connection, _, _ = connected()
    calls = [connection.call(("GET", name)) for name in "ab"]
    connection.data_received(PUSH + b"$1\r\nA\r\n" + PUSH + b"$1\r\nB\r\n" + PUSH)
    assert [call.result() for call in calls] == [b"A", b"B"]
    connection.data_received(PUSH)
    assert connection.usable


@pytest.mark.parametrize(
    ("words", "kind"),
    [(("GET", "\ud800"), ArgumentError), (("GET", None), ArgumentTypeError), (("GET", True), ArgumentTypeError)],
)
def test_words_that_can_not_be_packed_are_refused_and_take_no_slot(words: tuple[str], kind: type[Exception]) -> None:
    @in_virtual_time
    async def scenario() -> None:
        connection, transport, _ = connected(Limits(in_flight=1))
        with pytest.raises(kind):
            connection.call(words)
        with pytest.raises(kind):
            connection.call_many([("GET", "a"), words])
        before = connection.call(("GET", "b"))
        in_line = connection.call(words), connection.call_many([words])
        behind = connection.call(("GET", "c"))
        await settled()
        connection.data_received(b"$1\r\nB\r\n")
        await settled()
        connection.data_received(b"$1\r\nC\r\n")
        assert (before.result(), behind.result()) == (b"B", b"C")
        assert all(isinstance(failure(one), kind) for one in in_line)
        assert transport.writes == [packed("GET", "b"), packed("GET", "c")]

    scenario()


@in_virtual_time
async def test_an_empty_batch_is_refused() -> None:
    connection, _, _ = connected()
    with pytest.raises(ValueError, match="at least one"):
        connection.call_many([])


# -- what can't be framed ------------------------------------------------------------------------------------------

UNFRAMED = {
    "blob error": b"!5\r\nERR x\r\n",
    "attribute": b"|1\r\n+ttl\r\n:9\r\n$1\r\nA\r\n",
    "attribute inside a list": b"*2\r\n:1\r\n|1\r\n+ttl\r\n:9\r\n:2\r\n",
    "garbage": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a map with a list for a key": b"%1\r\n*1\r\n:1\r\n:1\r\n",
    "a number that is none": b":12a\r\n",
}


@pytest.mark.parametrize("name", UNFRAMED)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_what_can_not_be_framed_ends_the_connection(name: str, size: int) -> None:
    @in_virtual_time
    async def scenario() -> None:
        connection, transport, losses = connected()
        before, at, behind = (connection.call(("GET", key)) for key in "abc")
        await settled()
        data = b"$2\r\nok\r\n" + UNFRAMED[name] + b"$1\r\nB\r\n"
        for start in range(0, len(data), size):
            if not losses:
                connection.data_received(data[start : start + size])
        assert before.result() == b"ok"
        for call in (at, behind):
            error = failure(call)
            assert isinstance(error, Disconnected)
            assert error.sent
        assert (len(losses), transport.aborted) == (1, True)

    scenario()


@in_virtual_time
async def test_bytes_that_look_like_an_attribute_inside_a_value_are_a_value() -> None:
    value = b"|1\r\n|2\r\n\r\n|3\r\n" + b"\r\n|"
    reply = b"$%d\r\n%s\r\n" % (len(value), value)
    for size in range(1, len(reply) + 1):
        connection, _, losses = connected()
        calls = [connection.call(("GET", key)) for key in "ab"]
        stream = reply + reply
        for start in range(0, len(stream), size):
            connection.data_received(stream[start : start + size])
        assert [call.result() for call in calls] == [value, value]
        assert losses == []


@in_virtual_time
async def test_a_reply_without_a_command_ends_the_connection() -> None:
    connection, transport, losses = connected()
    call = connection.call(("GET", "a"))
    connection.data_received(b"$1\r\nA\r\n$1\r\nB\r\n")
    assert call.result() == b"A"
    assert losses == ["the connection was closed: it sent a reply to no command"]
    assert transport.aborted


@in_virtual_time
async def test_an_error_before_the_first_command_is_the_reason_given() -> None:
    connection, _, _ = connected()
    connection.data_received(b"-ERR max number of clients reached\r\n")
    with pytest.raises(Disconnected, match="max number of clients"):
        connection.call(("PING",))


@in_virtual_time
async def test_an_answer_in_tls_is_explained() -> None:
    connection, _, losses = connected()
    connection.call(("PING",)).add_done_callback(failure)
    await settled()
    connection.data_received(b"\x15\x03\x03\x00\x02\x02\x46")
    assert "rediss://" in losses[0]
    await settled()


@in_virtual_time
async def test_a_reply_over_the_cap_ends_the_connection() -> None:
    connection, _, losses = connected(Limits(reply_bytes=10_000))
    small, large = connection.call(("GET", "a")), connection.call(("GET", "b"))
    await settled()
    connection.data_received(b"$9000\r\n" + b"x" * 9000 + b"\r\n")
    assert len(await_bytes(small)) == 9000
    connection.data_received(b"$20000\r\n" + b"x" * 9000)
    assert not losses
    connection.data_received(b"x" * 9000)
    assert losses == ["a reply is larger than 10000 bytes"]
    assert isinstance(failure(large), Disconnected)


def await_bytes(call: asyncio.Future[object]) -> bytes:
    reply = call.result()
    assert isinstance(reply, bytes)
    return reply


# -- bounds --------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_above_the_bound_callers_wait_first_come_first_served() -> None:
    connection, transport, _ = connected(Limits(in_flight=2))
    calls = [connection.call(("GET", name)) for name in "abcde"]
    await settled()
    assert transport.written == packed("GET", "a") + packed("GET", "b")
    connection.data_received(b"$1\r\nA\r\n")
    late = connection.call(("GET", "f"))  # there is no room: c was let in before
    await settled()
    assert transport.writes[1:] == [packed("GET", "c")]
    connection.data_received(b"$1\r\nB\r\n$1\r\nC\r\n")
    overtaking = connection.call(("GET", "g"))  # e and f wait
    await settled()
    connection.data_received(b"$1\r\nD\r\n$1\r\nE\r\n")
    await settled()
    connection.data_received(b"$1\r\nF\r\n$1\r\nG\r\n")
    assert [call.result() for call in (*calls, late, overtaking)] == [b"A", b"B", b"C", b"D", b"E", b"F", b"G"]


@in_virtual_time
async def test_who_is_cancelled_in_line_is_never_sent() -> None:
    connection, transport, _ = connected(Limits(in_flight=1))
    first, second, third = (connection.call(("GET", name)) for name in "abc")
    await settled()
    second.cancel()
    connection.data_received(b"$1\r\nA\r\n")
    await settled()
    connection.data_received(b"$1\r\nC\r\n")
    assert (first.result(), third.result()) == (b"A", b"C")
    assert transport.writes == [packed("GET", "a"), packed("GET", "c")]


@in_virtual_time
async def test_who_waits_in_line_for_too_long_is_told_that_nothing_was_sent() -> None:
    connection, transport, _ = connected(Limits(in_flight=1, stall=1.0))
    calls = [connection.call(("GET", name)) for name in "ab"]
    for _ in range(12):
        await asyncio.sleep(0.1)
        connection.data_received(PUSH)  # progress, but no room
    error = failure(calls[1])
    assert isinstance(error, Full)
    assert not error.sent
    connection.data_received(b"$1\r\nA\r\n")
    assert calls[0].result() == b"A"
    connection.call(("GET", "c"))
    await settled()
    assert transport.writes == [packed("GET", "a"), packed("GET", "c")]


@in_virtual_time
async def test_a_full_line_refuses_at_once() -> None:
    connection, _, _ = connected(Limits(in_flight=1, waiting=2))
    calls = [connection.call(("GET", name)) for name in "abc"]
    with pytest.raises(Full):
        connection.call(("GET", "d"))
    with pytest.raises(Full):
        connection.call_many([("GET", "d")])
    await settled()
    connection.data_received(b"$1\r\nA\r\n")
    await settled()
    connection.data_received(b"$1\r\nB\r\n")
    await settled()
    connection.data_received(b"$1\r\nC\r\n")
    assert [call.result() for call in calls] == [b"A", b"B", b"C"]


@in_virtual_time
async def test_a_batch_larger_than_the_bound_goes_alone() -> None:
    connection, transport, _ = connected(Limits(in_flight=2))
    before = connection.call(("GET", "a"))
    large = connection.call_many([("GET", "b")] * 5)
    behind = connection.call(("GET", "c"))
    await settled()
    assert transport.writes == [packed("GET", "a")]
    connection.data_received(b"$1\r\nA\r\n")
    await settled()
    assert transport.writes[1:] == [packed("GET", "b") * 5]
    connection.data_received(b":1\r\n:2\r\n:3\r\n")
    await settled()
    assert len(transport.writes) == 2
    connection.data_received(b":4\r\n:5\r\n")
    await settled()
    connection.data_received(b"$1\r\nC\r\n")
    assert (before.result(), large.result(), behind.result()) == (b"A", [1, 2, 3, 4, 5], b"C")


@in_virtual_time
async def test_unsent_bytes_are_bounded_and_one_larger_command_goes() -> None:
    connection, transport, _ = connected(Limits(unsent_bytes=1000))
    large = connection.call(("SET", "a", "x" * 5000))
    small = connection.call(("SET", "b", "y"))
    await settled(1)
    assert transport.writes[0] == packed("SET", "a", "x" * 5000)
    await settled()
    assert transport.writes[1:] == [packed("SET", "b", "y")]
    connection.data_received(b"+OK\r\n+OK\r\n")
    assert (large.result(), small.result()) == (b"OK", b"OK")


@in_virtual_time
async def test_a_full_socket_is_not_written_to_and_what_waits_for_it_is_bounded() -> None:
    connection, transport, _ = connected(Limits(unsent_bytes=1000))
    first = connection.call(("SET", "a", "x"))
    await settled()
    connection.pause_writing()
    held = [connection.call(("SET", "b", "x" * 400)) for _ in range(5)]
    await settled()
    assert len(transport.writes) == 1
    assert connection.in_flight == 4  # the third crossed the bound, two stand in line
    connection.resume_writing()
    await settled()
    assert transport.writes[1:] == [packed("SET", "b", "x" * 400) * 3, packed("SET", "b", "x" * 400) * 2]
    connection.data_received(b"+OK\r\n" * 6)
    assert [call.result() for call in (first, *held)] == [b"OK"] * 6


# -- silence -------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_without_progress_callers_give_up_early_and_the_connection_lives_on() -> None:
    connection, transport, losses = connected(Limits(stall=1.0, command_timeout=5.0, in_flight=3))
    calls = [connection.call(("GET", name)) for name in "ab"]
    batch = connection.call_many([("GET", "c"), ("GET", "d")])  # stands in line
    await asyncio.sleep(0.99)
    assert not batch.done()
    assert not any(call.done() for call in calls)
    await asyncio.sleep(0.2)
    for call, sent in ((calls[0], True), (calls[1], True), (batch, False)):
        error = failure(call)
        assert isinstance(error, Stalled)
        assert isinstance(error, CacheTimeoutError)
        assert error.sent is sent
    with pytest.raises(Stalled) as refused:
        connection.call(("GET", "e"))
    with pytest.raises(Stalled):
        connection.call_many([("GET", "e")])
    assert not refused.value.sent
    assert not connection.usable

    connection.data_received(b"$1\r\nA\r\n")  # the server is back, with what it owes
    again = connection.call(("GET", "f"))
    await settled()
    connection.data_received(b"$1\r\nB\r\n$1\r\nF\r\n")
    assert again.result() == b"F"
    assert transport.writes == [packed("GET", "a") + packed("GET", "b"), packed("GET", "f")]
    assert losses == []


@in_virtual_time
async def test_a_stalled_connection_refuses_also_while_its_socket_is_full() -> None:
    connection, _, _ = connected(Limits(stall=1.0))
    first = connection.call(("GET", "a"))
    await settled()
    connection.pause_writing()
    second = connection.call(("GET", "b"))
    await asyncio.sleep(1.2)
    with pytest.raises(Stalled):
        connection.call(("GET", "c"))
    assert isinstance(failure(first), Stalled)
    assert isinstance(failure(second), Stalled)


@in_virtual_time
async def test_nothing_is_written_to_a_socket_that_closes() -> None:
    connection, transport, _ = connected()
    lost = connection.call(("PING",))
    transport.aborted = True
    await asyncio.sleep(0)
    assert transport.writes == []
    connection.connection_lost(None)
    with pytest.raises(Disconnected) as caught:
        await lost
    assert not caught.value.sent


async def test_after_the_command_timeout_it_is_closed() -> None:
    connection, transport, losses = connected(Limits(stall=1.0, command_timeout=5.0))
    call = connection.call(("GET", "a"))
    await asyncio.sleep(4.9)
    assert isinstance(failure(call), Stalled)
    assert losses == []
    await asyncio.sleep(0.3)
    assert losses == ["the server was silent for 5 s"]
    assert transport.aborted
    assert connection.hung_up
    assert connection.closed.done()


@in_virtual_time
async def test_every_byte_is_progress() -> None:
    connection, _, losses = connected(Limits(stall=1.0))
    call = connection.call(("GET", "a"))
    for byte in b"$4\r\nslow\r\n":
        await asyncio.sleep(0.9)
        connection.data_received(bytes([byte]))
    assert (call.result(), losses) == (b"slow", [])


@in_virtual_time
async def test_a_server_that_takes_a_long_upload_makes_progress() -> None:
    connection, transport, _ = connected(Limits(stall=1.0))
    call = connection.call(("SET", "a", "x" * 1000))
    transport.backlog = 1000
    for _ in range(20):
        await asyncio.sleep(0.5)
        transport.backlog -= 40
    assert not call.done()
    await asyncio.sleep(1.5)  # no more is taken
    assert isinstance(failure(call), Stalled)


@in_virtual_time
async def test_bytes_that_only_the_kernel_took_are_no_progress() -> None:
    connection, _, _ = connected(Limits(stall=1.0))
    calls = [connection.call(("GET", "a"))]
    for _ in range(10):  # a caller every tenth of a second, the buffer never fills
        await asyncio.sleep(0.1)
        calls.append(connection.call(("GET", "a")))
    await asyncio.sleep(0.2)
    assert all(isinstance(failure(call), Stalled) for call in calls)


@in_virtual_time
async def test_a_loop_that_was_blocked_does_not_blame_the_server() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    connection, _, losses = connected(Limits(stall=1.0, command_timeout=5.0))
    call = connection.call(("GET", "a"))
    await settled()
    loop.now += 60  # the timer comes late, before the reply that was long there is read
    await settled()
    connection.data_received(b"$1\r\nA\r\n")
    assert call.result() == b"A"
    assert losses == []


@in_virtual_time
async def test_a_connection_at_rest_has_no_timer() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    connection, _, _ = connected(Limits(stall=1.0))
    call = connection.call(("GET", "a"))
    await settled()
    assert loop.timers == 1
    connection.data_received(b"$1\r\nA\r\n")
    await asyncio.sleep(0.5)
    assert (call.result(), loop.timers) == (b"A", 0)


@in_virtual_time
async def test_endless_limits_wait_endlessly() -> None:
    connection, _, losses = connected(Limits(stall=float("inf"), command_timeout=float("inf")))
    call = connection.call(("BLPOP", "a", 0))
    await asyncio.sleep(100_000)
    assert not call.done()
    connection.data_received(b"$1\r\nA\r\n")
    assert (call.result(), losses) == (b"A", [])


# -- the end -------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_loss_tells_what_was_sent_from_what_was_not() -> None:
    connection, _, losses = connected(Limits(in_flight=3))
    sent = connection.call(("SET", "a", "1"))
    await settled()
    unsent = connection.call(("SET", "b", "2")), connection.call_many([("SET", "c", "3")])
    in_line = connection.call(("SET", "d", "4"))
    connection.connection_lost(ConnectionResetError("reset by peer"))
    errors = [failure(call) for call in (sent, *unsent, in_line)]
    assert [isinstance(error, Disconnected) and error.sent for error in errors] == [True, False, False, False]
    assert len(set(map(id, errors))) == 4  # each caller attaches a traceback to its own
    assert losses == ["the connection broke: reset by peer"]
    assert not connection.hung_up
    with pytest.raises(Disconnected) as late:
        connection.call(("GET", "a"))
    assert not late.value.sent


@in_virtual_time
async def test_closing_twice_tells_once() -> None:
    connection, _, losses = connected()
    assert connection.close("enough")
    connection.close("again")
    await connection.closed
    assert not connection.close("and again")
    assert losses == ["enough"]


@in_virtual_time
async def test_failures_that_nobody_waits_for_are_not_complained_about() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    connection, _, _ = connected(Limits(in_flight=4))

    async def ask() -> None:
        await connection.call(("GET", "a"))

    async def ask_many() -> None:
        await connection.call_many([("GET", "a"), ("GET", "b")])

    tasks = [asyncio.create_task(work()) for work in (ask, ask_many, ask, ask, ask_many)]
    await settled()
    for task in tasks[::2]:
        task.cancel()  # abandoned before the end
    connection.connection_lost(None)
    for task in tasks:
        task.cancel()  # and in the turn in which the failure arrives
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    del outcomes, tasks
    gc.collect()
    assert loop.complaints == []


def test_closing_on_a_closed_loop_raises_nothing() -> None:
    losses: list[str] = []
    runner = asyncio.Runner(loop_factory=VirtualLoop)

    async def begin() -> tuple[Connection, asyncio.Future[object]]:
        connection, _, reasons = connected()
        call = connection.call(("GET", "a"))
        call.add_done_callback(lambda _: reasons.append("never"))
        connection.call(("GET", "b")).cancel()
        return connection, call

    connection, call = runner.run(begin())
    runner.close()
    assert not connection.close()
    connection.abandon()
    assert (call.done(), losses, connection.usable) == (False, [], False)


class Marker:
    """Something in the context of a caller."""


@in_virtual_time
async def test_the_context_of_the_first_caller_is_not_kept() -> None:
    connection, _, _ = connected(Limits(stall=1.0))
    request: ContextVar[Marker] = ContextVar("request")
    marker = Marker()
    gone = weakref.ref(marker)
    context = copy_context()
    context.run(request.set, marker)
    first = last = context.run(connection.call, ("GET", "a"))
    del marker, context
    for _ in range(20):  # under load the timer never rests
        await asyncio.sleep(0.1)
        last = connection.call(("GET", "b"))
        connection.data_received(b"$1\r\nA\r\n")
    assert (first.result(), last.done()) == (b"A", False)
    assert gone() is None
