"""What goes wrong with a server itself; the same for one that stands alone and for the primary of a set."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence

from pika_redis import CacheError

from ...wire.embedded import EmbeddedServer
from ..direct import Word, ask
from .fault import Begin, End, Fault, nothing

__all__ = ["Choice", "command_faults", "killed", "paused", "server_faults"]

Choice = Callable[[random.Random], EmbeddedServer]
"""Picks the server that is hit."""

_OOM_AT = 1


def server_faults(server: EmbeddedServer) -> Sequence[Fault]:
    """Of a server that stands alone: it loses everything when it is killed, and so nothing that could be stale."""

    def choice(_: random.Random) -> EmbeddedServer:
        return server

    return [
        Fault("killed", killed(choice), 0.0, 1.5),
        Fault("paused", paused(choice), 0.2, 3.0),
        Fault("paused briefly", paused(choice), 0.02, 0.3),
        Fault("clients paused", clients_paused(choice), 0.3, 2.0),
        Fault("out of memory", out_of_memory(choice), 0.5, 1.5),
        *command_faults(choice),
    ]


def command_faults(choice: Choice) -> Sequence[Fault]:
    """What an operator's commands do to a server that goes on."""
    return [
        Fault("clients killed", _told(choice, "CLIENT", "KILL", "TYPE", "normal")),
        Fault("flushed", _told(choice, "FLUSHALL")),
        Fault("scripts flushed", _told(choice, "SCRIPT", "FLUSH")),
    ]


def killed(choice: Choice) -> Begin:
    """SIGKILL; it comes back empty."""

    def begin(dice: random.Random) -> End:
        server = choice(dice)
        server.kill()
        return server.restart

    return begin


def paused(choice: Choice) -> Begin:
    """SIGSTOP."""

    def begin(dice: random.Random) -> End:
        server = choice(dice)
        server.pause()
        return server.resume

    return begin


def clients_paused(choice: Choice) -> Begin:
    """CLIENT PAUSE, of all commands or of those that write."""

    def begin(dice: random.Random) -> End:
        ask(choice(dice), "CLIENT", "PAUSE", dice.randrange(300, 2000), dice.choice(["ALL", "WRITE"]))
        return nothing

    return begin


def out_of_memory(choice: Choice) -> Begin:
    """No room for anything new, and no leave to evict."""

    def begin(dice: random.Random) -> End:
        server = choice(dice)
        ask(server, "CONFIG", "SET", "maxmemory", _OOM_AT)
        return lambda: ask(server, "CONFIG", "SET", "maxmemory", 0)

    return begin


def _told(choice: Choice, *command: Word) -> Begin:
    def begin(dice: random.Random) -> End:
        with contextlib.suppress(CacheError):  # it kills our own connection too
            ask(choice(dice), *command)
        return nothing

    return begin
