"""The first words on a connection, all in one write, and what the server says of itself.

`CLIENT KILL ID <predecessor>` stands right after the login: a write of ours that is stuck in the old connection's
flow must not reach the server after what the new connection does (a stalled SET that lands after an acknowledged
DELETE would bring the old value back).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import AccessDeniedError, CacheError, CacheServerError, CacheUnavailableError
from .connection import Command, Connection, Reply

__all__ = ["Credentials", "ServerFacts", "TimeSample", "shake_hands"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are. The password never shows."""

    username: str | None = None
    password: str | None = None
    db: int = 0

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, db={self.db})"


@dataclass(frozen=True, slots=True)
class TimeSample:
    """One reading of the server's clock: its milliseconds at our `monotonic` seconds, give or take the round trip."""

    server_ms: float
    monotonic: float
    round_trip: float

    @staticmethod
    def of(reply: Reply, sent: float, received: float) -> TimeSample:
        """From a reply to TIME; the server read its clock about half-way between sending and receiving."""
        assert isinstance(reply, list)
        seconds, micros = reply
        return TimeSample(int(seconds) * 1000 + int(micros) / 1000, (sent + received) / 2, received - sent)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server answered to HELLO and TIME."""

    name: str
    version: str
    role: str
    client_id: int
    time: TimeSample


async def shake_hands(connection: Connection, credentials: Credentials, predecessor: int | None) -> ServerFacts:
    """Log in, speak RESP3, end the predecessor, select the database, read the clock.

    Raises AccessDeniedError for refused credentials, CacheUnavailableError for a server that can't serve now or
    is too old for RESP3.
    """
    commands = _commands(credentials, predecessor)
    sent = time.monotonic()
    replies = await connection.call_many(commands)
    received = time.monotonic()
    hello, clock = replies[0], replies[-1]
    for command, reply in zip(commands, replies, strict=True):
        if isinstance(reply, CacheError) and command[0] != "CLIENT":
            raise _explained(reply, str(command[0]))
    if not isinstance(hello, dict):
        raise CacheUnavailableError("the server does not speak RESP3 (Redis 6 or newer, Valkey 7.2 or newer do)")
    facts: Mapping[bytes, Reply] = hello
    return ServerFacts(
        name=_text(facts.get(b"server")),
        version=_text(facts.get(b"version")),
        role=_text(facts.get(b"role")),
        client_id=int(str(facts.get(b"id", 0))),
        time=TimeSample.of(clock, sent, received),
    )


def _commands(credentials: Credentials, predecessor: int | None) -> list[Command]:
    hello: Command = ("HELLO", 3)
    if credentials.password is not None:
        hello = (*hello, "AUTH", credentials.username or "default", credentials.password)
    commands: list[Command] = [hello, ("CLIENT", "SETNAME", "pika-redis")]
    if predecessor is not None:
        commands.append(("CLIENT", "KILL", "ID", predecessor))
    if credentials.db:
        commands.append(("SELECT", credentials.db))
    commands.append(("TIME",))
    return commands


def _explained(error: CacheError, verb: str) -> CacheError:
    if isinstance(error, AccessDeniedError) and error.code == "NOAUTH":
        return AccessDeniedError("the server asks for a password and none is set (REDIS_PASSWORD)", code="NOAUTH")
    if isinstance(error, CacheServerError) and verb == "HELLO" and error.code in ("NOPROTO", "ERR"):
        return CacheUnavailableError(f"the server does not speak RESP3: {error}")
    return error


def _text(value: Reply) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
