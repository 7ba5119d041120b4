"""Who is told what happens on the connection T, in wire order."""

from __future__ import annotations

from typing import Protocol

from .connection import Connection
from .framing import Push
from .handshake import ServerFacts

__all__ = ["Listener", "Nobody"]


class Listener(Protocol):
    """Told within the parser: it must be quick, and must not raise."""

    def made(self, connection: Connection, facts: ServerFacts) -> None:
        """A connection was made; nothing that was known of the server's keys counts any more."""
        ...

    def pushed(self, push: Push) -> None:
        """The server said something unasked."""
        ...

    def resumed(self) -> None:
        """The server makes progress again on a connection that was stalled."""
        ...

    def lost(self) -> None:
        """The connection is gone."""
        ...


class Nobody:
    """Does not care."""

    __slots__ = ()

    def made(self, connection: Connection, facts: ServerFacts) -> None: ...

    def pushed(self, push: Push) -> None: ...

    def resumed(self) -> None: ...

    def lost(self) -> None: ...
