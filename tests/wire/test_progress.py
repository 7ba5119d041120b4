"""How old what we know of the server is, and whether a socket still takes bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pika_redis.wire.progress import NEVER, Proof, Upload

from .stub_transport import connected
from .timing import VirtualLoop, in_virtual_time, settled

# -- proof ----------------------------------------------------------------------------------------------------------


def test_before_the_first_reply_nothing_is_proved() -> None:
    proof = Proof()
    assert proof.at == NEVER
    proof.wrote(1, 10.0)
    assert proof.at == NEVER
    proof.answered(1)
    assert proof.at == NEVER


def test_a_reply_proves_the_time_at_which_its_command_was_written() -> None:
    proof = Proof()
    proof.wrote(1, 10.0)
    proof.wrote(1, 20.0)
    proof.answered(1)
    assert proof.at == 10.0
    proof.answered(0)
    assert proof.at == 20.0


def test_the_first_reply_of_a_write_is_enough() -> None:
    proof = Proof()
    proof.wrote(3, 10.0)
    proof.wrote(2, 20.0)
    proof.answered(4)
    assert proof.at == 10.0
    proof.answered(2)  # all of the first write, nothing of the second
    assert proof.at == 10.0
    proof.answered(1)
    assert proof.at == 20.0


def test_replies_in_one_segment_prove_the_latest() -> None:
    proof = Proof()
    for second in range(5):
        proof.wrote(2, float(second))
    proof.answered(1)
    assert proof.at == 4.0


def test_bytes_that_complete_no_reply_prove_nothing() -> None:
    proof = Proof()
    proof.wrote(1, 10.0)
    proof.answered(0)
    proof.wrote(1, 99.0)
    proof.answered(1)
    assert proof.at == 10.0


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 8))))
def test_proof_is_never_younger_than_the_latest_write_that_has_a_reply(steps: list[tuple[int, int]]) -> None:
    proof = Proof()
    dates: list[float] = []  # of each command
    answered = 0
    for now, (commands, replies) in enumerate(steps):
        proof.wrote(commands, float(now))
        dates += [float(now)] * commands
        answered = min(len(dates), answered + replies)
        proof.answered(len(dates) - answered)
        assert proof.at == (dates[answered - 1] if answered else NEVER)


@in_virtual_time
async def test_a_connection_dates_its_proof_by_its_clock_when_commands_leave() -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    connection, _, _ = connected()
    connection._now = loop.time
    connection.call(("GET", "a"))
    loop.now += 1  # it waits for the end of the tick
    await settled()
    written = loop.time()
    loop.now += 7
    connection.call_many([("GET", "b"), ("GET", "c")])
    await settled()
    connection.call(("GET", "d"))  # not written when the reply comes
    connection.data_received(b"+A\r\n")
    assert connection.proof.at == written
    loop.now += 5
    connection.data_received(b"+B\r\n")
    assert connection.proof.at == written + 7
    await settled()
    connection.data_received(b"+C\r\n+D\r\n")
    assert connection.proof.at == written + 12


@in_virtual_time
async def test_pushes_alone_are_no_proof() -> None:
    connection, _, _ = connected()
    connection.call(("GET", "a"))
    await settled()
    connection.data_received(b">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n")
    assert connection.proof.at == NEVER


# -- upload ---------------------------------------------------------------------------------------------------------


def test_a_full_buffer_that_empties_moves() -> None:
    upload = Upload()
    upload.wrote(1000)
    assert not upload.moves(900)  # the first look compares with nothing
    assert upload.moves(500)
    assert not upload.moves(500)


def test_more_written_behind_it_is_no_movement() -> None:
    upload = Upload()
    upload.wrote(1000)
    upload.moves(900)
    upload.wrote(500)
    assert not upload.moves(1400)
    assert upload.moves(1399)
    upload.wrote(500)
    assert upload.moves(1500)  # fuller than before, and yet some were taken


def test_bytes_that_left_while_nothing_was_held_back_are_no_movement() -> None:
    """The kernel took them; that says nothing of the server."""
    upload = Upload()
    upload.wrote(1000)
    assert not upload.moves(0)
    upload.wrote(1000)
    assert not upload.moves(0)
