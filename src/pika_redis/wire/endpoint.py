"""Where a server listens, and everything a connection to it needs to know."""

from __future__ import annotations

import math
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ..model.secret import Secret
from .address import HostPort, shown_place
from .backoff import RetryPolicy
from .limits import Limits

__all__ = ["CredentialProvider", "Credentials", "Endpoint", "SentinelSet"]

_Given: TypeAlias = str | Secret | tuple[str | None, str | Secret]
CredentialProvider: TypeAlias = Callable[[], _Given | Awaitable[_Given]]
"""Gives a password, or a user and a password. A plain function is called in a thread."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are. The password never shows."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    setting: str = "REDIS_PASSWORD"
    """Where the password is set, for errors."""


@dataclass(frozen=True, slots=True)
class SentinelSet:
    """The sentinels that know where the server is."""

    hosts: tuple[HostPort, ...]
    master: str
    """The name under which they watch it."""
    credentials: Credentials = field(default_factory=Credentials)
    proves: bool = True
    """Whether copies in memory are served only while a sentinel confirms that the server is the primary."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server listens and how to treat it: TCP (`host`, `port`) or a unix socket (`path`); seconds.

    With `sentinels` it is where they say, and host and port mean nothing.
    """

    host: str = "localhost"
    port: int = 6379
    path: str | None = None
    tls: ssl.SSLContext | None = None
    credentials: Credentials = field(default_factory=Credentials)
    provider: CredentialProvider | None = field(default=None, repr=False)
    """Asked for user and password at every connect, in the place of `credentials`."""
    limits: Limits = field(default_factory=Limits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_timeout: float = 10.0
    max_age: float = math.inf
    """After about so many seconds a connection is replaced."""
    sentinels: SentinelSet | None = None

    def __str__(self) -> str:
        if self.sentinels is not None:
            return f"the primary of {self.sentinels.master}"
        return self.path or shown_place(self.host, self.port)
