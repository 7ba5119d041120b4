"""One server as one event loop sees it: the connection T, repeats of calls, other connections, the server's clock.

Strategy. `node.connection` is always something that can be called: a live `Connection`, or a `NoConnection` that
refuses. The hot path of the rooms above is therefore ``await node.connection.call(command)`` and nothing else; only a
`Disconnected` leads into `again`, which waits, reconnects and repeats by class:

- `Repeat.ALWAYS`: reading and idempotent commands; they may run twice.
- `Repeat.UNSENT`: commands that may run only once (SET, INCR). Not sent: repeated. Sent: `OutcomeUnknownError`.
- `Repeat.NEVER`: a store after a load; it must not land behind a later delete, and losing it costs one miss.

A call has one budget: what its first attempt took counts too, and all its waiting for a connection and for the second
attempt together takes no longer than the stall timeout. Whether there are more attempts, the retry policy says.

A write that a replica refuses did not run: the connection is closed, the server found again, and the write repeated.
A server that refuses most calls, or stalls again and again, opens the breaker: then `connection` refuses for it, and
one PING at a time asks whether it has recovered.

All writes of keys go over T, so an abandoned command stays ahead of its successors. The second connection, X, is
lazy and serves one caller at a time: commands of the user's own. Blocking ones get a connection each.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from ..errors import (
    CacheClosedError,
    CacheError,
    CacheServerError,
    CacheTimeoutError,
    CacheUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
)
from ..model.clock import Clock, SystemClock
from .address import HostPort
from .backoff import Bucket
from .circuit import Circuit
from .clock import AskedClock
from .connection import Command, Connection, Reply, ignore
from .crowd import Crowd
from .dialer import Dialer
from .endpoint import Endpoint
from .framing import Push
from .handshake import ServerFacts
from .link import Link, NoConnection
from .listener import Listener, Nobody
from .opener import Opener
from .progress import Proven
from .repeat import Repeat
from .replies import NOT_RUN, Disconnected, Full, NotServing, ReadOnly, Stalled
from .scripts import Script
from .sentinel import locator_of
from .slots import Observed, ObservedBatch, Observer
from .stepwise import Stepwise

__all__ = ["Endpoint", "Node", "Repeat"]

_ReplyT = TypeVar("_ReplyT")


class Node(Stepwise):
    """The server's connections within one event loop. Made cheaply; connects at first use."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        clock: Clock | None = None,
        listener: Listener | None = None,
        *,
        track: bool = False,
    ) -> None:
        self.connection: Connection | NoConnection = NoConnection()
        """The connection T, or what stands in for it."""
        self.facts: ServerFacts | None = None
        """What the server said of itself when T was made; None before."""
        self._loop = loop
        self._clock = clock or SystemClock()
        self._server_clock = AskedClock(self._clock.monotonic)
        self._endpoint = endpoint
        self._locator = locator_of(loop, endpoint, self._clock, self._moved)
        self._dialer = Dialer(endpoint, Opener(loop, self._clock), self._locator)
        self._listener = listener or Nobody()
        self._tracked = Link(loop, endpoint, self._dialer, self, track=track, keep=True)
        self._spare = Link(loop, endpoint, self._dialer, Nobody())
        self._circuit = Circuit(loop, self._clock, self._tracked, opened=self._refuse, closed=self._admit)
        self._replicas_left = Bucket(1, per_second=0.2)
        self._turn = asyncio.Lock()
        self._scripts: set[str] = set()  # the digests that the server has seen from this connection
        self._waiting = Crowd(loop)
        self._ended = False

    @property
    def patience(self) -> float:
        """Seconds without progress after which callers stop waiting."""
        return self._endpoint.limits.stall

    # -- calls -----------------------------------------------------------------------------------------------

    async def call(
        self,
        command: Command,
        repeat: Repeat = Repeat.ALWAYS,
        see: Observer | None = None,
        attempts: int | None = None,
    ) -> Reply:
        """The reply to one command, which `see` sees first.

        Raises CacheUnavailableError, OutcomeUnknownError, CacheServerError, CacheClosedError.
        """
        try:
            return await self.ask(command, see)
        except Disconnected as lost:
            return await self.again(lambda: self.ask(command, see), lost, repeat, attempts)

    async def call_many(
        self, commands: Sequence[Command], repeat: Repeat = Repeat.ALWAYS, see: Observer | None = None
    ) -> list[Reply]:
        """The replies to several commands, sent together; error replies stand in the list. Raises as `call`."""
        try:
            replies = await self.ask_many(commands, see)  # as `_served`, without its frame
            if isinstance(replies[0], NOT_RUN):
                _raise_unless_run(replies)
            return replies
        except Disconnected as lost:
            return await self.again(lambda: self._served(commands, see), lost, repeat)

    def ask(self, command: Command, see: Observer | None) -> asyncio.Future[Reply]:
        """Send once. Raises Disconnected."""
        if see is None:
            return self.connection.call(command)
        future: asyncio.Future[Reply] = self._loop.create_future()
        self.connection.send((command,), (Observed(future, see),))
        return future

    def ask_many(self, commands: Sequence[Command], see: Observer | None) -> asyncio.Future[list[Reply]]:
        """Send several once. Raises Disconnected."""
        if see is None:
            return self.connection.call_many(commands)
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        self.connection.send(commands, [ObservedBatch(future, len(commands), see)] * len(commands))
        return future

    async def _served(self, commands: Sequence[Command], see: Observer | None) -> list[Reply]:
        replies = await self.ask_many(commands, see)
        if isinstance(replies[0], NOT_RUN):
            _raise_unless_run(replies)
        return replies

    async def run(
        self,
        script: Script,
        key: str | Sequence[str | bytes],
        arguments: Sequence[str | bytes | int],
        repeat: Repeat = Repeat.ALWAYS,
        see: Observer | None = None,
    ) -> Reply:
        """Run a script on a key or several, by its source the first time. Raises as `call`.

        A server may forget a script. Sent again, the command lands behind what was sent since: with `Repeat.NEVER` it
        isn't, and the NOSCRIPT error is raised.
        """
        if script.digest in self._scripts:
            try:
                return await self.call(script.by_digest(key, arguments), repeat, see)
            except CacheServerError as error:
                if error.code != "NOSCRIPT":
                    raise script.explain(error) from None
                self._scripts.discard(script.digest)
                if repeat is Repeat.NEVER:
                    raise
        try:
            reply = await self.call(script.command(key, arguments), repeat, see)
        except CacheServerError as error:
            raise script.explain(error) from None
        self._scripts.add(script.digest)
        return reply

    async def again(
        self, send: Callable[[], Awaitable[_ReplyT]], lost: Disconnected, repeat: Repeat, attempts: int | None = None
    ) -> _ReplyT:
        """Repeat a call that got no reply, as its class allows; raises what a user of the cache should see."""
        if attempts is None:
            attempts = self._endpoint.retry.attempts
        failure = self.failed(lost)
        attempt = 0
        try:
            while True:
                if lost.sent and repeat is not Repeat.ALWAYS:
                    raise OutcomeUnknownError(f"{self._endpoint}: {lost}; the write may or may not have run") from lost
                if self._ended:
                    raise CacheClosedError(f"{self._endpoint}: the connection was closed for good") from lost
                if (
                    repeat is Repeat.NEVER
                    or isinstance(lost, Full)
                    or (isinstance(lost, NotServing) and not isinstance(lost, ReadOnly) and attempt >= attempts)
                ):
                    raise failure from lost
                try:
                    # A server that stalled may have gone on meanwhile.
                    if not isinstance(lost, Stalled) or self._tracked.connection.usable:
                        return await self._once_more(send, self._endpoint.limits.stall - lost.waited)
                except Disconnected as error:
                    lost, failure = error, self.failed(error)
                except CacheUnavailableError as error:
                    failure = error
                if attempt >= attempts or len(self._waiting) >= self._endpoint.limits.repeating:
                    raise failure from lost
                await self._waiting.wait(self._endpoint.retry.pause(attempt))
                attempt += 1
        finally:
            del failure, lost  # what is raised knows this frame, and would keep itself alive

    def _leave_replica(self) -> None:
        """A write went to a replica. One that was a replica from the beginning is left now and then only."""
        role = "" if self.facts is None else self.facts.role
        if isinstance(self.connection, Connection) and (
            role == "master" or self._replicas_left.take(self._loop.time())
        ):
            self.connection.close("the server is a replica")

    async def _once_more(self, send: Callable[[], Awaitable[_ReplyT]], seconds: float) -> _ReplyT:
        """Send as soon as there is a connection, within so many seconds. Raises Disconnected, and as `ready`."""
        until = self._loop.time() + max(0.0, seconds)
        await self._ready(until)
        limit = asyncio.timeout_at(until if math.isfinite(until) else None)
        try:
            async with limit:
                return await send()
        except TimeoutError as error:
            if not limit.expired() or isinstance(error, CacheError):
                raise
            raise CacheTimeoutError(f"{self._endpoint}: no answer within {self._endpoint.limits.stall:g} s") from None

    def failed(self, lost: Disconnected) -> CacheUnavailableError:
        """Take note of a call that failed; gives the error for its caller."""
        self._circuit.failed(lost)
        if isinstance(lost, ReadOnly):
            self._leave_replica()
        kind: type[CacheUnavailableError] = CacheUnavailableError
        if isinstance(lost, Full):
            kind = OverloadedError
        elif isinstance(lost, Stalled):
            kind = CacheTimeoutError
        return kind(f"{self._endpoint}: {lost}")

    async def ready(self) -> None:
        """Wait for a usable connection T, at most the stall timeout.

        Raises CacheUnavailableError (with the reason of the last attempt), CacheTimeoutError, AccessDeniedError,
        CacheClosedError, OverloadedError.
        """
        await self._ready(math.inf)

    async def _ready(self, until: float) -> None:
        """The same, and no longer than `until` (of the loop's time)."""
        if self._circuit.is_open:
            raise CacheUnavailableError(f"{self._endpoint}: it is left alone: {self._circuit.failure}")
        await self._tracked.ready(until)

    def _refuse(self) -> None:
        """The breaker opened."""
        self.connection = NoConnection()

    def _admit(self) -> None:
        """The breaker closed."""
        self.connection = self._tracked.connection
        self._listener.resumed()

    # -- as the listener of T ------------------------------------------------------------------------------------

    def made(self, connection: Connection, facts: ServerFacts) -> None:
        if not self._circuit.is_open:
            self.connection = connection
        self.facts = facts
        self._locator.settle(facts)
        self._scripts.clear()
        self._server_clock.forget()
        self._server_clock.sample(facts.time)
        self._listener.made(connection, facts)

    def pushed(self, push: Push) -> None:
        self._listener.pushed(push)

    def resumed(self) -> None:
        if not self._circuit.is_open:
            self._listener.resumed()

    def lost(self) -> None:
        self._circuit.lost(self.connection)
        self.connection = NoConnection()
        self._locator.settle(None)
        self._listener.lost()

    def became(self, role: str) -> bool:
        """Note what the server says of its role; whether that is another than before."""
        if self.facts is None or self.facts.role == role:
            return False
        self.facts = replace(self.facts, role=role)
        if not self._locator.believes(role):
            self._loop.call_soon(self._moved, f"the server is not the primary any more: its role is {role}", None)
        return True

    # -- where the server is -----------------------------------------------------------------------------------

    def proof(self, of: Proven) -> Proven:
        """What proves that copies in memory are true, given the proof of the connection T."""
        return self._locator.proof(of)

    def confirm(self) -> None:
        """See to it that the server is confirmed to be the one to ask. Waits for nothing."""
        self._locator.confirm()

    def _moved(self, reason: str, place: HostPort | None) -> None:
        """The server is elsewhere."""
        self._dialer.leave(reason, place)
        self._tracked.hurry()
        self._spare.hurry()

    # -- the server's clock ------------------------------------------------------------------------------------

    def local_time(self, server_ms: float) -> float:
        """Seconds of our monotonic clock at this time of the server's."""
        return self._server_clock.monotonic_at(server_ms)

    def server_ms(self) -> int:
        """The server's time now in milliseconds; asks for a fresh sample in passing when the last one is old."""
        return self._server_clock.now(self.connection)

    # -- connections of one's own ------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def exclusive(self) -> AsyncIterator[Connection]:
        """The connection X, one caller at a time. Raises as `ready`."""
        async with self._turn:
            self._spare.retire()
            await self._spare.ready()
            yield cast("Connection", self._spare.connection)

    @contextlib.asynccontextmanager
    async def own(self) -> AsyncIterator[Connection]:
        """A connection for one blocking command, closed afterwards; it waits as long as the command does.

        Raises as `ready`.
        """
        await self.ready()
        endless = replace(self._endpoint.limits, stall=math.inf, command_timeout=math.inf)
        connection, _ = await self._dialer.open(endless, ignore)
        try:
            yield connection
        finally:
            connection.close()

    # -- ending ------------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close all connections and stop connecting; callers that wait get CacheClosedError."""
        self._ended = True
        self._circuit.end()
        self._waiting.wake()
        try:
            await self._tracked.aclose()
            await self._spare.aclose()
        finally:
            await self._locator.aclose()
            await self._dialer.aclose()

    def abandon(self) -> None:
        """Let go of the sockets without a word: in a forked child, or when the loop is closed."""
        self._ended = True
        self._tracked.abandon()
        self._spare.abandon()
        self._dialer.abandon()
        self._locator.abandon()


def _raise_unless_run(replies: Sequence[Reply]) -> None:
    """Raise what the server said if it ran none of the commands."""
    first = replies[0]
    if isinstance(first, NOT_RUN) and all(isinstance(reply, NOT_RUN) for reply in replies):
        raise first
