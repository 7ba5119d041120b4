"""One server as one event loop sees it: the connection T, its reconnects, repeats of calls, and the server's clock.

Strategy. `node.connection` is always something that can be called: a live `Connection`, or a `NoConnection` that
refuses. The hot path of the rooms above is therefore ``await node.connection.call(command)`` and nothing else; only a
`Disconnected` leads into `again`, which waits, reconnects and repeats by class:

- `Repeat.ALWAYS`: reading and idempotent commands; they may run twice.
- `Repeat.UNSENT`: commands that may run only once (SET, INCR). Not sent: repeated. Sent: `OutcomeUnknownError`.
- `Repeat.NEVER`: a store after a load; it must not land behind a later delete, and losing it costs one miss.

Connecting is one attempt at a time, in the background, with full jitter between attempts; a caller waits for an
attempt under way at most the stall timeout, and between attempts is told at once why the last one failed.
All writes of keys go over T, so an abandoned command stays ahead of its successors. The second connection, X, is
lazy and serves one caller at a time: commands of the user's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..errors import (
    AccessDeniedError,
    CacheError,
    CacheServerError,
    CacheTimeoutError,
    CacheUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
)
from ..model.clock import Clock, SystemClock
from .backoff import RetryPolicy, reconnect_delay
from .clock import ServerClock
from .connection import Command, Connection, Full, Limits, NoConnection, Reply
from .handshake import Credentials, ServerFacts, TimeSample, shake_hands
from .replies import Disconnected
from .scripts import Script

__all__ = ["Endpoint", "Node", "Repeat"]

_ReplyT = TypeVar("_ReplyT")
_NO_CONNECTION = NoConnection()
_FOR_EVER = 1e9


class Repeat(enum.Enum):
    """Whether a command may be sent again when its outcome is unknown."""

    ALWAYS = "always"
    UNSENT = "unsent"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server listens and how to treat it: TCP (`host`, `port`) or a unix socket (`path`); seconds."""

    host: str = "localhost"
    port: int = 6379
    path: str | None = None
    tls: ssl.SSLContext | None = None
    credentials: Credentials = field(default_factory=Credentials)
    limits: Limits = field(default_factory=Limits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_timeout: float = 10.0

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class Node:
    """The server's connections within one event loop. Made cheaply; connects at first use."""

    def __init__(self, loop: asyncio.AbstractEventLoop, endpoint: Endpoint, clock: Clock | None = None) -> None:
        self.connection: Connection | NoConnection = _NO_CONNECTION
        self.facts: ServerFacts | None = None
        self._clock = clock or SystemClock()
        self._server_clock = ServerClock()
        self._loop = loop
        self._endpoint = endpoint
        self._closed = False
        self._connecting: asyncio.Task[None] | None = None
        self._attempt: asyncio.Future[CacheError | None] | None = None
        self._failure: CacheError | None = None
        self._predecessor: int | None = None
        self._exclusive: Connection | None = None
        self._turn = asyncio.Lock()

    # -- calls -----------------------------------------------------------------------------------------------

    async def call(self, command: Command, repeat: Repeat = Repeat.ALWAYS) -> Reply:
        """The reply to one command.

        Raises CacheUnavailableError, OutcomeUnknownError, CacheServerError.
        """
        try:
            return await self.connection.call(command)
        except Disconnected as lost:
            return await self.again(lambda: self.connection.call(command), lost, repeat)

    async def call_many(self, commands: Sequence[Command], repeat: Repeat = Repeat.ALWAYS) -> list[Reply]:
        """The replies to several commands, sent together; error replies stand in the list. Raises as `call`."""
        try:
            return await self.connection.call_many(commands)
        except Disconnected as lost:
            return await self.again(lambda: self.connection.call_many(commands), lost, repeat)

    async def run(
        self, script: Script, key: str, arguments: Sequence[str | bytes | int], repeat: Repeat = Repeat.ALWAYS
    ) -> Reply:
        """Run a script on one key; a server that doesn't know it is given its source first. Raises as `call`."""
        command: Command = ("EVALSHA", script.digest, 1, key, *arguments)
        try:
            return await self.call(command, repeat)
        except CacheServerError as error:
            if error.code != "NOSCRIPT":
                raise
        await self.call(("SCRIPT", "LOAD", script.source))
        return await self.call(command, repeat)

    async def again(
        self, send: Callable[[], Awaitable[_ReplyT]], lost: Disconnected, repeat: Repeat, attempts: int | None = None
    ) -> _ReplyT:
        """Repeat a call that got no reply, as its class allows; raises what a user of the cache should see."""
        if attempts is None:
            attempts = self._endpoint.retry.attempts
        failure: CacheUnavailableError = lost
        attempt = 0
        while True:
            if lost.sent and repeat is not Repeat.ALWAYS:
                raise OutcomeUnknownError(f"{self._endpoint}: {lost}; the write may or may not have run") from lost
            if repeat is Repeat.NEVER:
                raise self._seen(lost) from lost
            try:
                await (self._room() if isinstance(lost, Full) else self.ready())
                return await send()
            except Disconnected as error:
                lost, failure = error, self._seen(error)
            except CacheUnavailableError as error:
                failure = error
            if attempt >= attempts:
                raise failure from lost
            await asyncio.sleep(self._endpoint.retry.pause(attempt))
            attempt += 1

    def _seen(self, lost: Disconnected) -> CacheUnavailableError:
        kind = CacheTimeoutError if isinstance(lost, CacheTimeoutError) else CacheUnavailableError
        return kind(f"{self._endpoint}: {lost}")

    async def _room(self) -> None:
        try:
            async with asyncio.timeout(self._endpoint.limits.stall):
                await self.connection.room()
        except TimeoutError:
            raise OverloadedError(f"{self._endpoint}: too many commands in flight and no progress") from None

    # -- the server's clock ------------------------------------------------------------------------------------

    def server_ms(self) -> int:
        """The server's time now in milliseconds; asks for a fresh sample in passing when the last one is old."""
        now = self._clock.monotonic()
        if self._server_clock.due(now) and self.connection.usable:
            with contextlib.suppress(Disconnected):
                asked = self.connection.call(("TIME",))
                asked.add_done_callback(lambda reply: self._learn_time(reply, now))
        return self._server_clock.now_ms(now)

    def _learn_time(self, asked: asyncio.Future[Reply], sent: float) -> None:
        if not asked.cancelled() and asked.exception() is None:
            self._server_clock.sample(TimeSample.of(asked.result(), sent, self._clock.monotonic()))

    # -- connecting ------------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Wait for a usable connection, at most the stall timeout.

        Raises CacheUnavailableError (with the reason of the last attempt), CacheTimeoutError, AccessDeniedError.
        """
        if self.connection.usable:
            return
        if self._closed:
            raise CacheUnavailableError(f"{self._endpoint}: the connection was closed")
        if isinstance(self.connection, Connection):
            raise CacheTimeoutError(f"{self._endpoint}: the server makes no progress")
        if self._connecting is None:
            self._start_connecting()
        if self._attempt is None:
            raise self._failure or CacheUnavailableError(f"{self._endpoint}: not connected")
        try:
            async with asyncio.timeout(self._endpoint.limits.stall):
                error = await asyncio.shield(self._attempt)
        except TimeoutError:
            waited = f"{self._endpoint.limits.stall:g} s"
            raise CacheTimeoutError(f"{self._endpoint}: no connection within {waited}") from None
        if error is not None:
            raise error

    def _start_connecting(self) -> None:
        self._attempt = self._loop.create_future()
        self._connecting = self._loop.create_task(self._connect(), name="pika-redis connect")

    async def _connect(self) -> None:
        """Try until it works, one attempt at a time."""
        failures = 0
        try:
            while not self._closed:
                attempt = self._attempt = self._attempt or self._loop.create_future()
                self._failure = await self._connect_once()
                self._attempt = None
                attempt.set_result(self._failure)
                if self._failure is None:
                    return
                failures += 1
                await asyncio.sleep(reconnect_delay(failures))
        finally:
            self._connecting = None
            if self._attempt is not None and not self._attempt.done():
                self._attempt.set_result(CacheUnavailableError(f"{self._endpoint}: connecting was given up"))

    async def _connect_once(self) -> CacheError | None:
        endpoint = self._endpoint
        predecessor, self._predecessor = self._predecessor, None
        try:
            async with asyncio.timeout(endpoint.connect_timeout):
                connection, facts = await self._open(endpoint.limits, predecessor)
        except TimeoutError:
            failure: CacheError = CacheTimeoutError(f"{endpoint}: no connection within {endpoint.connect_timeout:g} s")
        except AccessDeniedError as error:
            failure = AccessDeniedError(f"{endpoint}: {error}", code=error.code)
        except CacheError as error:
            failure = CacheUnavailableError(f"{endpoint}: {error}")
        except OSError as error:
            failure = CacheUnavailableError(f"{endpoint}: cannot connect: {error.strerror or error}")
        else:
            self.facts, self._predecessor, self.connection = facts, facts.client_id, connection
            self._server_clock.forget()
            self._server_clock.sample(replace(facts.time, monotonic=self._clock.monotonic()))
            return None
        self._predecessor = predecessor
        return failure

    async def _open(self, limits: Limits, predecessor: int | None = None) -> tuple[Connection, ServerFacts]:
        """A new connection, logged in. Raises OSError or what the handshake raises."""
        endpoint = self._endpoint

        def make() -> Connection:
            return Connection(self._loop, limits, self._on_lost)

        if endpoint.path is not None:
            _, connection = await self._loop.create_unix_connection(make, endpoint.path)
        else:
            _, connection = await self._loop.create_connection(make, endpoint.host, endpoint.port, ssl=endpoint.tls)
        try:
            return connection, await shake_hands(connection, endpoint.credentials, predecessor)
        except BaseException:
            connection.close("the handshake failed")
            raise

    def _on_lost(self, connection: Connection) -> None:
        if connection is self._exclusive:
            self._exclusive = None
        if connection is self.connection:
            self.connection = _NO_CONNECTION
            if not self._closed and self._connecting is None:
                self._start_connecting()

    # -- connections of one's own ------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def exclusive(self) -> AsyncIterator[Connection]:
        """The connection X, one caller at a time. Raises CacheUnavailableError."""
        async with self._turn:
            if self._exclusive is None or not self._exclusive.usable:
                self._exclusive = await self._opened(self._endpoint.limits)
            yield self._exclusive

    @contextlib.asynccontextmanager
    async def own(self) -> AsyncIterator[Connection]:
        """A connection for one blocking command, closed afterwards; it waits as long as the command does."""
        connection = await self._opened(replace(self._endpoint.limits, stall=_FOR_EVER, command_timeout=_FOR_EVER))
        try:
            yield connection
        finally:
            connection.close()

    async def _opened(self, limits: Limits) -> Connection:
        await self.ready()
        try:
            async with asyncio.timeout(self._endpoint.connect_timeout):
                connection, _ = await self._open(limits)
        except OSError as error:
            raise CacheUnavailableError(f"{self._endpoint}: cannot connect: {error.strerror or error}") from error
        return connection

    # -- ending ------------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close both connections and stop connecting; callers that wait get CacheUnavailableError."""
        self._closed = True
        connecting = self._connecting
        if connecting is not None:
            connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await connecting
        for connection in (self.connection, self._exclusive):
            if connection is not None:
                connection.close()
        await asyncio.sleep(0)  # the transports close their sockets in the next turns of the loop
        await asyncio.sleep(0)

    def abandon(self) -> None:
        """Let go of the sockets without a word: in a forked child, or when the loop is closed."""
        self._closed = True
        for connection in (self.connection, self._exclusive):
            if connection is not None:
                connection.abandon()
