"""Letting go of a socket that another process still uses."""

from __future__ import annotations

import os
import socket

from pika_redis.wire.sockets import point_at_nothing


def test_what_closes_the_descriptor_later_does_not_close_the_connection() -> None:
    ours, theirs = socket.socketpair()
    with theirs, ours:
        kept = os.dup(ours.fileno())  # as a parent's copy
        number = ours.fileno()
        point_at_nothing(ours)
        assert ours.fileno() == number  # the event loop's accounts stay right
        assert not os.get_inheritable(number)
        os.write(number, b"said to nobody")
        ours.close()
        os.write(kept, b"hello")
        assert theirs.recv(64) == b"hello"
        theirs.sendall(b"back")
        assert os.read(kept, 64) == b"back"
        os.close(kept)
        assert theirs.recv(64) == b""


def lowest_free_descriptor() -> int:
    free = os.dup(0)
    os.close(free)
    return free


def test_no_descriptor_is_left_behind() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        free = lowest_free_descriptor()
        point_at_nothing(ours)
        assert lowest_free_descriptor() == free


def test_nothing_and_a_closed_socket_are_left_alone() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        free = lowest_free_descriptor()
        point_at_nothing(ours)
        point_at_nothing(None)
        assert lowest_free_descriptor() == free
