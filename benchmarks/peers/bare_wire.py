"""The yardstick for reads from a server: a multiplexed, auto-pipelined connection and nothing else.

No limits, no cancellation, no reconnect, no errors: what the machine can do over one socket with hiredis and asyncio.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import hiredis

from .server_peer import TTL, Address, ServerPeer

__all__ = ["BareWire", "opened"]

_NOT_YET = object()


class BareWire(asyncio.Protocol):
    """Commands of one loop tick leave in one write; replies resolve futures in order."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_NOT_YET)
        self._waiting: deque[asyncio.Future[object]] = deque()
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, host: str, port: int) -> BareWire:
        """A connection to a server without a password."""
        _, wire = await asyncio.get_running_loop().create_connection(cls, host, port)
        return wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not _NOT_YET:
            self._waiting.popleft().set_result(reply)

    def call(self, *command: str | bytes) -> asyncio.Future[object]:
        """Send a command; the future gives its reply."""
        future: asyncio.Future[object] = self._loop.create_future()
        self._waiting.append(future)
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub knows one-tuples alone
        return future

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None:
            self._transport.write(b"".join(out))

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def opened(address: Address, tasks: int) -> AsyncIterator[ServerPeer]:
    """The bare wire; it serves any number of tasks."""
    wire = await BareWire.connect(address.host, address.port)
    life = str(TTL)

    def read(key: str) -> asyncio.Future[object]:
        return wire.call("GET", key)

    def write(key: str, value: str) -> asyncio.Future[object]:
        return wire.call("SET", key, value, "EX", life)

    async def read_many(keys: Sequence[str]) -> Sequence[object]:
        return cast("list[object]", await wire.call("MGET", *keys))

    def write_many(items: Mapping[str, bytes]) -> asyncio.Future[list[object]]:
        return asyncio.gather(*[wire.call("SET", key, value, "EX", life) for key, value in items.items()])

    try:
        yield ServerPeer(read, write, read_many, write_many)
    finally:
        wire.close()
