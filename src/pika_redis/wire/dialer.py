"""Connections to the server, wherever it is at the time: located and logged in anew each time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ..errors import CacheError, CacheUnavailableError
from .address import HostPort
from .connection import Connection, LossHandler, PushHandler, ignore
from .endpoint import Endpoint
from .handshake import Client, Login, ServerFacts, shake_hands
from .limits import Limits
from .locator import Locator
from .login import credentials_of
from .opener import Opener

__all__ = ["Dialer"]


class Dialer:
    """Opens connections to one server within one event loop."""

    def __init__(self, endpoint: Endpoint, opener: Opener, locator: Locator) -> None:
        self._endpoint = endpoint
        self._opener = opener
        self._locator = locator
        self._attempts: dict[asyncio.Timeout, Endpoint | None] = {}  # and where they go, when that is known

    async def open(
        self,
        limits: Limits,
        on_lost: LossHandler,
        on_push: PushHandler | None = None,
        predecessor: Client | None = None,
    ) -> tuple[Connection, ServerFacts]:
        """A new connection, logged in, within `connect_timeout`; with `on_push` one that is told of changed keys.

        Raises AccessDeniedError, CacheTimeoutError, CacheUnavailableError.
        """
        attempt = asyncio.timeout(None)
        self._attempts[attempt] = None
        try:
            async with attempt:
                place = self._attempts[attempt] = await self._locator.locate()
                login = Login(await credentials_of(self._endpoint), track=on_push is not None)

                async def greet(connection: Connection) -> ServerFacts:
                    facts = await shake_hands(connection, login, predecessor, self._opener.clock)
                    if not self._locator.believes(facts.role):
                        raise CacheUnavailableError(f"it is not the primary: its role is {facts.role}")
                    return replace(facts, place=place)

                return await self._opener.open(place, greet, limits, on_lost, on_push or ignore)
        except CacheError:
            raise
        except TimeoutError:
            pass
        finally:
            del self._attempts[attempt]
        raise CacheUnavailableError(f"{self._endpoint}: it moved while a connection to it was made")

    def leave(self, reason: str, place: HostPort | None) -> None:
        """The server is at this place, or who knows where: close connections and end attempts to any other."""
        for attempt, endpoint in self._attempts.items():
            if endpoint is not None and (endpoint.host, endpoint.port) != place:
                attempt.reschedule(0.0)
        self._opener.close_others(reason, place)

    async def aclose(self) -> None:
        """Close all connections and wait until their sockets are gone."""
        await self._opener.aclose()

    def abandon(self) -> None:
        """Let go of the sockets without a word: in a forked child, or when the loop is closed."""
        self._opener.abandon()
