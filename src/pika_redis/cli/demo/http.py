"""A lean HTTP/1.1 client for loopback: keep-alive connections and nothing else, so that the service is measured."""

from __future__ import annotations

import asyncio
import json
from typing import Any

__all__ = ["Client"]


class Client:
    """Some keep-alive connections to one server. `ask` takes a free one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, method: str, path: str) -> Any:  # noqa: ANN401 (whatever JSON holds)
        """The decoded JSON answer. Raises RuntimeError for a status other than 200."""
        if self._free:
            reader, writer = self._free.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: demo\r\ncontent-length: 0\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        length = next(int(line.split(":", 1)[1]) for line in lines if line.lower().startswith("content-length:"))
        body = await reader.readexactly(length)
        self._free.append((reader, writer))
        status = int(lines[0].split(" ", 2)[1])
        if status != 200:
            raise RuntimeError(f"{method} {path}: HTTP {status} {body[:200]!r}")
        return json.loads(body)

    async def aclose(self) -> None:
        """Close all connections."""
        for _, writer in self._free:
            writer.close()
        for _, writer in self._free:
            await writer.wait_closed()
        self._free.clear()
