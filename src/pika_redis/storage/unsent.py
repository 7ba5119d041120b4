"""Reads that are queued and have not left: who asks the same by then shares the answer.

A reply may be given to whoever asked before its command was written, and to nobody who asks later: in between another
process may have invalidated what it tells. So a thousand callers that wake in one turn of the loop ask once, and who
comes a turn later asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar, cast

from ..wire.progress import Proof
from ..wire.server import Server

__all__ = ["Unsent"]

T = TypeVar("T")
_GONE = object()  # who asked went away: ask again


class _Read:
    """A read, and who else waits for it."""

    __slots__ = ("proof", "sent", "waiting")

    def __init__(self, proof: object, sent: int) -> None:
        self.proof = proof
        self.sent = sent
        self.waiting: list[asyncio.Future[object]] = []

    def end(self, answer: object) -> None:
        for one in self.waiting:
            if not one.done():
                one.set_result(answer)

    def fail(self, error: Exception) -> None:
        for one in self.waiting:
            if not one.done():
                one.set_exception(error)


class Unsent:
    """The reads of one node."""

    __slots__ = ("_loop", "_node", "_reads")

    def __init__(self, loop: asyncio.AbstractEventLoop, node: Server) -> None:
        self._loop = loop
        self._node = node
        self._reads: dict[Hashable, _Read] = {}

    def _proof(self, what: Hashable) -> Proof:
        """That of the connection over which it is read."""
        return self._node.connection.proof

    async def shared(self, what: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` gives, also to those who want the same before its command has left. Raises what `ask` raises."""
        reads = self._reads
        while True:
            proof = self._proof(what)
            read = reads.get(what)
            if read is None or read.proof is not proof or read.sent != proof.sent:
                break
            answer: asyncio.Future[object] = self._loop.create_future()
            read.waiting.append(answer)
            given = await answer
            if given is not _GONE:
                return cast("T", given)
        read = reads[what] = _Read(proof, proof.sent)
        try:
            value = await ask()
        except Exception as error:
            read.fail(error)
            raise
        except BaseException:
            read.end(_GONE)
            raise
        else:
            read.end(value)
            return value
        finally:
            if reads.get(what) is read:
                del reads[what]
