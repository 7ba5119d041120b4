"""The namespace as a whole on the server: walking its keys, counting them, asking the server how it is."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import cast

from ..errors import AccessDeniedError, CacheError, CacheUnavailableError
from ..model.report import HealthReport, HealthStatus
from ..wire.connection import Command, Reply
from ..wire.loops import LoopLocal
from ..wire.node import Node
from ..wire.replies import Disconnected
from ..wire.scripts import INVAL
from ..wire.slots import Observer
from ..wire.stepwise import checked
from .namespace import Namespace
from .near import Near

__all__ = ["Keyspace", "reached", "used_memory"]

_PAGE = 1000
_WAIT_SHARE = 0.6
"""Of the time without progress after which callers stop waiting: the server looks at its clock ten times a second."""


class Keyspace:
    """SCAN over one prefix. Our own keys (tags, epoch) are never part of an answer."""

    def __init__(self, nears: LoopLocal[Near], namespace: Namespace) -> None:
        self._nears = nears
        self._namespace = namespace

    async def sweep(self, pattern: str, *, delete: bool) -> int:
        """Delete, or only count, the keys below the prefix that match. Raises CacheUnavailableError."""
        count = 0
        async for page in self._pages(pattern):
            if delete:
                count += await self._delete(page)
            else:
                count += len(page)
        return count

    async def _delete(self, page: Sequence[bytes]) -> int:
        near = self._nears.get()
        return await near.node.run_over(INVAL, page, (), partial(self._seen_deleted, near))

    def _seen_deleted(self, near: Near, page: Sequence[bytes]) -> Observer:
        keys = [key.decode("utf-8", "surrogateescape") for key in page]
        return near.ends_deleted(keys, self._namespace.epoch_key)

    async def size(self, *, exact: bool) -> tuple[int, int]:
        """Keys and bytes: of the whole database as the server counts them, or of this prefix key by key."""
        if not exact:
            keys, memory = await self._nears.get().node.call_many([("DBSIZE",), ("INFO", "memory")])
            if isinstance(keys, Exception):
                raise keys
            return cast("int", keys), used_memory(memory)
        count = total = 0
        async for page in self._pages("*"):
            replies = await self._nears.get().node.call_many([("MEMORY", "USAGE", key) for key in page])
            sizes = [reply for reply in replies if isinstance(reply, int)]
            count += len(sizes)
            total += sum(sizes)
        return count, total

    async def replicated(self, replicas: int) -> int:
        """How many replicas have what was deleted over T just now, waiting a moment for so many. Raises as `sweep`.

        WAIT would hold up everybody on T, and looks at what its own connection wrote last, if that changed anything. So
        a key of ours is written over X, which comes after the delete, and says so to the replicas.
        """
        return await reached(self._nears.get().single, self._namespace.mark_key, replicas)

    async def health(self) -> HealthReport:
        """PING, timed, and the question for the role, which may have changed. Never raises."""
        node = self._nears.get().single
        status = HealthStatus.UNHEALTHY  # also of a server that refuses the login: it serves nobody
        try:
            await node.ready()
            began = time.perf_counter()
            alive, hello = await node.connection.call_many([("PING",), ("HELLO",)])
            if isinstance(alive, Exception):
                raise alive
        except CacheError as error:
            if node.connection.usable and isinstance(error, AccessDeniedError):
                status = HealthStatus.DEGRADED  # logged in, without the right to PING
            return HealthReport(status, "redis", False, None, None, None, str(error))
        latency = (time.perf_counter() - began) * 1000
        if isinstance(hello, dict):
            node.became(str(hello.get(b"role", b"unknown"), "utf-8", "replace"))
        facts = node.facts
        server = None if facts is None else f"{facts.name} {facts.version}"
        role = None if facts is None else facts.role
        if role not in (None, "master"):
            return HealthReport(HealthStatus.DEGRADED, "redis", True, latency, server, role, "writes go to a replica")
        return HealthReport(HealthStatus.HEALTHY, "redis", True, latency, server, role, "ok")

    async def _pages(self, pattern: str) -> AsyncIterator[Sequence[bytes]]:
        cursor: bytes | int = 0
        while True:
            cursor, page = self._page(await self._nears.get().node.call(self._scan(pattern, cursor)))
            if page:
                yield page
            if cursor in (b"0", 0):
                return

    def _scan(self, pattern: str, cursor: bytes | int) -> Command:
        return ("SCAN", cursor, "MATCH", self._namespace.pattern(pattern), "COUNT", _PAGE)

    def _page(self, reply: Reply) -> tuple[bytes | int, list[bytes]]:
        """Where to go on, and the keys of users."""
        cursor, found = cast("tuple[bytes, list[bytes]]", reply)
        reserved = self._namespace.reserved.encode()
        return cursor, list(dict.fromkeys(key for key in found if not key.startswith(reserved)))


async def reached(node: Node, mark_key: str, replicas: int) -> int:
    """How many replicas have what the node wrote before; see `Keyspace.replicated`."""
    async with node.exclusive() as connection:
        mark = ("SET", mark_key, "", "PX", 1000)
        wait = ("WAIT", replicas, max(1, round(node.patience * _WAIT_SHARE * 1000)))
        try:
            replies = await connection.call_many([mark, wait])
        except Disconnected as lost:
            raise CacheUnavailableError(str(lost)) from lost
    return cast("int", checked(replies)[1])


def used_memory(info: Reply) -> int:
    """The bytes that INFO tells of; 0 when it may not be asked."""
    if isinstance(info, Exception) and not isinstance(info, AccessDeniedError):
        raise info
    for line in info.splitlines() if isinstance(info, bytes) else ():
        if line.startswith(b"used_memory:"):
            return int(line.split(b":", 1)[1])
    return 0
