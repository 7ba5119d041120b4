"""How much a connection takes on, and how long it is patient."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection; times in seconds, `math.inf` = none."""

    stall: float = 1.0
    """Without progress for so long callers stop waiting; nobody waits longer for room."""
    command_timeout: float = 5.0
    """Without progress for so long the connection is closed."""
    in_flight: int = 10_000
    """Commands that were sent, or are about to be, and have no reply yet."""
    waiting: int = 100_000
    """Callers that wait for room."""
    repeating: int = 10_000
    """Callers that wait for a connection, and as many that pause before they repeat; more are refused at once."""
    unsent_bytes: int = 32 * 1024 * 1024
    """Bytes that the socket has not taken; the command that crosses the bound still goes."""
    reply_bytes: int = 512 * 1024 * 1024
    """Unparsed bytes of one reply."""
