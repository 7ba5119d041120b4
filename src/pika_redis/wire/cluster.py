"""A cluster as one event loop sees it: a `Node` for each primary, and every command on its way to the right one.

Strategy. A call goes to the node that the slot map names for its key: one look-up more than with a single server, and
the node pipelines for itself as ever. Only what comes back wrong leads into the rounds of `_again` and `_all`:

- MOVED: the map is corrected, read anew in the background, and the command sent again, at most five times.
- ASK: this one time the command goes elsewhere, with ASKING before it in the same write. The map stays, and the
  listener is told to keep nothing of what was read.
- TRYAGAIN: sent again after 10 to 100 ms.
- No answer, or CLUSTERDOWN: repeated by class, as `Node.again` does it, but by the map as it is by then. The slots of
  this node are unavailable as long as that lasts, the others go on.

A command that was answered with MOVED, ASK or TRYAGAIN did not run: sending it again is no repeat.

Order. What was queued first for a key reaches its node first, over one connection, abandoned or not, as long as the
slot stays where it is. When it moves, an abandoned write may still be on its way to the old owner. That is harmless in
each case: nobody follows its MOVED or ASK, since nobody waits for it; if the old owner still runs it, then before it
hands the key over, and so before anything that the new owner does; and a primary that was replaced by failover loses
what it took in after that. What is not abandoned is followed by its caller, who waits: whoever changes the key at the
same time does so concurrently, and either order is right. (A store after a load compares first, wherever it lands.)

Replicas are never read from: a replica answers MOVED, since READONLY is never said.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import TypeVar, cast

from ..errors import (
    CacheClosedError,
    CacheError,
    CacheServerError,
    CacheTimeoutError,
    CacheUnavailableError,
    OutcomeUnknownError,
)
from ..model.clock import Clock
from .connection import Command, Connection, Reply
from .crowd import Crowd
from .endpoint import Endpoint
from .link import NoConnection
from .members import ClusterListener, Member, Members
from .node import Node, Repeat
from .replies import Disconnected, Full, NotServing, Redirected, TryAgain
from .routing import Job, jobs_of, key_of, results_of
from .scripts import Script
from .slot_map import slot_of
from .slots import Observer
from .steps import Call, Step
from .stepwise import Batch, KeyT, SeeKeys, checked, nothing

__all__ = ["Cluster"]

_ReplyT = TypeVar("_ReplyT")
_MOST_HOPS = 5
_SHORT_PAUSE = (0.01, 0.1)
_ONE_SLOT = "Hash slot not served"  # what a node says that is well itself


class Cluster:
    """The nodes of a cluster, called as if they were one `Node`. Made cheaply; connects at first use."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        clock: Clock,
        listener: ClusterListener,
        *,
        track: bool,
    ) -> None:
        """`endpoint.cluster` names some of the nodes; all else of it goes for each."""
        self.connection: Connection | NoConnection = NoConnection()
        """There is not the one connection that a single server has: what stands here refuses."""
        self.members = Members(loop, endpoint, clock, listener, track=track)
        self._endpoint = endpoint
        self._listener = listener
        self._waiting = Crowd(loop)

    @property
    def patience(self) -> float:
        """Seconds without progress after which callers stop waiting."""
        return self._endpoint.limits.stall

    # -- calls ----------------------------------------------------------------------------------------------------

    async def call(
        self,
        command: Command,
        repeat: Repeat = Repeat.ALWAYS,
        see: Observer | None = None,
        attempts: int | None = None,
    ) -> Reply:
        """The reply to one command about its first key. Raises as `Node.call`."""
        key = key_of(command)
        member = self.members.owners[slot_of(key)]
        try:
            if member is not None:
                reply = await member.node.ask(command, see)
                member.key = key
                return reply
            refusal: CacheError | None = None
        except (Disconnected, Redirected) as error:
            refusal = error
        (job,) = jobs_of([Step(key, [command], None if see is None else _each(see))])
        if isinstance(refusal, Disconnected):
            await self._again(member, [job], refusal, repeat, attempts)
        else:
            if member is not None and refusal is not None:
                self._hop(job, refusal, member)
            await self._all([job], repeat, attempts)
        return checked(job.replies)[0]

    async def call_many(
        self, commands: Sequence[Command], repeat: Repeat = Repeat.ALWAYS, see: Observer | None = None
    ) -> list[Reply]:
        """The replies to several commands about one key; error replies stand in the list. Raises as `call`."""
        return (await self.take([Step(key_of(commands[0]), commands, see)], repeat))[0]

    async def run(
        self,
        script: Script,
        key: str,
        arguments: Sequence[str | bytes | int],
        repeat: Repeat = Repeat.ALWAYS,
        see: Observer | None = None,
    ) -> Reply:
        """Run a script on a key. Raises as `call`."""
        step = Step(key, [Call(script, key, arguments)], None if see is None else _each(see))
        return checked((await self.take([step], repeat))[0])[0]

    async def run_over(
        self, script: Script, keys: Sequence[KeyT], arguments: Sequence[str | bytes | int], see: SeeKeys[KeyT]
    ) -> int:
        """Run a script key by key; gives the sum of what it gives. Raises as `call`, when all have ended."""
        steps = [Step(key, [_call(script, key, arguments)], _each(see((key,)))) for key in keys]
        return sum(cast("int", checked(replies)[0]) for replies in await self.take(steps))

    async def take(
        self, steps: Batch, repeat: Repeat = Repeat.ALWAYS, attempts: int | None = None
    ) -> list[list[Reply]]:
        """The replies to each step; see `Stepwise.take`. Steps of different nodes run side by side."""
        jobs = jobs_of(steps)
        await self._all(jobs, repeat, attempts)
        return results_of(steps, jobs)

    def tell(self, key: str, command: Command | Call, lost: Callable[[], None] = nothing) -> None:
        """Send a command about a key, and wait for nothing. `lost` is called when no reply comes."""
        member = self.members.owners[slot_of(key)]
        if member is None:
            lost()
        else:
            member.node.tell(key, command, lost)

    # -- rounds ---------------------------------------------------------------------------------------------------

    async def _all(self, jobs: Sequence[Job], repeat: Repeat, attempts: int | None) -> None:
        """Do them, side by side where they are of different nodes. Raises the first error when all have ended."""
        await _side_by_side([self._group(member, of, repeat, attempts) for member, of in self._grouped(jobs)])

    async def _group(self, member: Member | None, jobs: Sequence[Job], repeat: Repeat, attempts: int | None) -> None:
        try:
            await self._once(member, jobs, repeat, attempts)
        except Disconnected as lost:
            await self._again(member, [job for job in jobs if not job.done], lost, repeat, attempts)

    def _grouped(self, jobs: Sequence[Job]) -> list[tuple[Member | None, list[Job]]]:
        groups: dict[Member | None, list[Job]] = {}
        for job in jobs:
            where = self.members.owners[job.slot] if job.target is None else self.members.at(job.target)
            groups.setdefault(where, []).append(job)
        return list(groups.items())

    async def _once(self, member: Member | None, jobs: Sequence[Job], repeat: Repeat, attempts: int | None) -> None:
        """Ask one node, and do what it does not do elsewhere. Raises Disconnected, and as `call`."""
        if member is None:
            raise Disconnected(f"no node is known to serve slot {jobs[0].slot}", sent=False)
        node = member.node
        if jobs[0].asking and not node.connection.usable:  # nobody else would see to it that there is a connection
            await node.ready()
        replies = await self._replies(node, jobs)
        node.knows([job.step for job in jobs], replies)
        lost: Disconnected | None = None
        pause = False
        elsewhere: list[Job] = []
        for job, given in zip(jobs, replies, strict=True):
            refusal = job.judge(given)
            if refusal is None:
                if not job.asking:
                    member.key = job.step.key
                continue
            if isinstance(refusal, Disconnected) and not isinstance(refusal, TryAgain):
                lost = refusal
                continue
            elsewhere.append(job)
            pause = self._hop(job, refusal, member) or pause
        if elsewhere:
            if pause:
                await asyncio.sleep(random.uniform(*_SHORT_PAUSE))  # noqa: S311 (jitter, not a secret)
            await self._all(elsewhere, repeat, attempts)
        if lost is not None:
            raise lost

    async def _replies(self, node: Node, jobs: Sequence[Job]) -> list[list[Reply]]:
        try:
            return await node.ask_steps([job.sent(self._listener.asked) for job in jobs], source=jobs[0].source)
        except (Disconnected, asyncio.CancelledError) as error:
            sent = not isinstance(error, Disconnected) or error.sent
            for job in jobs:
                job.unknown |= sent
            raise

    def _hop(self, job: Job, refusal: CacheError, member: Member) -> bool:
        """See where a job is to go; whether to wait before that. Raises CacheUnavailableError."""
        job.hops += 1
        if job.hops > _MOST_HOPS:
            raise CacheUnavailableError(f"the nodes send each other's keys back and forth, at last: {refusal}")
        if isinstance(refusal, Redirected):
            if refusal.code == "ASK":
                job.target, job.asking = (refusal.host or member.place[0], refusal.port), True
                return False
            job.target, job.asking = None, False
            self._follow_map(refusal, member)
            return job.hops > 1
        job.source = isinstance(refusal, CacheServerError)  # it doesn't know the script
        return not job.source

    def _follow_map(self, moved: Redirected, by: Member) -> None:
        if moved.code == "MOVED":
            self.members.atlas.moved(moved.slot, (moved.host or by.place[0], moved.port))

    async def again(
        self, send: Callable[[], Awaitable[_ReplyT]], lost: Disconnected, repeat: Repeat, attempts: int | None = None
    ) -> _ReplyT:
        """Calls over the one connection of a single server are not for a cluster."""
        raise CacheUnavailableError(str(lost)) from lost

    async def _again(
        self, member: Member | None, jobs: list[Job], lost: Disconnected, repeat: Repeat, attempts: int | None
    ) -> None:
        """Repeat what got no reply, as its class allows. Raises what a user of the cache should see."""
        jobs = self._doubted(member, jobs, lost)
        attempts = self._endpoint.retry.attempts if attempts is None else attempts
        failure: CacheError = CacheUnavailableError(str(lost)) if member is None else member.node.failed(lost)
        attempt = 0
        while jobs and self._may_repeat(jobs, lost, repeat, again=attempt < attempts):
            try:
                await self._once_more(jobs, repeat, lost.waited)
                return
            except Disconnected as error:
                lost, failure = error, CacheUnavailableError(str(error))
            except CacheUnavailableError as error:
                failure = error
            self.members.suspect()
            jobs = [job.routed_anew() for job in jobs if not job.done]
            if attempt >= attempts or len(self._waiting) >= self._endpoint.limits.repeating:
                break
            await self._waiting.wait(self._endpoint.retry.pause(attempt))
            attempt += 1
        if self.members.ended:
            failure = CacheClosedError("the connections to the cluster were closed for good")
        elif repeat is not Repeat.ALWAYS and any(job.unknown for job in jobs):
            failure = OutcomeUnknownError(f"{failure}; the write may or may not have run")
        if not all(job.spared(failure) for job in jobs):
            raise failure from lost

    def _doubted(self, member: Member | None, jobs: Sequence[Job], lost: Disconnected) -> list[Job]:
        """Take note of a node that gave no answer, or none of use; gives the jobs that are still to be done."""
        if member is None:
            self.members.suspect()
            return list(jobs)
        if isinstance(lost, NotServing) and _ONE_SLOT not in str(lost):
            self._listener.doubted(member)
        if member.node.facts is None:  # it was never connected: that is no failure, and is waited for
            return list(jobs)
        self.members.suspect()
        return [job for job in jobs if not job.spared(lost, at_once=True)]

    def _may_repeat(self, jobs: Sequence[Job], lost: Disconnected, repeat: Repeat, *, again: bool) -> bool:
        if self.members.ended or repeat is Repeat.NEVER or isinstance(lost, Full):
            return False
        if isinstance(lost, NotServing) and not again:
            return False
        return repeat is Repeat.ALWAYS or not any(job.unknown for job in jobs)

    async def _once_more(self, jobs: Sequence[Job], repeat: Repeat, waited: float) -> None:
        """Send as soon as there are connections, within the stall timeout."""
        seconds = self._endpoint.limits.stall - waited
        limit = asyncio.timeout(max(0.0, seconds) if math.isfinite(seconds) else None)
        try:
            async with limit:
                await self._reach(jobs)
                await _side_by_side([self._once(member, of, repeat, 0) for member, of in self._grouped(jobs)])
        except TimeoutError as error:
            if not limit.expired() or isinstance(error, CacheError):
                raise
            raise CacheTimeoutError(f"no answer of the cluster within {self._endpoint.limits.stall:g} s") from None

    async def _reach(self, jobs: Sequence[Job]) -> None:
        """Wait for connections to the nodes of these. Raises as `ready`."""
        if any(member is None for member, _ in self._grouped(jobs)):
            await self.members.atlas.fresh(self._endpoint.limits.stall)
        for member, of in self._grouped(jobs):
            if member is None:
                if self.members.atlas.map is None:
                    raise self.members.no_map()
                raise CacheUnavailableError(f"no node of the cluster serves slot {of[0].slot}")
            await member.node.ready()

    # -- connections of one's own ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def lent(self, key: str | bytes, *, blocking: bool) -> AsyncIterator[tuple[Node, Connection]]:
        """A connection to the node of a key that is no other's meanwhile. Raises as `ready`."""
        await self.ready()
        member = self.owner(key)
        if member is None:
            raise CacheUnavailableError(f"no node of the cluster serves slot {slot_of(key)}")
        lease = member.node.own() if blocking else member.node.exclusive()
        async with lease as connection:
            yield member.node, connection

    # -- the nodes ------------------------------------------------------------------------------------------------

    def owner(self, key: str | bytes) -> Member | None:
        """The node that serves a key; None when nobody is known to."""
        return self.members.owners[slot_of(key)]

    async def ready(self) -> None:
        """Wait until it is known who serves what, and one of them can be asked.

        Raises CacheUnavailableError (with the reason), AccessDeniedError, CacheClosedError.
        """
        await self.members.ready()

    def local_time(self, server_ms: float) -> float:
        """Seconds of our monotonic clock at this time of the cluster's."""
        return self.members.local_time(server_ms)

    def server_ms(self) -> int:
        """The cluster's time now in milliseconds; meaningless before a node has answered."""
        return self.members.server_ms()

    async def aclose(self) -> None:
        """Close all connections and stop connecting; callers that wait get CacheClosedError."""
        self.members.ended = True
        self._waiting.wake()
        await self.members.aclose()

    def abandon(self) -> None:
        """Let go of the sockets without a word: in a forked child, or when the loop is closed."""
        self.members.abandon()


def _call(script: Script, key: str | bytes, arguments: Sequence[str | bytes | int]) -> Call:
    return Call(script, key if isinstance(key, str) else (key,), arguments)


def _each(see: Observer) -> Observer:
    """The observer of one command, for the list of its reply."""

    def seen(replies: Reply) -> Reply:
        given = cast("list[Reply]", replies)
        given[0] = see(given[0])
        return given

    return seen


async def _side_by_side(works: Sequence[Coroutine[None, None, None]]) -> None:
    """Raises the first error, when all have ended."""
    if len(works) == 1:
        await works[0]
        return
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
