"""How far a connection has come: what the socket took, and up to when the server is known to have answered."""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

__all__ = ["NEVER", "JointProof", "Proof", "Proven", "Upload"]

NEVER = -math.inf


class Upload:
    """Bytes on their way to the server."""

    __slots__ = ("_backlog", "_taken", "_written")

    def __init__(self) -> None:
        self._written = self._taken = self._backlog = 0  # given to the transport, taken by the kernel, between

    def wrote(self, count: int) -> None:
        """The transport was given so many bytes."""
        self._written += count

    def moves(self, backlog: int) -> bool:
        """Whether a full buffer, which holds `backlog` bytes now, has got emptier since the last look."""
        taken = self._written - backlog
        moved = self._backlog > 0 and taken > self._taken
        self._backlog, self._taken = backlog, taken
        return moved


class Proven(Protocol):
    """Something is known to have been true at a time."""

    @property
    def at(self) -> float:
        """Seconds of our monotonic clock."""
        ...


class Proof:
    """When the latest command that has its reply was written.

    At that time, or later, the server was there and sent everything that it had to tell before; all of it has been
    parsed, because it came first. So whatever it did before `at` and pushes is known here.
    """

    __slots__ = ("_writes", "at", "sent")

    def __init__(self) -> None:
        self.at = NEVER
        """Seconds of our monotonic clock."""
        self.sent = 0
        """How many commands have left."""
        self._writes: deque[tuple[int, float]] = deque()  # number of a write's first command, and when

    def wrote(self, commands: int, now: float) -> None:
        """So many commands leave now."""
        self._writes.append((self.sent, now))
        self.sent += commands

    def answered(self, due: int) -> None:
        """Replies were parsed; `due` commands that were written still have none."""
        answered = self.sent - due
        writes = self._writes
        while writes and writes[0][0] < answered:
            self.at = writes.popleft()[1]


class JointProof:
    """Of two things that must both be true: as old as the older one."""

    __slots__ = ("_one", "_other")

    def __init__(self, one: Proven, other: Proven) -> None:
        self._one = one
        self._other = other

    @property
    def at(self) -> float:
        return min(self._one.at, self._other.at)
