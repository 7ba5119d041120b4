"""The command on the session's server, with a prefix of each test's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pika_redis.testing.server import EmbeddedServer

from .command import Command


@pytest.fixture
def command(valkey_server: EmbeddedServer, prefix: str) -> Command:
    return Command(valkey_server, prefix)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections: it is taken and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server
