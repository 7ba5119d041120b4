"""The namespace as a whole in a cluster: every primary is walked.

A key that moves from one node to another during a walk may be seen twice, or not at all. So a walk during which slots
moved, or were about to, is done again: deleting twice does no harm, and a key is missed a second time only if it moves
a second time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Final, cast

from ...errors import AccessDeniedError, CacheError, CacheServerError
from ...model.report import HealthReport, HealthStatus
from ...wire.address import shown_place
from ...wire.connection import Reply
from ...wire.members import Member
from ...wire.slot_map import SlotMap
from ...wire.steps import Step
from ...wire.stepwise import checked
from ..keyspace import Keyspace, reached, used_memory
from .near import ClusterNear

__all__ = ["ClusterKeyspace"]

_WALKS: Final = 5


class ClusterKeyspace(Keyspace):
    """SCAN over one prefix on all primaries."""

    async def sweep(self, pattern: str, *, delete: bool) -> int:
        deleted = 0
        for walk in range(_WALKS):
            before = await self._map()
            counts = await asyncio.gather(*[self._sweep_one(one, pattern, delete=delete) for one in self._primaries()])
            deleted = deleted + sum(counts) if delete else sum(counts)
            after = await self._map()
            if after == before and (walk or not after[1]):  # a key that is on its way is where one of two walks looks
                break
        return deleted

    async def _sweep_one(self, member: Member, pattern: str, *, delete: bool) -> int:
        count = 0
        async for page in self._pages_of(member, pattern):
            count += await self._delete(page) if delete else len(page)
        return count

    async def _map(self) -> tuple[SlotMap | None, tuple[str, ...]]:
        """Who serves what, and what is on its way."""
        cluster = self._near().cluster
        await cluster.ready()
        await cluster.members.atlas.now()
        said = await asyncio.gather(*[_on_the_move(one) for one in self._primaries()])
        return cluster.members.atlas.map, tuple(sorted(word for words in said for word in words))

    def _near(self) -> ClusterNear:
        return cast("ClusterNear", self._nears.get())

    def _primaries(self) -> list[Member]:
        return self._near().cluster.members.primaries

    async def size(self, *, exact: bool) -> tuple[int, int]:
        """Keys and bytes of all primaries together. Raises CacheUnavailableError when one of them can't be asked."""
        await self._near().cluster.ready()
        sizes = await asyncio.gather(*[self._size_of(one, exact=exact) for one in self._primaries()])
        return sum(keys for keys, _ in sizes), sum(memory for _, memory in sizes)

    async def _size_of(self, member: Member, *, exact: bool) -> tuple[int, int]:
        if not exact:
            keys, memory = await member.node.call_many([("DBSIZE",), ("INFO", "memory")])
            return cast("int", checked([keys])[0]), used_memory(memory)
        count = total = 0
        async for page in self._pages_of(member, "*"):
            found = await self._near().node.take([Step(key, [("MEMORY", "USAGE", key)]) for key in page])
            sizes = [reply for (reply,) in found if isinstance(reply, int)]
            count += len(sizes)
            total += sum(sizes)
        return count, total

    async def replicated(self, replicas: int) -> int:
        """The fewest replicas that any of the primaries reached which were asked for a key of ours. Raises as `sweep`.

        The mark is a key of a slot that the primary serves: of that of the key which it was asked for last.
        """
        asked = [one for one in self._primaries() if one.key]
        return min(await asyncio.gather(*[self._replicated_by(one, replicas) for one in asked]), default=0)

    async def _replicated_by(self, member: Member, replicas: int) -> int:
        owner, names = self._near().cluster.owner, (f"{self._namespace.mark_key}{number}" for number in count())
        mark = next(name for name in names if owner(name) is member)
        return await reached(member.node, mark, replicas)

    async def health(self) -> HealthReport:
        """PING to every primary, timed by the slowest. Never raises."""
        cluster = self._near().cluster
        try:
            await cluster.ready()
        except CacheError as error:
            if cluster.members.atlas.map is None:
                return HealthReport(HealthStatus.UNHEALTHY, "redis", False, None, None, None, str(error))
        primaries = self._primaries()
        answers = await asyncio.gather(*[_ping(one) for one in primaries])
        down = [
            f"{shown_place(*one.place)} ({said})"
            for one, said in zip(primaries, answers, strict=True)
            if isinstance(said, str)
        ]
        times = [said for said in answers if isinstance(said, float)]
        facts = next((one.node.facts for one in primaries if one.node.facts is not None), None)
        server = None if facts is None else f"{facts.name} {facts.version}"
        unserved = cluster.members.owners.count(None)
        detail = "ok"
        if down:
            detail = f"{len(down)} of {len(primaries)} primaries do not answer: {'; '.join(down)}"
        elif unserved:
            detail = f"{unserved} of {len(cluster.members.owners)} slots are served by nobody"
        status = HealthStatus.HEALTHY if detail == "ok" else HealthStatus.DEGRADED
        if not times:
            status = HealthStatus.UNHEALTHY
        latency = max(times) * 1000 if times else None
        return HealthReport(status, "redis", bool(times), latency, server, "master" if times else None, detail)

    async def _pages_of(self, member: Member, pattern: str) -> AsyncIterator[Sequence[bytes]]:
        cursor: bytes | int = 0
        while True:
            cursor, page = self._page(await member.node.call(self._scan(pattern, cursor)))
            if page:
                yield page
            if cursor in (b"0", 0):
                return


async def _ping(member: Member) -> float | str:
    """Seconds, or why not. A node that is down for its clients, though it answers, says so to a read of a key."""
    node = member.node
    try:
        await node.ready()  # a login that is refused is no answer
    except CacheError as error:
        return str(error)
    began = time.perf_counter()
    try:
        await node.connection.call(("PTTL", member.key) if member.key else ("PING",))
    except (AccessDeniedError, CacheServerError):
        pass  # it answers: the key is another's by now, or may not be asked for
    except CacheError as error:
        return str(error)
    return time.perf_counter() - began


async def _on_the_move(member: Member) -> list[str]:
    """The slots that a node gives away or takes over, as it says it."""
    try:
        reply: Reply = await member.node.call(("CLUSTER", "NODES"))
    except CacheServerError:  # may not be asked
        return []
    lines = cast("bytes", reply).decode(errors="replace").splitlines()
    return [word for line in lines if "myself" in line for word in line.split()[8:] if word.startswith("[")]
