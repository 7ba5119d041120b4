"""The command as tests run it: inside this process, or as its users do."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

from pika_redis import RedisService
from pika_redis.cli.app import run
from pika_redis.testing.server import EmbeddedServer

PROGRAM = [sys.executable, "-W", "error", "-m", "pika_redis"]
_OURS = ("REDIS_", "CACHE_", "DEFAULT_CACHE_TTL", "MAX_CACHE_KEY_LENGTH", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


@dataclass(frozen=True)
class Ended:
    """How a run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line on standard error."""
        assert self.err.startswith("pika-redis: ")
        assert self.err.count("\n") == 1
        return self.err.removeprefix("pika-redis: ").rstrip("\n")


@dataclass(frozen=True)
class Command:
    """The command on one server and prefix."""

    server: EmbeddedServer
    prefix: str

    @property
    def environment(self) -> dict[str, str]:
        return {"REDIS_URL": self.server.url, "REDIS_KEY_PREFIX": self.prefix}

    def __call__(self, *words: str, stdin: bytes | None = None) -> Ended:
        return called(*words, environment=self.environment, stdin=stdin)

    def started(self, *words: str, stdin: bytes = b"") -> Ended:
        return started(*words, environment=self.environment, stdin=stdin)

    def raw(self, *command: str | bytes) -> Any:
        """The server's reply to a command of its own."""
        return raw(self.server.url, *command)


def environment_with(ours: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with no other setting of the cache than these."""
    rest = {name: text for name, text in os.environ.items() if not name.startswith(_OURS)}
    return {**rest, **ours}


def called(*words: str, environment: Mapping[str, str], stdin: bytes | None = None) -> Ended:
    """Run the command in this process. Without `stdin` standard input is closed."""
    out, err = io.StringIO(), io.StringIO()
    standard_input = None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin))
    with (
        mock.patch.dict(os.environ, environment_with(environment), clear=True),
        mock.patch.object(sys, "stdin", standard_input),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run(words)
    return Ended(code, out.getvalue(), err.getvalue())


def started(*words: str, environment: Mapping[str, str], stdin: bytes = b"", program: Sequence[str] = PROGRAM) -> Ended:
    """Run the command in a process of its own, with warnings as errors."""
    ended = subprocess.run(
        [*program, *words], env=environment_with(environment), input=stdin, capture_output=True, timeout=30, check=False
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def raw(url: str, *command: str | bytes) -> Any:
    """The server's reply to a command of its own."""

    async def ask() -> Any:
        async with RedisService(url) as service:
            return await service.execute(*command)

    return asyncio.run(ask())
