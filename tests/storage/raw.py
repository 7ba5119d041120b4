"""A connection to a server without any of our code: what it sends, in the order of the wire."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Any, Self, TypeAlias

import hiredis

from pika_redis.testing import EmbeddedServer

__all__ = ["Raw", "Word"]

Word: TypeAlias = str | bytes | int
_NOT_ENOUGH = object()


class Raw:
    """Speaks RESP3. Replies and pushes are told apart; a reply to PING is a fence behind everything before it."""

    def __init__(self, server: EmbeddedServer, *, track: bool = False) -> None:
        self._socket = socket.create_connection((server.host, server.port), timeout=30)
        self._reader = hiredis.Reader(notEnoughData=_NOT_ENOUGH)
        self.pushed: list[Any] = []
        """The keys that the server said have changed since `told` was asked; None = everything."""
        self("HELLO", 3)
        if track:
            self("CLIENT", "TRACKING", "ON")

    def __call__(self, *words: Word) -> Any:
        """The reply to one command; an error reply is raised."""
        reply = self.wire(words)[-1]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def post(self, *words: Word) -> None:
        """Send one command whose reply is not waited for: the next thing asked here would take it for its own."""
        self._socket.sendall(hiredis.pack_command(words))  # type: ignore[arg-type]

    def wire(self, *commands: tuple[Word, ...]) -> list[Any]:
        """What comes until the last of these commands, sent in one segment, is answered: replies, and pushes as tuples.

        An error reply stands in the list.
        """
        self._socket.sendall(b"".join(hiredis.pack_command(words) for words in commands))  # type: ignore[arg-type]
        seen: list[Any] = []
        due = len(commands)
        while due:
            came = self._next()
            if isinstance(came, hiredis.PushNotification):
                keys = None if came[1] is None else tuple(came[1])
                self.pushed += [None] if keys is None else keys
                seen.append(("push", keys))
            else:
                seen.append(came)
                due -= 1
        return seen

    def told(self) -> list[Any]:
        """The keys that changed since the last call, as far as the server had told by now."""
        self("PING")
        pushed, self.pushed = self.pushed, []
        return pushed

    def await_push(self) -> Any:
        """The next thing that comes unasked: the keys of a push, None for everything."""
        while not self.pushed:
            came = self._next()
            assert isinstance(came, hiredis.PushNotification)
            self.pushed += [None] if came[1] is None else came[1]
        return self.pushed.pop(0)

    def _next(self) -> Any:
        while (came := self._reader.gets()) is _NOT_ENOUGH:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(data)
        return came

    @staticmethod
    def figure(info: bytes, name: str) -> str:
        """One line of a reply to INFO."""
        return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)[name]

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
