"""The servers of a soak, of one topology, and what can go wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias, get_args

from pika_redis import ArgumentError

from ...wire.embedded import EmbeddedServer, ServerKind
from ..cluster import EmbeddedCluster
from ..faulty_wire import FaultyWire
from ..sentinels import EmbeddedSentinels
from .cluster_faults import cluster_faults
from .fault import Fault
from .sentinel_faults import sentinel_faults
from .server_faults import server_faults
from .wire_faults import wire_faults

__all__ = ["Stage", "Topology", "stage_of"]

Topology: TypeAlias = Literal["standalone", "sentinel", "cluster"]


class Stage(Protocol):
    """Servers that can fail. Its methods block."""

    url: str
    """For the services."""
    faults: Sequence[Fault]

    def heal(self) -> None:
        """End every fault, and return when all servers serve again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Ended:
    """Ends what it entered."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class _Standalone(_Ended):
    """One server behind a faulty wire."""

    def __init__(self, kind: ServerKind, seed: int) -> None:
        super().__init__()
        self._server = self._stack.enter_context(EmbeddedServer.start(kind))
        self._wire = self._stack.enter_context(FaultyWire(self._server.url, seed=seed))
        self.url = self._wire.url
        self.faults: Sequence[Fault] = [*server_faults(self._server), *wire_faults(self._wire)]

    def heal(self) -> None:
        self._wire.heal()
        revive([self._server])


class _Watched(_Ended):
    """A primary and a replica under three Sentinels."""

    def __init__(self, kind: ServerKind) -> None:
        super().__init__()
        self._sentinels = self._stack.enter_context(EmbeddedSentinels.start(kind))
        self.url = self._sentinels.url
        self.faults: Sequence[Fault] = sentinel_faults(self._sentinels)

    def heal(self) -> None:
        revive([*self._sentinels.servers, *self._sentinels.sentinels])
        self._sentinels.settle()


class _Clustered(_Ended):
    """Three primaries with a replica each."""

    def __init__(self, kind: ServerKind) -> None:
        super().__init__()
        self._cluster = self._stack.enter_context(EmbeddedCluster.start(kind, full_coverage=False))
        self.url = self._cluster.url
        self.faults: Sequence[Fault] = cluster_faults(self._cluster)

    def heal(self) -> None:
        revive(self._cluster.nodes)
        self._cluster.settle()


def revive(servers: Sequence[EmbeddedServer]) -> None:
    """Wake those that sleep, start those that are dead."""
    for server in servers:
        if server.paused:
            server.resume()
        if not server.running:
            server.restart()


def stage_of(topology: Topology, kind: ServerKind, seed: int) -> Stage:
    """Start the servers of a topology. Raises as their own `start` does."""
    if topology == "standalone":
        return _Standalone(kind, seed)
    if topology == "sentinel":
        return _Watched(kind)
    if topology == "cluster":
        return _Clustered(kind)
    raise ArgumentError(f"topology must be one of {', '.join(get_args(Topology))}, not {topology!r}")
