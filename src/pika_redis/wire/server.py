"""What the rooms above call: one server, or a cluster that looks like one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from .connection import Command, Connection, Reply
from .link import NoConnection
from .repeat import Repeat
from .replies import Disconnected
from .scripts import Script
from .slots import Observer
from .steps import Call
from .stepwise import Batch, KeyT, SeeKeys, nothing

__all__ = ["Server"]

_ReplyT = TypeVar("_ReplyT")


class Server(Protocol):
    """A `Node` or a `Cluster`. In a cluster a command goes to the node of its first key."""

    connection: Connection | NoConnection
    """The connection T of a single server. A cluster has none: what stands here refuses."""

    @property
    def patience(self) -> float:
        """Seconds without progress after which callers stop waiting."""
        ...

    async def call(
        self,
        command: Command,
        repeat: Repeat = Repeat.ALWAYS,
        see: Observer | None = None,
        attempts: int | None = None,
    ) -> Reply:
        """The reply to one command, which `see` sees first."""
        ...

    async def call_many(
        self, commands: Sequence[Command], repeat: Repeat = Repeat.ALWAYS, see: Observer | None = None
    ) -> list[Reply]:
        """The replies to several commands about one key, sent together."""
        ...

    async def run(
        self,
        script: Script,
        key: str,
        arguments: Sequence[str | bytes | int],
        repeat: Repeat = Repeat.ALWAYS,
        see: Observer | None = None,
    ) -> Reply:
        """Run a script on a key."""
        ...

    async def run_over(
        self, script: Script, keys: Sequence[KeyT], arguments: Sequence[str | bytes | int], see: SeeKeys[KeyT]
    ) -> int:
        """Run a script over many keys; gives the sum of what it gives."""
        ...

    async def take(
        self, steps: Batch, repeat: Repeat = Repeat.ALWAYS, attempts: int | None = None
    ) -> list[list[Reply]]:
        """The replies to each of several steps."""
        ...

    def tell(self, key: str, command: Command | Call, lost: Callable[[], None] = nothing) -> None:
        """Send a command about a key, and wait for nothing. `lost` is called when no reply comes."""
        ...

    async def again(
        self, send: Callable[[], Awaitable[_ReplyT]], lost: Disconnected, repeat: Repeat, attempts: int | None = None
    ) -> _ReplyT:
        """Repeat a call over `connection` that got no reply, as its class allows."""
        ...

    async def ready(self) -> None:
        """Wait until calls can be answered."""
        ...

    def local_time(self, server_ms: float) -> float:
        """Seconds of our monotonic clock at this time of the server's."""
        ...

    def server_ms(self) -> int:
        """The server's time now in milliseconds."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...

    def abandon(self) -> None:
        """Let go of the sockets without a word."""
        ...
