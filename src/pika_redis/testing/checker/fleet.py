"""The processes of a run: started, sent off together, waited for, and ended whatever happens.

A `Fleet` owns everything that a run needs: a temporary folder with the database and the logs, a server when none is
given, the workers, and a key prefix that nobody else uses. Leaving it ends the workers by their ids, removes its keys
from a server that isn't its own, and removes the folder. Workers run in sessions of their own, so that Ctrl-C reaches
the parent alone, and they end by themselves when the parent dies.

Faults are injected from outside while `run` runs: `pids` says whom to pause, `kill` ends a worker for good, `server`
is the embedded server to pause or restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import importlib.util
import json
import sys
import tempfile
import uuid
from pathlib import Path
from time import monotonic_ns
from types import TracebackType
from typing import Self

from pika_redis import ArgumentError, CacheError, RedisService, escape_glob

from ...wire.embedded import EmbeddedServer
from .database import Database
from .log import History
from .plan import Plan
from .residue import Residue
from .worker import Orders
from .workload import FAILED_MARK

__all__ = ["CheckerError", "Fleet"]

_START_SECONDS = 60.0
_GRACE_SECONDS = 30.0
_SCAN_PAGE = 500
_TAIL = 2000
_COMPLAINTS = ("Traceback", "never retrieved", "never awaited", "ResourceWarning", "was destroyed")
_WORKER = "pika_redis.testing.checker.worker"


class CheckerError(RuntimeError):
    """A run that gives no verdict: a process didn't start, broke or didn't end. The message holds what it said."""


@dataclasses.dataclass(slots=True)
class _Worker:
    process: asyncio.subprocess.Process
    errors: Path
    killed: bool = False
    left: Residue = dataclasses.field(default_factory=Residue)


class Fleet:
    """The processes of one run; use it with ``async with``.

    Entering raises ArgumentError for a plan that can't be carried out here, ConfigurationError for a bad URL,
    CacheUnavailableError when the server doesn't answer, CheckerError when a process doesn't start.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.prefix = f"pika-checker:{uuid.uuid4().hex[:12]}:"
        """The prefix of all keys of the run."""
        self.server: EmbeddedServer | None = None
        """The run's own server; None when the plan names one."""
        self.server_name = ""
        """Name and version of the server."""
        self._workers: list[_Worker] = []
        self._folder = Path()
        self._stack = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        """The server's address."""
        return self.plan.url or (self.server.url if self.server is not None else "")

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.process.pid for worker in self._workers]

    async def __aenter__(self) -> Self:
        _refuse_what_cannot_be(self.plan)
        try:
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pika-checker-")))
            if self.plan.url is None:
                self.server = self._stack.enter_context(EmbeddedServer.start())
            else:
                self._stack.push_async_callback(self._remove_keys)
            self._stack.push_async_callback(self._end)
            await self._meet_the_server()
            Database.create(self._path("versions"), self.plan.keys)
            for number in range(self.plan.processes):
                self._workers.append(await self._start(number))
            await asyncio.gather(*[self._ready(worker) for worker in self._workers])
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Let all workers work together and wait for their end. Raises CheckerError when one of them broke."""
        deadline = monotonic_ns() + int(self.plan.seconds * 1e9)
        for worker in self._workers:
            assert worker.process.stdin is not None
            worker.process.stdin.write(f"go {deadline}\n".encode())
        try:
            async with asyncio.timeout(self.plan.seconds + _GRACE_SECONDS):
                await asyncio.gather(*[_ended(worker) for worker in self._workers])
        except TimeoutError:
            raise CheckerError(f"a process did not end within {_GRACE_SECONDS:g} s after its time was over") from None
        for number, worker in enumerate(self._workers):
            if worker.process.returncode and not worker.killed:
                raise CheckerError(f"process {number} ended with status {worker.process.returncode}:{_tail(worker)}")

    @property
    def left(self) -> Residue:
        """What the workers' services left behind when they were closed, all workers together."""
        return functools.reduce(Residue.plus, [worker.left for worker in self._workers], Residue())

    def complaints(self) -> list[str]:
        """The lines that workers wrote of exceptions nobody took, coroutines nobody awaited, sockets nobody closed."""
        return [line for line in self._said() if any(sign in line for sign in _COMPLAINTS)]

    def failures(self) -> list[str]:
        """The errors that calls raised, but for `add`: the first hundred of each worker."""
        return [line.removeprefix(FAILED_MARK) for line in self._said() if line.startswith(FAILED_MARK)]

    def _said(self) -> list[str]:
        return [line for worker in self._workers for line in worker.errors.read_text(errors="replace").splitlines()]

    def history(self) -> History:
        """What has been logged so far; read it before the fleet is left."""
        return History([path for number in range(self.plan.processes) if (path := self._log(number)).exists()])

    def kill(self, number: int) -> None:
        """SIGKILL for one worker, counted from 0; `run` then doesn't count its end as an error."""
        worker = self._workers[number]
        worker.killed = True
        with contextlib.suppress(ProcessLookupError):
            worker.process.kill()

    # -- workers ----------------------------------------------------------------------------------------------

    async def _start(self, number: int) -> _Worker:
        errors = self._path(f"worker-{number}.err")
        with errors.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                _WORKER,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                start_new_session=True,
            )
        assert process.stdin is not None
        orders = Orders(
            number,
            dataclasses.asdict(self.plan),
            self.url,
            self.prefix,
            str(self._path("versions")),
            str(self._log(number)),
        )
        process.stdin.write(json.dumps(dataclasses.asdict(orders)).encode() + b"\n")
        return _Worker(process, errors)

    async def _ready(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        try:
            async with asyncio.timeout(_START_SECONDS):
                said = await worker.process.stdout.readline()
        except TimeoutError:
            said = b""
        if said != b"ready\n":
            raise CheckerError(f"a process did not start:{_tail(worker)}")

    async def _end(self) -> None:
        for worker in self._workers:
            if worker.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    worker.process.kill()  # ends a paused one too; its log is complete up to here
        for worker in self._workers:
            if worker.process.stdin is not None:
                worker.process.stdin.close()
            await worker.process.wait()

    # -- the server -------------------------------------------------------------------------------------------

    async def _meet_the_server(self) -> None:
        async with self._own_service() as service:
            await service.connect()
            self.server_name = (await service.health_check()).server or "unknown"

    async def _remove_keys(self) -> None:
        """Leave nothing on a server that isn't ours: entries, tags, epoch."""
        with contextlib.suppress(CacheError):
            async with self._own_service() as service:
                cursor: bytes | int = 0
                while True:
                    pattern = f"{escape_glob(self.prefix)}*"
                    cursor, page = await service.execute("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_PAGE)
                    if page:
                        await service.execute("UNLINK", *page)
                    if int(cursor) == 0:
                        return

    def _own_service(self) -> RedisService:
        return RedisService(self.url, key_prefix=self.prefix)

    # -- files ------------------------------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        return self._folder / name

    def _log(self, number: int) -> Path:
        return self._path(f"worker-{number}.log")


def _refuse_what_cannot_be(plan: Plan) -> None:
    if sys.platform == "win32":
        raise ArgumentError("the checker's database needs POSIX file locks, which Windows doesn't have")
    if plan.url is not None and plan.url.partition(":")[0] in ("memory", "embedded"):
        raise ArgumentError(f"url must name a server that several processes reach, not {plan.url!r}")
    if plan.uvloop and importlib.util.find_spec("uvloop") is None:
        raise ArgumentError("uvloop is not installed: pip install 'pika-redis[uvloop]'")


async def _ended(worker: _Worker) -> None:
    assert worker.process.stdout is not None
    said = await worker.process.stdout.readline()
    await worker.process.wait()
    if said:
        worker.left = Residue(*json.loads(said))


def _tail(worker: _Worker) -> str:
    text = worker.errors.read_text(errors="replace").strip()
    return f"\n{text[-_TAIL:]}" if text else " it said nothing"
