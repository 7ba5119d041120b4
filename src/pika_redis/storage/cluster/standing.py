"""The standing of one node of a cluster: it is told of the keys in its own slots, one by one.

A node that takes over slots may have forgotten, as a replica that was behind, what was invalidated there within the
last minute: it is told again before anything else is sent to it (`owe`). Only a primary is met as a server that comes
back: one that was restarted and follows another now has the data of that. When one comes back with old data of its own,
the epoch ends, wherever it lies, and nothing of the node is trusted before that.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...errors import CacheError
from ...wire.backoff import reconnect_delay
from ...wire.connection import Command, Reply
from ...wire.handshake import Past
from ...wire.members import Member
from ...wire.replies import Redirected
from ...wire.scripts import END_AGAIN
from ...wire.steps import Call, Step
from ...wire.stepwise import checked
from ..degraded import Degraded
from ..journal import Journal
from ..standing import OnRestart, Standing

if TYPE_CHECKING:
    from .near import ClusterNear

__all__ = ["MemberStanding"]

_PROBE_ALL: Command = ("PING",)


class _OwnPart:
    """The part of the journal that is about the slots of one node."""

    def __init__(self, journal: Journal, near: ClusterNear, member: Member) -> None:
        self._journal = journal
        self._near = near
        self._member = member

    @property
    def waiting(self) -> int:
        return len(self.to_delete()) if self._journal.waiting else 0

    def to_delete(self) -> list[str]:
        return self._mine(self._journal.to_delete())

    def to_repeat(self, since: float) -> list[str]:
        return self._mine(self._journal.to_repeat(since))

    def settled(self, keys: Iterable[str]) -> None:
        self._journal.settled(keys)

    def _mine(self, keys: list[str]) -> list[str]:
        return [key for key in keys if self._near.cluster.owner(key) is self._member]


class MemberStanding(Standing):
    """The standing of one node with one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        degraded: Degraded,
        near: ClusterNear,
        member: Member,
        on_restart: OnRestart,
    ) -> None:
        super().__init__(
            loop,
            degraded,
            lambda: member.node.connection,
            on_restart,
            journal=_OwnPart(degraded.journal, near, member),
            page=1,
        )
        self._near = near
        self._member = member
        self._ending: asyncio.Task[None] | None = None
        self._owed: dict[str, tuple[Command, Sequence[str]]] = {}

    def owe(self, key: str) -> None:
        """What was invalidated lately moved here: it is told again, before the node is asked for anything."""
        again = Call(END_AGAIN, key, ())
        self._owed[key] = (END_AGAIN.command(key, ()), ())
        self._member.node.tell(key, again)

    def rest(self) -> None:
        """The node serves nothing any more."""
        self._stop_timer()
        self._owed.clear()
        self.end_cut()
        self._ended = True

    def end(self) -> None:
        super().end()
        if self._ending is not None:
            self._ending.cancel()

    def _owes(self) -> bool:
        return bool(self._owed) or super()._owes()

    def _told(self) -> list[tuple[Command, Sequence[str]]]:
        """What has left the node's slots meanwhile is no more its own to be told of."""
        owner, mine = self._near.cluster.owner, self._member
        told = [*self._owed.values(), *super()._told()]
        return [one for one in told if one[0] == _PROBE_ALL or owner(_key_of(one)) is mine]

    def _judge(self, replies: Sequence[Reply], keys: Sequence[Sequence[str]]) -> None:
        for reply in replies:
            if isinstance(reply, Redirected):
                self._near.cluster.members.atlas.moved(reply.slot, (reply.host or self._member.place[0], reply.port))
        super()._judge(replies, keys)

    def _probe(self) -> Command:
        return ("PTTL", self._member.key) if self._member.key else _PROBE_ALL

    def _settled(self) -> None:
        self._owed.clear()
        super()._settled()

    def end_cut(self, *, told: bool = True) -> None:
        super().end_cut(told=told)
        self._near.drop_from_memory()

    def _may_be_trusted(self) -> bool:
        return self._ending is None

    def _rotations(self, now: Past) -> list[tuple[Command, Sequence[str]]]:
        """The epochs that lie here are ended here, others where they lie; meanwhile the node is cut off."""
        told = super()._rotations(now)
        cluster = self._near.cluster
        here = [one for one in told if cluster.owner(_key_of(one)) is self._member]
        elsewhere = [one for one in told if cluster.owner(_key_of(one)) is not self._member]
        if elsewhere and self._ending is None:
            work = self._end_elsewhere([Step(_key_of(one), [one[0]]) for one in elsewhere])
            self._ending = self._loop.create_task(work, name="pika-redis epoch", context=contextvars.Context())
        return [*here, (_PROBE_ALL, ())]

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


def _key_of(one: tuple[Command, Sequence[str]]) -> str:
    return str(one[0][3])  # EVAL, source, 1, key
