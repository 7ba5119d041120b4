"""A connection that comes back: `link.connection` is at all times something that can be called.

Connecting happens in a task of its own, one attempt at a time, with full jitter between attempts. What callers see:

- while an attempt is under way they wait for it, until it has taken as long as the stall timeout;
- between attempts they are told at once why the last one failed;
- with a connection that is stalled they are refused at once; it recovers, or is closed and replaced.

A loss after the server has answered somebody is mended at once, though not again and again. A connection that was of no
use to anybody and soon lost (by a proxy that accepts and hangs up) counts as a failed attempt, so that the pauses grow.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import math
from collections.abc import Sequence

from ..errors import (
    AccessDeniedError,
    CacheClosedError,
    CacheError,
    CacheTimeoutError,
    CacheUnavailableError,
    OverloadedError,
)
from .age import Age
from .backoff import LONGEST_DELAY, Bucket, denied_delay, reconnect_delay
from .connection import Command, Connection, Reply
from .crowd import Crowd
from .dialer import Dialer
from .endpoint import Endpoint
from .handover import hand_over
from .handshake import Client, ServerFacts
from .listener import Listener
from .progress import Proof
from .replies import Disconnected
from .slots import Slot

__all__ = ["Link", "NoConnection"]


class NoConnection:
    """What stands in for a connection while there is none: every call is refused, nothing is sent.

    Another one each time, with a proof of its own: so an outage is never taken for the one before.
    """

    __slots__ = ("proof",)
    in_flight = 0
    crowded = False
    unsent = False
    queued = 0
    usable = False

    def __init__(self) -> None:
        self.proof = Proof()

    def call(self, command: Command) -> asyncio.Future[Reply]:
        raise Disconnected("not connected", sent=False)

    def ticket(self) -> asyncio.Future[CacheError | None]:
        raise Disconnected("not connected", sent=False)

    def call_many(self, commands: Sequence[Command]) -> asyncio.Future[list[Reply]]:
        raise Disconnected("not connected", sent=False)

    def send(self, commands: Sequence[Command], slots: Sequence[Slot]) -> None:
        raise Disconnected("not connected", sent=False)


_MOST_OF_USE = 3  # failures in a row that are counted for connections which were of use, but not for long


class Link:
    """One connection to an endpoint, made anew when it is lost: at once if `keep`, else at the next `ready`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        dialer: Dialer,
        listener: Listener,
        *,
        track: bool = False,
        keep: bool = False,
    ) -> None:
        self.connection: Connection | NoConnection = NoConnection()
        self._loop = loop
        self._endpoint = endpoint
        self._dialer = dialer
        self._listener = listener
        self._on_push = listener.pushed if track else None
        self._keep = keep
        self._closed = False
        self._connecting: asyncio.Task[None] | None = None
        self._attempt: object = None
        self._waiting = Crowd(loop)
        self._pausing = Crowd(loop)
        self._began = 0.0
        self._failure: CacheError = CacheUnavailableError(f"{endpoint}: not connected")
        self._failures = 0
        self._made_at = 0.0
        self._mendings = Bucket(10, per_second=1)
        self._predecessor: Client | None = None
        self._age = Age(loop, endpoint.max_age, self._replace)

    async def ready(self, until: float = math.inf) -> None:
        """Wait for a usable connection, at most the stall timeout, and not longer than `until` (of the loop's time).

        Raises CacheUnavailableError (with the reason of the last attempt), CacheTimeoutError, AccessDeniedError,
        CacheClosedError, OverloadedError.
        """
        if self.connection.usable:
            return
        if self._closed:
            raise self._closed_error()
        if isinstance(self.connection, Connection):
            raise CacheTimeoutError(f"{self._endpoint}: the server makes no progress")
        self._connect_in_background()
        attempt = self._attempt
        if attempt is None or (self._failures and not self._endpoint.retry.patient):
            raise copy.copy(self._failure)  # every caller attaches its own traceback
        limits = self._endpoint.limits
        stall, waiting = limits.stall, len(self._waiting)
        if waiting >= limits.repeating:
            raise OverloadedError(f"{self._endpoint}: {waiting} callers wait for a connection")
        await self._waiting.wait(min(self._began + stall, until) - self._loop.time())
        if self._attempt is attempt:
            raise CacheTimeoutError(f"{self._endpoint}: no connection within {stall:g} s")
        if self._closed:
            raise self._closed_error()
        if not self.connection.usable:
            raise copy.copy(self._failure)

    async def aclose(self) -> None:
        """Stop connecting. (The connection is the dialer's to close.)"""
        self._closed = True
        self._end_attempt()
        await self._age.aclose()
        connecting = self._connecting
        if connecting is not None:
            connecting.cancel()
            await asyncio.wait({connecting})

    def abandon(self) -> None:
        """In a forked child, or when the loop is closed: nothing is made any more."""
        self._closed = True
        self._age.abandon()

    # -- connecting --------------------------------------------------------------------------------------------

    def _connect_in_background(self) -> None:
        if self._connecting is None or self._connecting.done():
            # In a context of its own: it would keep the first caller's alive as long as the connection lives.
            connect = self._connect()
            self._connecting = self._loop.create_task(connect, name="pika-redis connect", context=contextvars.Context())
            if not self._failures:
                self._begin_attempt()

    async def _connect(self) -> None:
        """Try until it works, one attempt at a time."""
        try:
            while not self._closed:
                if self._failures:
                    await self._pausing.wait(self._pause())
                self._begin_attempt()
                failure = await self._connect_once()
                if failure is None:
                    return
                self._failure = failure
                self._failures += 1
                self._end_attempt()
        finally:
            self._end_attempt()

    def _begin_attempt(self) -> None:
        if self._attempt is None:
            self._attempt = object()
            self._began = self._loop.time()

    def _end_attempt(self) -> None:
        self._attempt = None
        self._waiting.wake()

    async def _connect_once(self) -> CacheError | None:
        """One attempt; gives what went wrong."""
        try:
            opened = await self._dialer.open(self._endpoint.limits, self._on_lost, self._on_push, self._predecessor)
        except CacheError as error:
            return error
        self._adopt(*opened)
        return None

    def _adopt(self, connection: Connection, facts: ServerFacts) -> None:
        self.connection = connection
        connection.on_resumed = self._listener.resumed
        self._listener.made(connection, facts)
        self._predecessor = facts.client
        self._made_at = self._loop.time()
        if self._keep:
            self._age.begin()

    def _pause(self) -> float:
        denied = isinstance(self._failure, AccessDeniedError)
        return (denied_delay if denied else reconnect_delay)(self._failures)

    def hurry(self) -> None:
        """What attempts failed for has changed: the next one is made at once."""
        self._failures = 0
        self._pausing.wake()

    # -- growing old -------------------------------------------------------------------------------------------

    def retire(self) -> None:
        """Close a connection that is too old, at a moment when nobody uses it."""
        if isinstance(self.connection, Connection) and self._loop.time() - self._made_at > self._endpoint.max_age:
            self.connection.close("it was too old")
            self._failures = 0  # it was no failure

    async def _replace(self) -> None:
        """Make a younger connection, and let it take over from the old one."""
        old = self.connection
        try:
            young, facts = await self._dialer.open(self._endpoint.limits, self._on_lost, self._on_push)
        except CacheError:
            self._age.begin_again()
            return

        def give_up() -> None:
            young.close()
            self._age.begin_again()

        def take_over() -> Connection | None:
            if old is not self.connection or self._closed or not young.usable:
                give_up()
                return None
            self._listener.lost()
            self._adopt(young, facts)
            return young

        if isinstance(old, Connection):
            hand_over(old, take_over, give_up)
        else:
            give_up()

    def _on_lost(self, connection: Connection, reason: str) -> None:
        if connection is not self.connection:
            return
        self.connection = NoConnection()
        self._listener.lost()
        self._failure = CacheUnavailableError(f"{self._endpoint}: {reason}")
        self._failures = self._failures_after(connection)
        if self._endpoint.path is not None and not connection.hung_up:
            self._predecessor = None  # ended by the server; and on a unix socket all have the same address
        if self._keep and not self._closed and not self._loop.is_closed():
            self._connect_in_background()

    def _failures_after(self, connection: Connection) -> int:
        """How many failures in a row the loss of this connection makes."""
        now = self._loop.time()
        if now - self._made_at > LONGEST_DELAY:
            return 0
        if not connection.heard:
            return self._failures + 1
        return 0 if self._mendings.take(now) else min(self._failures + 1, _MOST_OF_USE)

    def _closed_error(self) -> CacheClosedError:
        return CacheClosedError(f"{self._endpoint}: the connection was closed for good")
