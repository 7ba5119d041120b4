"""What one event loop holds of a cluster: as `Near` of one server, of several that know nothing of each other.

Strategy. Each node tells its own connection T of changes to its own keys, in its own order. What follows from that:

1. Copies and nonces are learnt in the parser of the node that has the key (`wire.steps`), so each is true for itself.
   Between nodes there is no order: a copy may be here before the push that ended its tag on another node. So a copy is
   served only while *every* connected node has given a sign of life since `T_LEASE`: all that any of them had to tell
   by then has been heard. In use, heartbeats go to each of them: a read of a key's remaining life, which a node that
   was replaced, or is in the minority, answers with MOVED or CLUSTERDOWN, while it would answer a PING.
2. Another slot map, the loss of a node and a node that says that it is down end all copies and nonces at once. A slot
   that is taken over pushes nothing, nor does a promotion.
3. What is read out of turn (ASK) is kept by nobody: neither copy nor nonce.
4. A nonce of a node that can't be asked is believed for `degraded_ttl` (30 s) after that node was last heard of: else
   all entries would be lost with the node of the epoch, while a replica takes its place. Strict reads miss.

Each node has a standing of its own (`storage.standing`): while one is cut off, only keys of its slots are answered from
memory. Keys of slots that nobody is known to serve have the standing of no node.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from collections.abc import Mapping, Sequence
from functools import partial

from ...errors import CacheServerError, CacheUnavailableError
from ...model.clock import Clock
from ...wire.address import HostPort
from ...wire.cluster import Cluster
from ...wire.connection import Connection, Reply
from ...wire.endpoint import Endpoint
from ...wire.framing import Push
from ...wire.handshake import ServerFacts
from ...wire.link import NoConnection
from ...wire.members import Member
from ...wire.progress import NEVER
from ...wire.replies import Disconnected, NotServing, Redirected
from ...wire.server import Server
from ...wire.slot_map import Owners
from ...wire.slots import ignored
from ..degraded import Degraded
from ..left import Left
from ..near import REREAD, T_LEASE, Near
from ..nonces import nonce_in
from ..records import Record
from ..standing import OnRestart, Standing
from .lately import Lately
from .remembered import Remembered
from .side import Side, Youth
from .standing import MemberStanding
from .unsent import ClusterUnsent

__all__ = ["ClusterNear"]

_log = logging.getLogger("pika_redis")


class ClusterNear(Near):
    """The near side of a cluster."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        clock: Clock,
        degraded: Degraded,
        max_bytes: int,
        *,
        on_restart: OnRestart = "epoch",
    ) -> None:
        super().__init__(loop, endpoint, clock, degraded, max_bytes, on_restart=on_restart)
        self.unsent = ClusterUnsent(loop, self.cluster)
        self.sides: dict[Member, Side] = {}
        self.proof = Youth(self.oldest)
        self.standing = Standing(loop, degraded, NoConnection, given_up=self.watches.wake_all)
        """Of the keys that no node is known to serve."""
        self.believed_until = -math.inf
        """Until then no node is silent for too long."""
        self._loop = loop
        self._degraded = degraded
        self._on_restart: OnRestart = on_restart
        self._lately = Lately(self.journal, self.now)
        self._remembered = Remembered(self.now)

    def _connected(self, loop: asyncio.AbstractEventLoop, endpoint: Endpoint, clock: Clock, *, track: bool) -> Server:
        self.cluster = Cluster(loop, endpoint, clock, _Ear(self), track=track)
        return self.cluster

    # -- the nodes ------------------------------------------------------------------------------------------------

    def side(self, member: Member) -> Side:
        """A node's side."""
        side = self.sides.get(member)
        if side is None:
            standing = MemberStanding(self._loop, self._degraded, self, member, self._on_restart)
            side = self.sides[member] = Side(member, standing)
            node = member.node
            if isinstance(node.connection, Connection) and node.facts is not None:  # met before, and met again
                side.proof, side.tracks = node.connection.proof, node.facts.untracked is None
                side.unmet, side.heard_before, side.heard = node.facts, self.now(), self.now()
        return side

    def standing_of(self, key: str) -> Standing:
        """The standing of the node that serves a key."""
        owner = self.cluster.owner(key)
        return self.standing if owner is None else self.side(owner).standing

    @property
    def is_cut(self) -> bool:
        """Whether memory stands in for any of the nodes."""
        return self.standing.cut or any(side.standing.cut for side in self.sides.values())

    def joined(self, member: Member, connection: Connection, facts: ServerFacts) -> None:
        """A connection T was made."""
        side = self.side(member)
        side.proof, side.tracks, side.steady = connection.proof, facts.untracked is None, facts.role == "master"
        side.unmet = facts
        self._count_connected()
        if not self._reread_at:
            self._reread_at = self.now() + REREAD
        side.heard_before, side.heard = side.heard, self.now()
        self._meet(side)
        if not side.tracks and not self._said and self._max_bytes:
            self._said = True
            _log.warning("a node does not tell of changed keys, every read asks it: %s", facts.untracked)

    def _meet(self, side: Side) -> None:
        """A primary that serves is met once a connection, at the latest when it is known to serve."""
        facts = side.unmet
        if facts is not None and side.proof is not None and self.cluster.members.serves(side.member):
            side.unmet = None
            if facts.role == "master":
                side.standing.meet(facts, side.heard_before)
            else:  # it was promoted since, with the data of the one that it had followed
                side.standing.acquaint(facts)

    def left(self, member: Member) -> None:
        """A connection T is gone."""
        side = self.side(member)
        proof, side.proof, side.steady = side.proof, None, False
        if proof is not None:
            side.heard = max(side.heard, proof.at)
        if self.cluster.members.serves(member):
            mine = {key: one for key, one in self.nonces.known().items() if self.cluster.owner(key) is member}
            self._remembered.note(mine, side.heard + self._degraded.ttl)
            self.journal.keep_from(side.heard)
            self._left = Left(self.copies, self.nonces.leave(), self.now())
            self._forget()
        self._count_connected()

    def _count_connected(self) -> None:
        connected = [side for side in self.sides.values() if side.proof is not None]
        self.tracks = bool(connected) and all(side.tracks for side in connected)
        if len(connected) == len(self.sides):  # nobody is missing who is to be told of more than the last minute
            self.journal.keep_from(math.inf)

    def remapped(self, before: Owners | None, now: Owners) -> None:
        """Slots have other owners. Before anything is sent to them."""
        self.generation += 1
        if before is not None:
            self._forget()
            self._owe(self._lately.taken_over(before, now, self._is_steady, self.heard_least()))
            self.journal.doubt_ends(self.heard_least())
        self._let_rest()
        self.standing.end_cut()
        for member in self.cluster.members.primaries:  # also those that were connected before they served
            self._meet(self.side(member))
            self.side(member).standing.resume()
        self.drop_from_memory()
        self._count_connected()

    def moved(self, slot: int, before: Member | None, member: Member) -> None:
        """One slot has another owner. Before anything is sent to it."""
        self.generation += 1
        self._forget()
        if before is not None:
            self._owe(self._lately.moved(slot, before.place, self._is_steady, self.heard_least()))
        self._let_rest()
        self._meet(self.side(member))
        self.side(member).standing.resume()
        self.drop_from_memory()

    def _let_rest(self) -> None:
        """Nodes that serve nothing any more are not waited for."""
        for member in list(self.sides):
            if not self.cluster.members.serves(member):
                self.sides.pop(member).standing.rest()

    def _is_steady(self, place: HostPort | None) -> bool:
        return any(side.steady and side.member.place == place for side in self.sides.values())

    def _owe(self, keys: Sequence[str]) -> None:
        for key in keys if self._on_restart != "trust" else ():
            owner = self.cluster.owner(key)
            if owner is not None:
                self.side(owner).standing.owe(key)

    def drop_from_memory(self) -> None:
        """What memory stood in for and needs not any more."""
        shelf = self._degraded.shelf
        if shelf.is_empty:
            return
        with shelf.lock:
            for key in {*shelf.slots, *shelf.leases}:
                if not self.standing_of(key).cut:
                    shelf.remove(key)

    def doubt(self, member: Member) -> None:
        """A node says that it does not serve."""
        self.side(member).steady = False
        self._forget()

    # -- copies and nonces ----------------------------------------------------------------------------------------

    def nonce(self, key: str, looked: Mapping[str, bytes | None]) -> bytes | None:
        """What was read just now counts; then what is known; then, of a node that is gone, what was known."""
        if key in looked:
            return looked[key]
        known = super().nonce(key, looked)
        if known is None:
            return self._remembered.get(key)
        owner = self.cluster.owner(key)
        side = None if owner is None else self.sides.get(owner)
        silent = math.inf if side is None or side.proof is None else self.now() - side.proof.at
        return known if silent < self._degraded.ttl else None

    def keep(self, key: str, record: Record, size: int) -> None:
        if self.standing_of(key).cut:
            self._drop(key)
        else:
            super().keep(key, record, size)

    def learn(self, key: str, raw: Reply, generation: int) -> bytes | None:
        """Not from the late reply of a node that has still to be told of something, or does not serve any more."""
        if generation != self.generation:
            return nonce_in(raw)  # for who asked by then
        if self.standing_of(key).cut:
            self.nonces.end(key)
            return None
        self._remembered.end(key)
        return super().learn(key, raw, generation)

    def believes(self, key: str) -> bool:
        """Whether the node of a key was heard of so lately that it would have told of a change."""
        now = self.now()
        if now < self.believed_until:
            return True
        self.believed_until = self.oldest() + T_LEASE
        if now < self.believed_until:
            return True
        owner = self.cluster.owner(key)
        side = None if owner is None else self.sides.get(owner)
        return side is not None and side.proof is not None and now - side.proof.at < T_LEASE

    def unlearn(self, key: str) -> None:
        """The key was read out of turn. Who waits for a change of it is not woken: nothing has changed."""
        self._drop(key)
        self.nonces.end(key)

    def end_all(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._remembered.end(key)
        super().end_all(keys)

    def changed(self, key: str) -> None:
        self._remembered.end(key)
        self._left.end(key)
        super().changed(key)

    def _forget(self) -> None:
        self.believed_until = -math.inf
        super()._forget()

    def oldest(self) -> float:
        """When the node was last heard of that is silent for longest, of those that are connected."""
        proofs = [side.proof.at for side in self.sides.values() if side.proof is not None]
        return min(proofs, default=NEVER)

    def heard_least(self) -> float:
        """The same of all nodes, connected or not."""
        heard = [side.heard if side.proof is None else max(side.heard, side.proof.at) for side in self.sides.values()]
        return min(heard, default=self.now())

    # -- staying believable ---------------------------------------------------------------------------------------

    def serves(self, record: Record, now: float) -> bool:
        oldest = self.oldest()
        silent = now - oldest
        current = record.is_current()
        if current and (silent > T_LEASE / 2 or now > self._reread_at):
            self._tend(now)
        if silent >= T_LEASE or not current:
            return False
        record.checked = self.nonces.changes
        self.calm_until = min(oldest + T_LEASE / 2, self._reread_at)
        return True

    def _tend(self, now: float) -> None:
        """Ask nodes that are silent for some time whether they still serve; now and then, for the nonces in use."""
        for side in self.sides.values():
            if side.proof is not None and not side.asking and now - side.proof.at > T_LEASE / 2:
                self._ask(side)
        if now > self._reread_at:
            self._reread_at = now + REREAD * random.uniform(0.9, 1.0)  # noqa: S311 (jitter, not a secret)
            for key in self.nonces.in_use():
                owner = self.cluster.owner(key)
                if owner is not None:
                    with contextlib.suppress(Disconnected):
                        owner.node.ask(("GET", key), partial(self._reread_one, key, self.generation)).add_done_callback(
                            ignored
                        )

    def _ask(self, side: Side) -> None:
        member = side.member

        def asked(reply: asyncio.Future[Reply]) -> None:
            side.asking = False
            ignored(reply)

        with contextlib.suppress(Disconnected):
            command = ("PTTL", member.key) if member.key else ("PING",)
            future = member.node.ask(command, partial(self._tended_one, member))
            side.asking = True
            future.add_done_callback(asked)

    def _tended_one(self, member: Member, reply: Reply) -> Reply:
        if isinstance(reply, Redirected):
            if self.cluster.owner(member.key) is member:
                self.doubt(member)
                self.cluster.members.suspect()
        elif isinstance(reply, NotServing):
            self.doubt(member)
        return reply

    def _reread_one(self, key: str, generation: int, reply: Reply) -> Reply:
        if not isinstance(reply, CacheUnavailableError | CacheServerError):
            self.learn(key, reply, generation)
        else:
            self.nonces.end(key)
        return reply

    async def hear(self) -> None:
        """Wait until everything was heard that other connections of ours may have changed by now."""
        if self.tracks:
            pings = []
            for side in self.sides.values():
                with contextlib.suppress(Disconnected):
                    pings.append(side.member.node.ask(("PING",), None))
            await asyncio.gather(*pings, return_exceptions=True)

    async def aclose(self) -> None:
        self._end_standings()
        await super().aclose()

    def abandon(self) -> None:
        self._end_standings()
        super().abandon()

    def _end_standings(self) -> None:
        for side in self.sides.values():
            side.standing.end()


class _Ear:
    """The listener of the cluster."""

    def __init__(self, near: ClusterNear) -> None:
        self._near = near

    def made(self, member: Member, connection: Connection, facts: ServerFacts) -> None:
        self._near.joined(member, connection, facts)

    def pushed(self, push: Push) -> None:
        self._near.pushed(push)

    def resumed(self, member: Member) -> None:
        side = self._near.side(member)
        side.steady = False
        side.standing.resume()

    def lost(self, member: Member) -> None:
        self._near.left(member)

    def doubted(self, member: Member) -> None:
        self._near.doubt(member)

    def asked(self, key: str | bytes) -> None:
        self._near.unlearn(key if isinstance(key, str) else key.decode("utf-8", "surrogateescape"))

    def remapped(self, before: Owners | None, now: Owners) -> None:
        self._near.remapped(before, now)

    def moved(self, slot: int, before: Member | None, member: Member) -> None:
        self._near.moved(slot, before, member)
