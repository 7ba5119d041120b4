"""Opening sockets, and keeping account of them.

A host name may have several addresses, and the first may be one that swallows packets (IPv6 that isn't routed). So the
addresses are tried in their order, each with a head start over the next, and the first that answers wins: what RFC 8305
calls happy eyeballs. asyncio can do it, uvloop can't, so it is done here for both. TLS begins afterwards, with the name
that the user gave; whatever goes wrong with it, the connection fails: there is no way back to plain text.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from ..errors import AccessDeniedError, CacheError, CacheTimeoutError, CacheUnavailableError
from ..model.clock import Clock
from .address import HostPort
from .connection import Connection, LossHandler, PushHandler, ignore
from .endpoint import Endpoint
from .limits import Limits
from .replies import Disconnected, LoginDenied

__all__ = ["Opener"]

_HEAD_START = 0.25
_GOODBYE = 1.0  # seconds for transports to close their sockets, which takes a few turns of the loop
_REFUSED_CLIENT = "; over TLS a server hangs up so when it asks for a certificate and trusts not ours (tls_cert_file)"
"""In TLS 1.3 that comes after the handshake, and often without the alert that says why: a reset overtakes it."""

_SockAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
_Address: TypeAlias = tuple[int, _SockAddress]  # with the family before it
_FactsT = TypeVar("_FactsT")


class Opener:
    """Opens connections within one event loop, to wherever it is told."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.clock = clock
        self._loop = loop
        self._made: WeakKeyDictionary[Connection, HostPort] = WeakKeyDictionary()  # and where they lead

    async def open(
        self,
        endpoint: Endpoint,
        greet: Callable[[Connection], Awaitable[_FactsT]],
        limits: Limits,
        on_lost: LossHandler = ignore,
        on_push: PushHandler = ignore,
    ) -> tuple[Connection, _FactsT]:
        """A new connection, greeted, within the endpoint's `connect_timeout`, and what the greeting gave.

        Raises AccessDeniedError, CacheTimeoutError, CacheUnavailableError, all of which name the endpoint.
        """
        try:
            async with asyncio.timeout(endpoint.connect_timeout):
                return await self._open(endpoint, greet, limits, on_lost, on_push)
        except AccessDeniedError as error:
            raise LoginDenied(f"{endpoint}: {error}", code=error.code) from error
        except CacheError as error:
            hint = _REFUSED_CLIENT if endpoint.tls is not None and type(error) is Disconnected else ""
            raise CacheUnavailableError(f"{endpoint}: {error}{hint}") from error
        except TimeoutError as error:
            what = "connection" if endpoint.tls is None else "connection over TLS"
            raise CacheTimeoutError(f"{endpoint}: no {what} within {endpoint.connect_timeout:g} s") from error
        except Exception as error:  # resolvers and loops raise all sorts of things, and callers wait for an answer
            said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
            raise CacheUnavailableError(f"{endpoint}: cannot connect: {said}") from error

    async def _open(
        self,
        endpoint: Endpoint,
        greet: Callable[[Connection], Awaitable[_FactsT]],
        limits: Limits,
        on_lost: LossHandler,
        on_push: PushHandler,
    ) -> tuple[Connection, _FactsT]:
        patience = endpoint.connect_timeout
        meanwhile = replace(limits, stall=patience, command_timeout=patience)  # a slow login is no stall

        def make() -> Connection:
            connection = Connection(self._loop, meanwhile, on_lost, on_push, self.clock.monotonic)
            self._made[connection] = endpoint.host, endpoint.port
            return connection

        connection = await self._dial(endpoint, make)
        try:
            facts = await greet(connection)
        except BaseException:
            connection.close("the handshake failed")
            raise
        connection.serve(limits)
        if not connection.usable:
            raise CacheUnavailableError("the server closed the connection after the handshake")
        return connection, facts

    def close_others(self, reason: str, place: HostPort | None) -> list[Connection]:
        """Close all connections that lead elsewhere, those too that are not greeted yet.

        Gives those whose sockets take a moment.
        """
        elsewhere = [connection for connection, at in self._made.items() if at != place]
        return [connection for connection in elsewhere if connection.close(reason)]

    async def aclose(self) -> None:
        """Close all connections and wait until their sockets are gone."""
        leaving = [connection.closed for connection in self.close_others("the connection was closed", None)]
        if leaving:
            await asyncio.wait(leaving, timeout=_GOODBYE)

    def abandon(self) -> None:
        """Let go of the sockets without a word: in a forked child, or when the loop is closed."""
        for connection in self._made:
            connection.abandon()

    async def _dial(self, endpoint: Endpoint, make: Callable[[], Connection]) -> Connection:
        if endpoint.path is not None:
            _, connection = await self._loop.create_unix_connection(make, endpoint.path)
            return connection
        sock = await self._race(await self._resolve(endpoint.host, endpoint.port))
        if endpoint.tls is None:
            _, connection = await self._loop.create_connection(make, sock=sock)
            return connection
        try:
            _, connection = await self._loop.create_connection(
                make, sock=sock, ssl=endpoint.tls, server_hostname=endpoint.host
            )
        except ConnectionError as error:
            raise CacheUnavailableError("the server broke off the TLS handshake; is this its port for TLS?") from error
        return connection

    async def _resolve(self, host: str, port: int) -> list[_Address]:
        """The addresses of the host, in the system's order. Raises OSError."""
        try:  # a literal address is read at once, without the thread that asyncio would ask
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except OSError:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(family, address) for family, _, _, _, address in dict.fromkeys(found)]

    async def _race(self, addresses: list[_Address]) -> socket.socket:
        """A socket to the address that answers first. Raises OSError when none does."""
        running: set[asyncio.Task[socket.socket]] = set()
        failures: list[OSError] = []
        try:
            while addresses or running:
                if addresses:
                    running.add(self._loop.create_task(self._reach(*addresses.pop(0))))
                patience = _HEAD_START if addresses else None
                done, _ = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    running.discard(task)
                    try:
                        return task.result()
                    except OSError as error:
                        failures.append(error)
        finally:
            await _give_up(running)
        raise OSError("; ".join(dict.fromkeys(error.strerror or str(error) for error in failures)))

    async def _reach(self, family: int, address: _SockAddress) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await self._loop.sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        return sock


async def _give_up(tasks: set[asyncio.Task[socket.socket]]) -> None:
    """End the attempts that lost."""
    for task in tasks:
        task.add_done_callback(_close_socket)
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _close_socket(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
