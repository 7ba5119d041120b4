"""A transport without a socket, for a `Connection` in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from pika_redis.wire.connection import Connection
from pika_redis.wire.limits import Limits

__all__ = ["StubTransport", "connected", "packed"]


class StubTransport(asyncio.Transport):
    """Keeps what is written; how much of it the kernel would have taken is up to the test."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.backlog = 0
        self.aborted = False
        self._connection = connection

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.backlog

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True
        asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)


def connected(limits: Limits | None = None) -> tuple[Connection, StubTransport, list[str]]:
    """A connection over a stub, and the list that takes the reason of its loss."""
    losses: list[str] = []
    connection = Connection(asyncio.get_running_loop(), limits or Limits(), lambda _, reason: losses.append(reason))
    transport = StubTransport(connection)
    connection.connection_made(transport)
    return connection, transport, losses


def packed(*words: str) -> bytes:
    """A command as it looks on the wire."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)
