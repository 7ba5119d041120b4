"""A real cluster on loopback, each node a process of its own: to be killed, paused, failed over and resharded.

Strategy. A node is an `EmbeddedServer` in cluster mode with a free port for its bus; its directory keeps `nodes.conf`,
so a node that is killed and restarted is the same node and joins again. The nodes are introduced to each other in all
pairs, which spares the rounds of gossip; what is left of the two seconds until `start` returns is the time for which
a primary waits after its start before it serves.

Who serves what is asked of the nodes, each about itself: what the others say about one that is dead or behind is
hearsay. Of two that claim a slot the one with the higher epoch has it, as the nodes themselves will find.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

from ..errors import ArgumentError, CacheServerError, CacheUnavailableError
from ..wire.embedded import EmbeddedServer, ServerKind, free_port
from .cluster_view import Member, View
from .direct import Word, ask
from .slot_move import SlotMove
from .waiting import wait_until

__all__ = ["EmbeddedCluster"]

_SLOTS = 16384
_FORMED_WITHIN = 30.0
_ELECTED_WITHIN = 1.0
_LOOK_TIMEOUT = 1.0
_BUS_PORT_ATTEMPTS = 4


class EmbeddedCluster:
    """Nodes that form a cluster, reached by `url`. Made by `start`; its methods block, for up to some seconds."""

    def __init__(self, nodes: list[EmbeddedServer], primaries: int) -> None:
        """For `start`: the nodes run and know nothing of each other; the first `primaries` share the slots."""
        self.nodes = nodes
        """All nodes, the first primaries first. Kill, pause, resume and restart them as you like."""
        self._ids: dict[EmbeddedServer, str] = {node: ask(node, "CLUSTER", "MYID").decode() for node in nodes}
        self._form(nodes[:primaries], nodes[primaries:])

    @classmethod
    def start(
        cls,
        kind: ServerKind = "valkey",
        *,
        primaries: int = 3,
        replicas: int = 1,
        node_timeout_ms: int = 2000,
        full_coverage: bool = True,
        config: Mapping[str, str] | None = None,
    ) -> Self:
        """Start a cluster and return when every node says that it is whole and every replica follows its primary.

        `replicas` is how many each primary has. `node_timeout_ms` is how long a node is silent before the others call
        it failed. Without `full_coverage` nodes go on to serve their slots while others are served by nobody. `config`
        holds further directives for every node; ``requirepass`` is used between the nodes too.

        Raises as `EmbeddedServer.start` does, and ArgumentError for a number that makes no sense.
        """
        if primaries < 1 or replicas < 0:
            raise ArgumentError(f"a cluster needs at least 1 primary and 0 replicas, not {primaries} and {replicas}")
        given = dict(config or {})
        settings = {
            "cluster-allow-replica-migration": "no",  # who follows whom changes by failover alone
            "cluster-announce-ip": "127.0.0.1",
            "cluster-config-file": "nodes.conf",
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(node_timeout_ms),
            "cluster-require-full-coverage": "yes" if full_coverage else "no",
            "rdb-del-sync-files": "yes",  # a restarted node is empty, whatever it was before
            "repl-diskless-sync-delay": "0",
            "repl-ping-replica-period": "1",
            **({"masterauth": given["requirepass"]} if "requirepass" in given else {}),
            **given,
        }
        nodes: list[EmbeddedServer] = []
        try:
            nodes.extend(_start_node(kind, settings) for _ in range(primaries * (1 + replicas)))
            return cls(nodes, primaries)
        except BaseException:
            for node in nodes:
                node.stop()
            raise

    @property
    def url(self) -> str:
        """The address for `RedisService`: all nodes, with the password when `config` sets ``requirepass``."""
        login, at, _ = self.nodes[0].url.removeprefix("redis://").rpartition("@")
        return f"redis+cluster://{login}{at}{','.join(f'{node.host}:{node.port}' for node in self.nodes)}"

    @property
    def primaries(self) -> list[EmbeddedServer]:
        """The nodes that answer and serve slots."""
        return [node for node, view in self._views() if view.myself.is_primary and view.myself.slots]

    def slot_of(self, key: str | bytes) -> int:
        """The slot of a key, hash tags included."""
        for node, _ in self._views():
            return int(ask(node, "CLUSTER", "KEYSLOT", key))
        raise CacheUnavailableError("no node of the cluster answers")

    def primary_of(self, where: str | bytes | int) -> EmbeddedServer:
        """The node that serves a key, or a slot if `where` is a number.

        Raises CacheUnavailableError when no node that answers does.
        """
        slot = where if isinstance(where, int) else self.slot_of(where)
        claims = [(view.myself.epoch, number) for number, view in self._numbered() if view.myself.serves(slot)]
        if not claims:
            raise CacheUnavailableError(f"no running node of the cluster serves slot {slot}")
        return self.nodes[max(claims)[1]]

    def replicas_of(self, node: EmbeddedServer) -> list[EmbeddedServer]:
        """The nodes that answer and follow `node`, which may be dead."""
        return [one for one, view in self._views() if view.myself.primary == self._ids[node]]

    def id_of(self, node: EmbeddedServer) -> str:
        """The id by which the nodes know each other."""
        name: str = self._ids[node]
        return name

    def execute(self, node: EmbeddedServer, *command: Word) -> Any:  # noqa: ANN401 (a reply has any shape)
        """The reply of one node to one command, MOVED and ASK included: they are raised as CacheServerError.

        Raises CacheUnavailableError when the node doesn't answer.
        """
        return ask(node, *command)

    def failover(
        self, node: EmbeddedServer, how: Literal["", "FORCE", "TAKEOVER"] = "", *, timeout: float = 20.0
    ) -> EmbeddedServer:
        """Make a replica the primary, by CLUSTER FAILOVER; gives the new primary when all nodes that answer know it.

        `node` is the replica, or a primary, of which the first replica takes over. Without `how` the primary hands
        over and must live; FORCE asks the other primaries alone; TAKEOVER asks nobody.
        """
        replica = node if node in self._replicas() else next(iter(self.replicas_of(node)), None)
        if replica is None:
            raise CacheUnavailableError(f"{node} has no running replica that could take over")
        wait_until(lambda: self._promoted(replica, how), "the failover", timeout)
        return replica

    def move_slot(self, slot: int, to: EmbeddedServer) -> int:
        """Reshard: move a slot with its keys to another primary, while all serve. Gives the number of keys moved."""
        move = self.moving(slot, to)
        move.set_importing()
        move.set_migrating()
        carried = move.migrate_keys()
        move.set_node()
        return carried

    def moving(self, slot: int, to: EmbeddedServer) -> SlotMove:
        """The same in single steps, of which none is done yet."""
        source = self.primary_of(slot)
        others = [node for node in self.primaries if node is not source and node is not to]
        return SlotMove(slot, (self._ids[source], source), (self._ids[to], to), others)

    def settle(self, *, timeout: float = _FORMED_WITHIN) -> None:
        """Wait until all nodes that answer call the cluster whole, agree who serves what, and replicas follow.

        Raises CacheUnavailableError if they don't within `timeout` seconds.
        """
        wait_until(self._settled, "a cluster on which all nodes agree", timeout)

    def stop(self) -> None:
        """End all nodes and remove their directories. Does nothing the second time."""
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<EmbeddedCluster of {len(self.nodes)} nodes, {sum(node.running for node in self.nodes)} running>"

    # -- forming ---------------------------------------------------------------------------------------------------

    def _form(self, primaries: list[EmbeddedServer], replicas: list[EmbeddedServer]) -> None:
        for number, node in enumerate(self.nodes):
            ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for earlier in self.nodes[:number]:
                bus = ask(earlier, "CONFIG", "GET", "cluster-port")[1]
                ask(node, "CLUSTER", "MEET", earlier.host, earlier.port, bus)
        for number, node in enumerate(primaries):
            first, end = (_SLOTS * edge // len(primaries) for edge in (number, number + 1))
            ask(node, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for number, node in enumerate(replicas):
            primary = self._ids[primaries[number % len(primaries)]]
            wait_until(partial(_follows, node, primary), "CLUSTER REPLICATE", _FORMED_WITHIN)
        self.settle()

    def _settled(self) -> bool:
        views = list(self._views())
        own = {view.myself.id: view.myself for _, view in views}
        return bool(views) and all(
            view.slots == views[0][1].slots
            and view.members.keys() == set(self._ids.values())
            and all(_alike(view.members[id], member) for id, member in own.items())
            and b"cluster_state:ok" in ask(node, "CLUSTER", "INFO")
            and (view.myself.is_primary or b"master_link_status:up" in ask(node, "INFO", "replication"))
            for node, view in views
        )

    # -- looking ---------------------------------------------------------------------------------------------------

    def _views(self) -> Iterator[tuple[EmbeddedServer, View]]:
        """Of every node that answers."""
        return ((self.nodes[number], view) for number, view in self._numbered())

    def _numbered(self) -> Iterator[tuple[int, View]]:
        for number, node in enumerate(self.nodes):
            if node.running and not node.paused:
                with contextlib.suppress(CacheUnavailableError):
                    yield number, View.read(ask(node, "CLUSTER", "NODES", timeout=_LOOK_TIMEOUT))

    def _replicas(self) -> list[EmbeddedServer]:
        return [node for node, view in self._views() if not view.myself.is_primary]

    def _promoted(self, replica: EmbeddedServer, how: str) -> bool:
        """Whether all know it as a primary; else asks again: primaries vote once in twice the node timeout."""
        with contextlib.suppress(CacheServerError):  # it is none any more
            ask(replica, "CLUSTER", "FAILOVER", *([how] if how else []))
        return _soon(lambda: all(_serves(view, self._ids[replica]) for _, view in self._views()))


def _start_node(kind: ServerKind, settings: Mapping[str, str]) -> EmbeddedServer:
    for _ in range(_BUS_PORT_ATTEMPTS - 1):
        with contextlib.suppress(CacheUnavailableError):  # somebody was faster on the bus's port
            return EmbeddedServer.start(kind, config={"cluster-port": str(free_port()), **settings})
    return EmbeddedServer.start(kind, config={"cluster-port": str(free_port()), **settings})


def _soon(condition: Callable[[], bool]) -> bool:
    try:
        wait_until(condition, "it", _ELECTED_WITHIN)
    except CacheUnavailableError:
        return False
    return True


def _serves(view: View, id: str) -> bool:
    found = view.members.get(id)
    return found is not None and found.is_primary and bool(found.slots)


def _follows(node: EmbeddedServer, primary: str) -> bool:
    try:
        ask(node, "CLUSTER", "REPLICATE", primary)
    except CacheServerError:  # it hasn't heard of that node yet
        return False
    return True


def _alike(seen: Member, own: Member) -> bool:
    return seen.well and (seen.is_primary, seen.primary) == (own.is_primary, own.primary)
