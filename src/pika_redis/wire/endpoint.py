"""Where a server listens, and everything a connection to it needs to know."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from .backoff import RetryPolicy
from .limits import Limits

__all__ = ["Credentials", "Endpoint"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are. The password never shows."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server listens and how to treat it: TCP (`host`, `port`) or a unix socket (`path`); seconds."""

    host: str = "localhost"
    port: int = 6379
    path: str | None = None
    tls: ssl.SSLContext | None = None
    credentials: Credentials = field(default_factory=Credentials)
    limits: Limits = field(default_factory=Limits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_timeout: float = 10.0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"
