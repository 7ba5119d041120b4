"""Nodes on loopback that answer as they are told, and say who serves what."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pika_redis.model.clock import SystemClock
from pika_redis.wire.backoff import RetryPolicy
from pika_redis.wire.cluster import Cluster
from pika_redis.wire.connection import Connection
from pika_redis.wire.endpoint import Endpoint
from pika_redis.wire.framing import Push
from pika_redis.wire.handshake import ServerFacts
from pika_redis.wire.limits import Limits
from pika_redis.wire.members import Member
from pika_redis.wire.slot_map import SLOTS, Owners, slot_of

from .fake_server import Command, FakeServer, Talk, bulk

__all__ = ["FakeCluster", "Notes", "key_in"]


def key_in(slot: int) -> str:
    """A key of this slot."""
    return next(key for number in range(10**6) if slot_of(key := f"k{number}") == slot)


class Notes:
    """A listener that takes notes."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    def made(self, member: Member, connection: Connection, facts: ServerFacts) -> None:
        self.told.append(("made", member.place))

    def pushed(self, push: Push) -> None:
        self.told.append(("pushed", push))

    def resumed(self, member: Member) -> None:
        self.told.append(("resumed", member.place))

    def lost(self, member: Member) -> None:
        self.told.append(("lost", member.place))

    def doubted(self, member: Member) -> None:
        self.told.append(("doubted", member.place))

    def asked(self, key: str | bytes) -> None:
        self.told.append(("asked", key))

    def remapped(self, before: Owners | None, now: Owners) -> None:
        self.told.append(("remapped", before is not None))

    def moved(self, slot: int, member: Member) -> None:
        self.told.append(("moved", slot))


class FakeNode(FakeServer):
    """Answers by `replies`: for a command's name or for its name and key, a reply or several, one after another."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(self._answer)
        self.cluster = cluster
        self.replies: dict[str, list[bytes]] = {}
        self.asking: set[Talk] = set()

    @property
    def place(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def says(self, command: str, *replies: bytes) -> None:
        """These replies, the last of them for ever; none = as usual again."""
        self.replies[command] = list(replies)

    def _answer(self, talk: Talk, words: Command) -> bytes | None:
        name = words[0].decode().upper()
        if name == "CLUSTER":
            name = f"CLUSTER {words[1].decode().upper()}"
        key = f"{name} {words[1].decode(errors='replace')}" if len(words) > 1 else name
        told = self.replies.get(key) or self.replies.get(name)
        if told:
            return told.pop(0) if len(told) > 1 else told[0]
        if name == "CLUSTER SHARDS":
            return self.cluster.shards()
        return None


class FakeCluster:
    """Some nodes; `owners` says who serves which slots, in ranges."""

    def __init__(self, size: int = 3) -> None:
        self.nodes = [FakeNode(self) for _ in range(size)]
        self.ranges: list[tuple[int, int, FakeNode]] = []
        edges = [SLOTS * number // size for number in range(size + 1)]
        for number, node in enumerate(self.nodes):
            self.ranges.append((edges[number], edges[number + 1] - 1, node))

    def key_of(self, node: FakeNode) -> str:
        """A key that a node serves at the beginning."""
        return key_in(next(first for first, _, owner in self.ranges if owner is node) + 5)

    def shards(self) -> bytes:
        """The reply to CLUSTER SHARDS."""
        parts = [b"*%d\r\n" % len(self.ranges)]
        for first, last, node in self.ranges:
            fields = [("endpoint", bulk("127.0.0.1")), ("port", b":%d\r\n" % node.port), ("role", bulk("master"))]
            shown = b"".join(bulk(name) + value for name, value in fields)
            parts.append(b"%%2\r\n%s*2\r\n:%d\r\n:%d\r\n" % (bulk("slots"), first, last))
            parts.append(b"%s*1\r\n%%%d\r\n%s" % (bulk("nodes"), len(fields), shown))
        return b"".join(parts)

    def surveys(self) -> int:
        """How often anybody was asked who serves what."""
        return sum(len(node.sent("CLUSTER")) for node in self.nodes)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FakeCluster]:
        async with contextlib.AsyncExitStack() as stack:
            for node in self.nodes:
                await stack.enter_async_context(node.running())
            yield self

    @contextlib.asynccontextmanager
    async def client(
        self, notes: Notes | None = None, *, attempts: int = 0, stall: float = 1.0, seeds: int = 1
    ) -> AsyncIterator[Cluster]:
        """A cluster client that knows the first nodes."""
        endpoint = Endpoint(
            cluster=tuple(node.place for node in self.nodes[:seeds]),
            limits=Limits(stall=stall, command_timeout=5 * stall),
            retry=RetryPolicy(attempts, 0.01, patient=bool(attempts)),
        )
        client = Cluster(asyncio.get_running_loop(), endpoint, SystemClock(), notes or Notes(), track=False)
        try:
            yield client
        finally:
            await client.aclose()
