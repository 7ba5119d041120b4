"""What a library can do over a server, in one form for all.

Attributes hold functions, not methods: a library's own method goes in as it is wherever its form fits, so that the
adapter costs nobody anything. Values are strings; a library without a codec of its own gives bytes back, and so do
those whose codec can be switched off, which spares them the work. What is stored gets a time to live, as in a cache.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

__all__ = ["POOL", "TTL", "Address", "Opened", "ServerPeer"]

TTL = 3600
"""Seconds to live of everything that is stored."""

POOL = 100
"""The most connections that a pool gets: beyond, every library that pools was slower (1 000 tasks over 1 000
connections: 1 200 to 1 600 reads a second for redis-py, against 3 000 over 100)."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ServerPeer:
    """A library, connected. `get_many` and `set_many` are None where it has none."""

    get: Callable[[str], Awaitable[object]]
    set: Callable[[str, str], Awaitable[object]]
    get_many: Callable[[Sequence[str]], Awaitable[Sequence[object]]] | None = None
    set_many: Callable[[Mapping[str, bytes]], Awaitable[object]] | None = None


Opened = Callable[[Address, int], AbstractAsyncContextManager[ServerPeer]]
"""Opens a library for so many tasks at once."""
