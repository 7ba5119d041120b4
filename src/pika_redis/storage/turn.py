"""Single writes of one turn of the loop, and one read of the epoch behind them all.

Strategy. A write is current when the epoch that it was sent under is the one that is read behind it. Many tasks that
write in the same turn need one such read, not one each: each write is queued at once, so that it keeps its place among
the calls of its process, and the read is queued when the turn is over. The caller is told when the read is answered;
what the write does to copies and to the journal happens when its own reply is parsed.

The read is queued on the connection that the writes were queued on. So it is behind those that it finds answered, and
says nothing of others: a write may wait for room, or go on over a younger connection. Such a write, and all of them
where the read can't be queued or is refused, waits for its own reply, and its caller is told that nobody has read the
epoch.
"""

from __future__ import annotations

import asyncio
import copy
from typing import cast

from ..wire.connection import Command, Connection, Reply
from ..wire.link import NoConnection
from ..wire.replies import Disconnected
from .near import Near
from .sealing import Sealing

__all__ = ["Turn", "Written"]

Written = tuple[Reply, bytes | None]
"""The reply to a write, and the epoch that was read behind it; None = it was not read."""


class _Write:
    """The slot of one write."""

    __slots__ = ("_key", "_near", "alone", "future", "reply")

    def __init__(self, near: Near, key: str, future: asyncio.Future[Written]) -> None:
        self.future = future
        self.reply: Reply = None
        self.alone = False
        """Whether its caller waits for its reply and nothing else."""
        self._near = near
        self._key = key

    def done(self) -> bool:
        return False

    def set_result(self, result: Reply, /) -> None:
        self.reply = result
        near, key = self._near, self._key
        near.changed(key)
        near.journal.forget((key,))
        if self.alone and not self.future.done():
            self.future.set_result((result, None))

    set_exception = set_result


class Turn:
    """The writes of one turn over one connection. It is the slot of the read behind them."""

    __slots__ = (
        "__weakref__", "_connection", "_epoch_key", "_generation", "_is_open", "_loop", "_near", "_writes", "sealing",
    )  # fmt: skip

    def __init__(self, near: Near, connection: Connection | NoConnection, epoch_key: str, sealing: Sealing) -> None:
        self.sealing = sealing
        self._near = near
        self._connection = connection
        self._is_open = True
        self._epoch_key = epoch_key
        self._generation = near.generation
        self._writes: list[_Write] = []
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._close)

    def takes(self, near: Near, connection: Connection | NoConnection, epoch: bytes) -> bool:
        """Whether a write there, under this epoch, can still go along."""
        return self._is_open and self._near is near and self._connection is connection and self.sealing.epoch == epoch

    def write(self, key: str, command: Command) -> asyncio.Future[Written]:
        """Queue a write. Raises as `Connection.send`; the future may raise Disconnected."""
        write = _Write(self._near, key, self._loop.create_future())
        self._connection.send((command,), (write,))
        self._writes.append(write)
        return write.future

    def _close(self) -> None:
        self._is_open = False
        try:
            self._connection.send((("MGET", self._epoch_key),), (self,))
        except Disconnected:  # the writes were refused too, or there is no room behind them
            self._tell(None)

    def _tell(self, epoch: bytes | None) -> None:
        for write in self._writes:
            if write.reply is None:
                write.alone = True
            elif not write.future.done():
                write.future.set_result((write.reply, epoch))

    # -- as a slot ---------------------------------------------------------------------------------------------

    def done(self) -> bool:
        return False

    def set_result(self, result: Reply, /) -> None:
        read = cast("list[Reply]", result)
        self._tell(self._near.learn(self._epoch_key, read[0], self._generation) if isinstance(result, list) else None)

    def set_exception(self, exception: BaseException, /) -> None:
        if isinstance(exception, Disconnected) and exception.sent:
            for write in self._writes:
                if write.reply is not None and not write.future.done():
                    write.future.set_exception(copy.copy(exception))
        self._tell(None)
