"""One command to one server, over a connection of its own: how harnesses and tests talk to a node by name.

No service, no routing, no retry: what the server says is what comes back.
"""

from __future__ import annotations

import socket
from typing import Any, TypeAlias

import hiredis

from ..errors import CacheUnavailableError
from ..wire.address import parse_url
from ..wire.embedded import EmbeddedServer
from ..wire.framing import Argument
from ..wire.packing import pack
from ..wire.replies import reply_error

__all__ = ["Word", "ask"]

Word: TypeAlias = Argument

_NOT_YET = object()


def ask(server: EmbeddedServer, *command: Word, timeout: float = 10.0) -> Any:  # noqa: ANN401 (a reply has any shape)
    """The reply to a command: bytes, int, None or a list of them. Blocks, at most `timeout` seconds a step.

    Raises CacheUnavailableError when the server can't be reached or doesn't answer, and for an error reply the error
    that a service would raise.
    """
    password = parse_url(server.url).password
    commands = [("AUTH", password.reveal())] if password else []
    reader = hiredis.Reader(notEnoughData=_NOT_YET)
    try:
        with socket.create_connection((server.host, server.port), timeout=timeout) as connection:
            packed = [pack(one) for one in (*commands, command)]
            connection.sendall(b"".join(packed))
            replies = [_reply(connection, reader) for _ in range(len(commands) + 1)]
    except OSError as error:
        raise CacheUnavailableError(f"{server} gave no answer: {error}") from error
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            raise reply_error(str(reply))
    return replies[-1]


def _reply(connection: socket.socket, reader: hiredis.Reader) -> object:
    while (reply := reader.gets()) is _NOT_YET:
        data = connection.recv(65536)
        if not data:
            raise ConnectionResetError("the connection was closed")
        reader.feed(data)
    return reply
