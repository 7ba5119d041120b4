"""One command's work on one service: connect, do it, close."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import click

from pika_redis import CacheError, RedisService

from .failure import failure_of
from .output import Output
from .target import Target

__all__ = ["Session", "on_server", "server_options"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """Where a command works and where its answer goes."""

    target: Target
    out: Output

    def work(self, task: Callable[[RedisService], Awaitable[T]], *, connect: bool = True) -> T:
        """Give the task a service, connected unless told otherwise; gives what it returns. Raises Failure."""
        try:
            return asyncio.run(self._work(task, connect))
        except CacheError as error:
            raise failure_of(error, self.target.source) from error

    async def _work(self, task: Callable[[RedisService], Awaitable[T]], connect: bool) -> T:
        asyncio.get_running_loop().set_default_executor(_LookUps())
        service = RedisService(self.target.config(), on_unavailable="raise")
        try:
            if connect:
                await service.connect()
            return await task(service)
        finally:
            await service.aclose()


class _LookUps(ThreadPoolExecutor):
    """Threads for the loop's name look-ups. A look-up can't be stopped, so the end of the command leaves it behind."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # from here on nobody can cancel it under the thread

        def look_up() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 (handed to whoever waits)
                future.set_exception(error)

        threading.Thread(target=look_up, name="pika-redis look-up", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing: daemon threads end with the process."""


def server_options(command: Callable[..., T]) -> Callable[..., T]:
    """Add --url, --prefix and --json, which stand before the command's name or behind it."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."),
        click.option(
            "--prefix", metavar="TEXT", help="Key prefix of the application.  [default: REDIS_KEY_PREFIX, or pika:]"
        ),
        click.option("--url", metavar="URL", help="The server, such as redis://localhost:6379.  [default: REDIS_URL]"),
    ):
        command = option(command)
    return command


def on_server(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options of `server_options`; the command is given a Session in their place."""

    @server_options
    @functools.wraps(command)
    def with_session(*, url: str | None, prefix: str | None, as_json: bool, **given: object) -> int:
        before = click.get_current_context().find_root().params
        target = Target(
            url=before.get("url") if url is None else url, prefix=before.get("prefix") if prefix is None else prefix
        )
        return command(Session(target, Output(as_json=as_json or before.get("as_json", False))), **given)

    return with_session
