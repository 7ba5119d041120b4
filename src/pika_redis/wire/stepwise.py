"""Steps on one server: they leave in one batch, in their order, and what is to be read in one MGET."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

from ..errors import CacheError, CacheServerError
from .connection import Command, Connection, Reply
from .link import NoConnection
from .repeat import Repeat
from .replies import NOT_RUN, Disconnected, Redirected
from .scripts import Script
from .slots import Observer
from .steps import Call, Reads, Step, StepSlot, resolved

__all__ = ["Batch", "KeyT", "SeeKeys", "Stepwise", "answers", "checked", "nothing"]

_PAGE = 1000
Batch: TypeAlias = Sequence[Step | Reads]
KeyT = TypeVar("KeyT", str, bytes)
SeeKeys: TypeAlias = Callable[[Sequence[KeyT]], Observer]
"""Makes an observer for the reply to a command about these keys."""


def nothing() -> None:
    """Nothing is to be done."""


class Stepwise(abc.ABC):
    """The part of `Node` that sends steps."""

    connection: Connection | NoConnection
    _loop: asyncio.AbstractEventLoop
    _scripts: set[str]

    @abc.abstractmethod
    async def run(
        self,
        script: Script,
        key: str | Sequence[str | bytes],
        arguments: Sequence[str | bytes | int],
        repeat: Repeat = Repeat.ALWAYS,
        see: Observer | None = None,
    ) -> Reply:
        """Run a script on a key or several."""

    @abc.abstractmethod
    async def again(
        self, send: Callable[[], Awaitable[Any]], lost: Disconnected, repeat: Repeat, attempts: int | None = None
    ) -> Any:  # noqa: ANN401 (what `send` gives)
        """Repeat a call that got no reply, as its class allows."""

    async def take(
        self, steps: Batch, repeat: Repeat = Repeat.ALWAYS, attempts: int | None = None
    ) -> list[list[Reply]]:
        """The replies to each step: of a `Step` as they are, errors among them; of a `Reads` what its `see` gave.

        Raises CacheUnavailableError, OutcomeUnknownError, CacheClosedError, and CacheServerError for a read refused.
        """
        sent = [step if isinstance(step, Step) else _mget(step) for step in steps]
        try:
            replies = await self._served_steps(sent)
        except Disconnected as lost:
            replies = await self.again(lambda: self._served_steps(sent), lost, repeat, attempts)
        for step, given in zip(steps, replies, strict=True):
            if isinstance(given[0], CacheError) and isinstance(step, Reads):
                raise given[0]
        return replies

    async def run_over(
        self, script: Script, keys: Sequence[KeyT], arguments: Sequence[str | bytes | int], see: SeeKeys[KeyT]
    ) -> int:
        """Run a script that may be repeated over many keys; gives the sum of what it gives. `see` makes observers.

        Raises as `take`, and CacheServerError.
        """
        total = 0
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            total += cast("int", await self.run(script, page, arguments, see=see(page)))
        return total

    def tell(self, key: str, command: Command | Call, lost: Callable[[], None] = nothing) -> None:
        """Send a command about a key, and wait for nothing. `lost` is called when no reply comes."""
        (sent,) = resolved([command], set())

        def answered(asked: asyncio.Future[Reply]) -> None:
            if not asked.cancelled() and isinstance(asked.exception(), Disconnected | Redirected):
                lost()

        try:
            self.connection.call(sent).add_done_callback(answered)
        except Disconnected:
            lost()

    def ask_steps(self, steps: Sequence[Step], *, source: bool = False) -> asyncio.Future[list[list[Reply]]]:
        """Send once, scripts by their `source` or as the server knows them. Raises Disconnected."""
        future: asyncio.Future[list[list[Reply]]] = self._loop.create_future()
        commands: list[Command] = []
        sizes: list[tuple[int, Observer | None]] = []
        for step in steps:
            commands += resolved(step.commands, self._scripts, source=source)
            sizes.append((len(step.commands), step.see))
        self.connection.send(commands, [StepSlot(future, sizes)] * len(commands))
        return future

    def knows(self, steps: Sequence[Step], replies: Sequence[list[Reply]]) -> bool:
        """Note which scripts were answered, so that they are known; whether none was unknown.

        The error of a script that may not do something says what it needs.
        """
        known = True
        for step, given in zip(steps, replies, strict=True):
            for at, one in enumerate(step.commands):
                if not isinstance(one, Call):
                    continue
                reply = given[at]
                if not isinstance(reply, CacheError):
                    self._scripts.add(one.script.digest)
                elif isinstance(reply, CacheServerError):
                    given[at] = one.script.explain(reply)
                    if reply.code == "NOSCRIPT":
                        self._scripts.discard(one.script.digest)
                        known = False
        return known

    async def _served_steps(self, steps: Sequence[Step]) -> list[list[Reply]]:
        replies = await self.ask_steps(steps)
        if not self.knows(steps, replies):
            replies = await self.ask_steps(steps, source=True)
            self.knows(steps, replies)
        first = replies[0][0]
        if isinstance(first, NOT_RUN) and all(isinstance(one, NOT_RUN) for given in replies for one in given):
            raise first
        return replies


def _mget(reads: Reads) -> Step:
    """One command for all of them. Its replies become what who sees them gives."""
    keys = reads.keys

    def see(replies: Reply) -> Reply:
        given = cast("list[Reply]", replies)
        raws = given[0]
        if isinstance(raws, list):
            given[:] = map(reads.see, keys, raws)
        return replies

    return Step(keys[0], (("MGET", *keys),), see)


def checked(replies: list[Reply]) -> list[Reply]:
    """The replies, unless one of them is an error, which is raised."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def answers(replies: Sequence[Sequence[Reply]]) -> list[Reply]:
    """The replies to all steps in one list. Raises the first error among them."""
    return checked([reply for given in replies for reply in given])
