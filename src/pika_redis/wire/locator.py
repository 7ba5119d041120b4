"""Where the server is: at a fixed place, or where somebody says who is asked anew at every connect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from .address import HostPort
from .endpoint import Endpoint
from .handshake import ServerFacts
from .progress import Proven

__all__ = ["Fixed", "Locator", "MovedHandler"]

MovedHandler: TypeAlias = Callable[[str, HostPort | None], None]
"""Told with the reason that what is connected is not where the server is, and where that is, if that is known."""


class Locator(Protocol):
    """Knows where the connection T is to go, and whether it is still there."""

    async def locate(self) -> Endpoint:
        """Where the server is now. Raises CacheUnavailableError, AccessDeniedError."""
        ...

    def settle(self, facts: ServerFacts | None) -> None:
        """The connection T was made; None = it was lost."""
        ...

    def believes(self, role: str) -> bool:
        """Whether a server that says this of its role may be used."""
        ...

    def proof(self, of: Proven) -> Proven:
        """What proves that copies in memory are true, given the proof of the connection T."""
        ...

    def confirm(self) -> None:
        """See to it that the proof gets younger. Waits for nothing."""
        ...

    async def aclose(self) -> None:
        """Stop asking."""
        ...

    def abandon(self) -> None:
        """In a forked child, or when the loop is closed: let go of everything."""
        ...


class Fixed:
    """The server is where its endpoint says, and nobody needs to be asked."""

    __slots__ = ("_endpoint",)

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def locate(self) -> Endpoint:
        return self._endpoint

    def settle(self, facts: ServerFacts | None) -> None: ...

    def believes(self, role: str) -> bool:
        return True

    def proof(self, of: Proven) -> Proven:
        return of

    def confirm(self) -> None: ...

    async def aclose(self) -> None: ...

    def abandon(self) -> None: ...
