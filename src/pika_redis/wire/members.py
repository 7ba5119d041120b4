"""The nodes of a cluster within one event loop: who serves what, and the connections to each.

A node is met when the slot map names it, or when a call is sent to it. One that serves nothing any more is parted with
after the command timeout: by then all that it owed has come, or its connection is closed. One that took over is
connected to before somebody waits for it.

All nodes have one time here, that of the owner of slot 0: entries are born in it, and every process takes the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from typing import Protocol

from ..errors import AccessDeniedError, CacheClosedError, CacheError, CacheUnavailableError
from ..model.clock import Clock
from .address import HostPort
from .atlas import Atlas
from .connection import Connection
from .endpoint import Endpoint
from .framing import Push
from .handshake import ServerFacts
from .node import Node
from .slot_map import SLOTS, Owners, SlotMap, slot_of
from .survey import survey as survey_of

__all__ = ["ClusterListener", "Member", "Members"]


class Member:
    """One node of the cluster."""

    __slots__ = ("key", "node", "place")

    def __init__(self, place: HostPort) -> None:
        self.place = place
        self.node: Node
        self.key: str | bytes = ""
        """One that it was asked for last: whether it still serves that tells whether it serves."""


class ClusterListener(Protocol):
    """Told what happens on the connections T of the nodes, within the parser, and of changes of the slot map."""

    def made(self, member: Member, connection: Connection, facts: ServerFacts) -> None: ...

    def pushed(self, push: Push) -> None: ...

    def resumed(self, member: Member) -> None: ...

    def lost(self, member: Member) -> None: ...

    def doubted(self, member: Member) -> None:
        """The node said that it does not serve."""
        ...

    def asked(self, key: str | bytes) -> None:
        """The key was read at a node that it is only on its way to: nothing of it may be kept."""
        ...

    def remapped(self, before: Owners | None, now: Owners) -> None:
        """Slots have other owners. Before anything is sent to them; `before` is None when none was known."""
        ...

    def moved(self, slot: int, before: Member | None, member: Member) -> None:
        """One slot has another owner. Before anything is sent to it."""
        ...


class _Ear:
    """The listener of one node."""

    def __init__(self, members: Members, member: Member, listener: ClusterListener) -> None:
        self._members = members
        self._member = member
        self._listener = listener
        self.pushed = listener.pushed

    def made(self, connection: Connection, facts: ServerFacts) -> None:
        self._listener.made(self._member, connection, facts)

    def resumed(self) -> None:
        self._listener.resumed(self._member)

    def lost(self) -> None:
        self._listener.lost(self._member)
        if self._members.serves(self._member):
            self._members.suspect()


class Members:
    """The nodes by place and by slot."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        clock: Clock,
        listener: ClusterListener,
        *,
        track: bool,
    ) -> None:
        self.met: dict[HostPort, Member] = {}
        self.owners: list[Member | None] = [None] * SLOTS
        """By slot."""
        self.ended = False
        self._loop = loop
        self._endpoint = endpoint
        self._clock = clock
        self._listener = listener
        self._track = track
        self._timed: Node | None = None
        self._serving: Counter[Member] = Counter()  # how many slots each serves
        self._is_new = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: dict[Member, asyncio.TimerHandle] = {}
        self.atlas = Atlas(loop, self)

    # -- the nodes ------------------------------------------------------------------------------------------------

    @property
    def primaries(self) -> list[Member]:
        """The nodes that serve slots; none before the map was read."""
        return list(self._serving)

    def owner(self, key: str | bytes) -> Member | None:
        """The node that serves a key; None when nobody is known to."""
        return self.owners[slot_of(key)]

    async def ready(self) -> None:
        """Wait until it is known who serves what, at most `connect_timeout`, and one of them can be asked.

        Raises CacheUnavailableError (with the reason), AccessDeniedError, CacheClosedError.
        """
        if self.ended:
            raise CacheClosedError("the connections to the cluster were closed for good")
        if self.atlas.map is None:
            await self.atlas.fresh(self._endpoint.connect_timeout)
        if self.atlas.map is None:
            raise self.no_map()
        failure: CacheError = CacheUnavailableError("no node of the cluster serves any slot")
        for member in self.primaries:
            try:
                await member.node.ready()
                return
            except (CacheUnavailableError, AccessDeniedError) as error:
                failure = error
        raise failure

    def suspect(self) -> None:
        """A node is down, or says so: its successor is looked for."""
        if not self.ended:
            self.atlas.suspect()

    def no_map(self) -> CacheError:
        failure = self.atlas.failure
        kind = type(failure) if isinstance(failure, AccessDeniedError) else CacheUnavailableError
        return kind(f"no node tells who serves what in the cluster: {failure}")

    def at(self, place: HostPort) -> Member:
        member = self.met.get(place)
        if member is None:
            member = self.met[place] = Member(place)
            endpoint = replace(self._endpoint, host=place[0], port=place[1], cluster=())
            ear = _Ear(self, member, self._listener)
            member.node = Node(self._loop, endpoint, self._clock, ear, track=self._track)
        return member

    def whom(self) -> list[HostPort]:
        """The nodes in the order in which they are asked for the map."""
        known = list(self.met)
        random.shuffle(known)
        known.sort(key=lambda place: not self.met[place].node.connection.usable)
        return [*known, *self._endpoint.cluster]

    async def survey(self, place: HostPort) -> SlotMap:
        return await survey_of(self.at(place).node, place, tls=self._endpoint.tls is not None)

    def remap(self, now: SlotMap) -> None:
        """The map was read: from now on it is this one."""
        before = tuple(None if one is None else one.place for one in self.owners)
        if now.owners == before:
            return
        members = {place: self.at(place) for place in now.primaries}
        self.owners = [None if place is None else members[place] for place in now.owners]
        self._serving = Counter(one for one in self.owners if one is not None)
        is_first, self._is_new = self._is_new, False
        self._listener.remapped(None if is_first else before, now.owners)
        for member in self.met.values():
            if member not in self._serving:
                self._leave_later(member)
            elif not is_first and not member.node.connection.usable:
                self._warm(member)

    def move(self, slot: int, place: HostPort) -> None:
        """From now on one slot is served there."""
        before, now = self.owners[slot], self.at(place)
        if before is now:
            return
        self.owners[slot] = now
        self._serving[now] += 1
        if before is not None:
            self._serving[before] -= 1
            if not self._serving[before]:
                del self._serving[before]
                self._leave_later(before)
        self._listener.moved(slot, before, now)
        if not now.node.connection.usable:
            self._warm(now)

    def serves(self, member: Member) -> bool:
        """Whether a node serves any slot, as far as is known."""
        return member in self._serving

    def _warm(self, member: Member) -> None:
        """Connect to a node that took over, before somebody waits for it."""

        async def connect() -> None:
            with contextlib.suppress(CacheError):
                await member.node.ready()

        self._in_background(connect())

    def _leave_later(self, member: Member) -> None:
        timer = self._leaving.pop(member, None)
        if timer is not None:
            timer.cancel()
        self._leaving[member] = self._loop.call_later(self._endpoint.limits.command_timeout, self._leave, member)

    def _leave(self, member: Member) -> None:
        """Part with a node that serves nothing. What it still owed has come by now."""
        self._leaving.pop(member, None)
        if not self.ended and self.met.get(member.place) is member and member not in self._serving:
            del self.met[member.place]
            self._in_background(member.node.aclose())

    def _stay(self) -> None:
        """Nobody is parted with any more."""
        for timer in self._leaving.values():
            timer.cancel()
        self._leaving.clear()

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        context = contextvars.Context()
        task = self._loop.create_task(work, name="pika-redis cluster", context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def troubled(self) -> bool:
        down = any(not member.node.connection.usable and member.key for member in self._serving)
        return down or (not self._is_new and None in self.owners)

    def sent(self) -> int:
        return sum(member.node.connection.proof.sent for member in self.met.values())

    # -- time -----------------------------------------------------------------------------------------------------

    def local_time(self, server_ms: float) -> float:
        """Seconds of our monotonic clock at this time of the cluster's."""
        node = self._timekeeper()
        return server_ms / 1000 if node is None else node.local_time(server_ms)

    def server_ms(self) -> int:
        """The cluster's time now in milliseconds; meaningless before a node has answered."""
        node = self._timekeeper()
        return int(self._clock.monotonic() * 1000) if node is None else node.server_ms()

    def _timekeeper(self) -> Node | None:
        """The node whose time counts; as long as it never answered, another one."""
        first = self.owners[0]
        if first is not None and first.node.facts is not None:
            self._timed = first.node
        elif self._timed is None:
            self._timed = next((one.node for one in self.met.values() if one.node.facts is not None), None)
        return self._timed

    # -- ending ---------------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close all connections and stop connecting; callers that wait get CacheClosedError."""
        self.ended = True
        await self.atlas.aclose()
        self._stay()
        for task in list(self._tasks):
            task.cancel()
        closing = [member.node.aclose() for member in self.met.values()]
        await asyncio.gather(*closing, *self._tasks, return_exceptions=True)

    def abandon(self) -> None:
        """Let go of the sockets without a word: in a forked child, or when the loop is closed."""
        self.ended = True
        self._stay()
        self.atlas.abandon()
        for member in self.met.values():
            member.node.abandon()
