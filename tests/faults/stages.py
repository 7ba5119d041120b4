"""The servers of the fault matrix, in three topologies, and the one among them that is hit: the victim."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, get_args

from pika_redis.testing import EmbeddedCluster, EmbeddedSentinels, EmbeddedServer, FaultyWire
from pika_redis.testing.chaos.stage import revive
from pika_redis.testing.direct import ask
from pika_redis.testing.server import ServerKind
from pika_redis.testing.waiting import wait_until

from ..storage.raw import Raw, Word

__all__ = ["LOGIN", "SECRET", "TOPOLOGIES", "Stage", "Topology", "Victim", "staged"]

Topology: TypeAlias = Literal["standalone", "sentinel", "cluster"]
TOPOLOGIES: tuple[Topology, ...] = get_args(Topology)
SECRET = "Open5esame"
LOGIN = f"on >{SECRET} ~* &* +@all"
CONFIG = {"enable-debug-command": "local", "busy-reply-threshold": "10", "user": f"app {LOGIN}"}
_DOWN_AFTER_MS = 2000  # what lasts for less is no reason to hand over


class Stage:
    """Servers of one topology. The services log in as `app`; our own hands are the user `default`."""

    def __init__(
        self, topology: Topology, held: EmbeddedServer | EmbeddedSentinels | EmbeddedCluster, url: str
    ) -> None:
        self.topology = topology
        self.url = url.replace("://", f"://app:{SECRET}@", 1)
        self.held: Any = held
        self.servers: list[EmbeddedServer] = (
            [held]
            if isinstance(held, EmbeddedServer)
            else held.nodes
            if isinstance(held, EmbeddedCluster)
            else held.servers
        )
        self.wire: FaultyWire | None = None
        """Before the server that stands alone."""

    def primary_of(self, name: str) -> EmbeddedServer:
        """The server of a name on it. Looks only."""
        if isinstance(self.held, EmbeddedCluster):
            return self.held.primary_of(name)
        server: EmbeddedServer = self.held.primary if isinstance(self.held, EmbeddedSentinels) else self.held
        return server

    def heal(self) -> None:
        """All servers run and know each other."""
        if self.wire is not None:
            self.wire.heal()
        revive([*self.servers, *(self.held.sentinels if isinstance(self.held, EmbeddedSentinels) else [])])
        if not isinstance(self.held, EmbeddedServer):
            self.held.settle()


class Victim:
    """The server that has the epoch of a namespace, and all names that a test uses."""

    def __init__(self, stage: Stage, prefix: str) -> None:
        self.stage = stage
        self.server = stage.primary_of(f"{prefix}#e")
        self.shell = Raw(self.server)
        self._prefix = prefix
        self.slots: tuple[range, ...] = ()
        """What it gave up."""

    def key(self, about: str) -> str:
        """A key, without the prefix, that it serves."""
        return self._found(about, "")

    def tag(self, about: str) -> str:
        return self._found(about, "#t:")

    def name(self, about: str) -> str:
        """A key with the prefix, for our own hands."""
        return self._prefix + self.key(about)

    def _found(self, about: str, kind: str) -> str:
        if self.stage.topology != "cluster":
            return about
        names = (f"{about}{number}" for number in range(1000))
        return next(name for name in names if self.stage.primary_of(self._prefix + kind + name) is self.server)

    def replicate(self) -> None:
        """What was written so far is known to its replica."""
        if self.stage.topology != "standalone":
            self.shell("SET", self.name("known"), 1)  # WAIT counts from what this client wrote
            assert self.shell("WAIT", 1, 10_000) >= 1

    def send(self, *words: Word) -> None:
        """A command whose reply nobody waits for."""
        self.shell.post(*words)

    def configure(self, name: str, value: Word) -> None:
        """Over a connection of its own, since ours may be gone or busy."""
        ask(self.server, "CONFIG", "SET", name, value)

    def await_successor(self) -> None:
        """Until another server serves what this one did."""
        wait_until(lambda: self.stage.primary_of(f"{self._prefix}#e") is not self.server, "the succession", 20)

    def close(self) -> None:
        self.shell.close()


@contextlib.contextmanager
def staged(topology: Topology, kind: ServerKind) -> Iterator[Stage]:
    """The servers of a topology, running; one that stands alone has a faulty wire before it."""
    if topology == "standalone":
        with EmbeddedServer.start(kind, config=CONFIG) as server, FaultyWire(server.url, seed=1) as wire:
            stage = Stage(topology, server, wire.url)
            stage.wire = wire
            yield stage
    elif topology == "sentinel":
        with EmbeddedSentinels.start(kind, config=CONFIG, down_after_ms=_DOWN_AFTER_MS) as sentinels:
            yield Stage(topology, sentinels, sentinels.url)
    else:
        with EmbeddedCluster.start(kind, config=CONFIG, full_coverage=False) as cluster:
            yield Stage(topology, cluster, cluster.url)
