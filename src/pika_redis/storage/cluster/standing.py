"""The standing of one node of a cluster: it is told of the keys in its own slots, one by one.

A node that takes over slots from one that failed may have forgotten, as a replica that was behind, what was invalidated
there within the last minute: it is told again before anything else is sent to it (`owe`). Only a primary is met as a
server that comes back: one that was restarted and follows another now has the data of that. When one comes back with
old data of its own, the epoch ends, wherever it lies, and nothing of the node is trusted before that.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Protocol

from ...errors import CacheError
from ...wire.backoff import reconnect_delay
from ...wire.cluster import Cluster
from ...wire.connection import Command, Reply
from ...wire.handshake import Past, ServerFacts
from ...wire.members import Member
from ...wire.replies import Redirected
from ...wire.scripts import END_AGAIN
from ...wire.steps import Step
from ...wire.stepwise import checked
from ..degraded import Degraded
from ..journal import Journal
from ..standing import Due, OnRestart, Standing
from ..watches import Watches

__all__ = ["MemberStanding"]

_PROBE_ALL: Command = ("PING",)


class Around(Protocol):
    """What a node's standing knows of the other nodes."""

    cluster: Cluster
    watches: Watches

    def drop_from_memory(self) -> None:
        """What memory stood in for and needs not any more."""
        ...


class _OwnPart:
    """The part of the journal that is about the slots of one node."""

    def __init__(self, journal: Journal, near: Around, member: Member) -> None:
        self._journal = journal
        self._near = near
        self._member = member

    @property
    def waiting(self) -> int:
        return len(self.to_delete()) if self._journal.waiting else 0

    @property
    def owes(self) -> bool:
        return self._journal.owes and bool(self.waiting or self.leases())

    def to_delete(self) -> list[str]:
        return self._mine(self._journal.to_delete())

    def to_repeat(self, since: float) -> list[str]:
        return self._mine(self._journal.to_repeat(since))

    def settled(self, keys: Iterable[str]) -> None:
        self._journal.settled(keys)

    def doubt_ends(self, heard: float) -> None:
        self._journal.doubt_ends(heard)

    def leases(self) -> list[tuple[str, bytes]]:
        owner = self._near.cluster.owner
        return [lease for lease in self._journal.leases() if owner(lease[0]) is self._member]

    def given_back(self, place: str, held: bytes) -> None:
        self._journal.given_back(place, held)

    def _mine(self, keys: list[str]) -> list[str]:
        return [key for key in keys if self._near.cluster.owner(key) is self._member]


class MemberStanding(Standing):
    """The standing of one node with one event loop."""

    _page = 1

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        degraded: Degraded,
        near: Around,
        member: Member,
        on_restart: OnRestart,
    ) -> None:
        super().__init__(
            loop,
            degraded,
            lambda: member.node.connection,
            on_restart,
            given_up=near.watches.wake_all,
            journal=_OwnPart(degraded.journal, near, member),
        )
        self._near = near
        self._member = member
        self._ending: asyncio.Task[None] | None = None
        self._lately: dict[str, Command] = {}

    def owe(self, key: str) -> None:
        """What was invalidated lately moved here: it is told again before the node is asked for anything (`resume`)."""
        self._lately[key] = END_AGAIN.command(key, ())

    def acquaint(self, facts: ServerFacts) -> None:
        """It is known from now on; what it holds is as new as replication could make it."""
        self._past, self._known = facts.past, True

    def rest(self) -> None:
        """The node serves nothing any more."""
        self._stop_timer()
        self._lately.clear()
        self.end_cut()
        self._ended = True

    def end(self) -> None:
        super().end()
        if self._ending is not None:
            self._ending.cancel()

    def _owes(self) -> bool:
        return bool(self._lately) or super()._owes()

    def _owed(self) -> list[Due]:
        """What has left the node's slots meanwhile is no more its own to be told of."""
        owner, mine = self._near.cluster.owner, self._member
        lately: list[Due] = [(command, partial(self._told_lately, key)) for key, command in self._lately.items()]
        owed = [*lately, *super()._owed()]
        return [one for one in owed if one[0] == _PROBE_ALL or owner(_key_of(one[0])) is mine]

    def _notice(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            if isinstance(reply, Redirected) and reply.code == "MOVED":
                self._near.cluster.members.atlas.moved(reply.slot, (reply.host or self._member.place[0], reply.port))

    def _probe(self) -> Command:
        return ("PTTL", self._member.key) if self._member.key else _PROBE_ALL

    def _told_lately(self, key: str) -> None:
        self._lately.pop(key, None)

    def _waits(self) -> bool:
        owner = self._near.cluster.owner
        for key in [key for key in self._lately if owner(key) is not self._member]:
            del self._lately[key]
        return bool(self._lately) or super()._waits()

    def _try_if_due(self) -> None:
        """A node that has still to be told of something is not read from, though nothing has failed."""
        if not self.cut and not self._ended and self._waits():
            self.cut = True
            self._degraded.enter("a node took over that has to be told what was invalidated", quiet=True)
        super()._try_if_due()

    def end_cut(self, *, told: bool = True) -> None:
        super().end_cut(told=told)
        self._near.drop_from_memory()

    def _may_be_trusted(self) -> bool:
        return self._ending is None

    def _rotations(self, now: Past) -> list[Command]:
        """The epochs that lie here are ended here, others where they lie; meanwhile the node is cut off."""
        ends = super()._rotations(now)
        cluster = self._near.cluster
        here = [one for one in ends if cluster.owner(_key_of(one)) is self._member]
        elsewhere = [one for one in ends if cluster.owner(_key_of(one)) is not self._member]
        if elsewhere and self._ending is None:
            work = self._end_elsewhere([Step(_key_of(one), [one]) for one in elsewhere])
            self._ending = self._loop.create_task(work, name="pika-redis epoch", context=contextvars.Context())
        return [*here, _PROBE_ALL]

    async def _end_elsewhere(self, steps: Sequence[Step]) -> None:
        attempt = 0
        while not self._ended:
            try:
                for replies in await self._near.cluster.take(steps):
                    checked(replies)
                break
            except CacheError:
                attempt += 1
                await asyncio.sleep(reconnect_delay(attempt))
        self._ending = None
        self.resume()


def _key_of(command: Command) -> str:
    return str(command[3])  # EVAL, source, 1, key
