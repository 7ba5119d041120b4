"""Steps on one server: they leave in one batch, in their order, and all that are to be read in one MGET."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

from ..errors import CacheError, CacheServerError
from .connection import Command, Connection, Reply
from .link import NoConnection
from .repeat import Repeat
from .replies import NOT_RUN, Disconnected
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
        plan = _Plan.of(steps)
        try:
            replies = await self._served_steps(plan.sent)
        except Disconnected as lost:
            replies = await self.again(lambda: self._served_steps(plan.sent), lost, repeat, attempts)
        return plan.given(replies)

    async def run_over(
        self, script: Script, keys: Sequence[KeyT], arguments: Sequence[str | bytes | int], see: SeeKeys[KeyT]
    ) -> int:
        """Run a script that may be repeated over many keys; gives the sum of what it gives. `see` makes observers.

        Raises as `take`, and CacheServerError.
        """
        total = 0
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            (replies,) = await self.take([Step(page[0], [Call(script, page, arguments)], _first(see(page)))])
            total += cast("int", checked(replies)[0])
        return total

    def tell(self, key: str, command: Command | Call, lost: Callable[[], None] = nothing) -> None:
        """Send a command about a key, and wait for nothing. `lost` is called when no reply comes."""
        (sent,) = resolved([command], set())

        def answered(asked: asyncio.Future[Reply]) -> None:
            if not asked.cancelled() and isinstance(asked.exception(), Disconnected):
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
            for at, (one, reply) in enumerate(zip(step.commands, given, strict=False)):  # an MGET became one a key
                if not isinstance(one, Call):
                    continue
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """How steps are sent to one server, and what their callers get."""

    steps: Batch
    sent: list[Step]
    places: list[tuple[int, slice]]
    """For each step the number of what was sent, and which of its replies are the step's."""

    @staticmethod
    def of(steps: Batch) -> _Plan:
        sent: list[Step] = []
        places: list[tuple[int, slice]] = []
        together: list[Reads] = []
        for step in steps:
            if isinstance(step, Reads):
                start = sum(len(one.keys) for one in together)
                together.append(step)
                places.append((len(sent), slice(start, start + len(step.keys))))
                continue
            if together:
                sent.append(_mget(together))
                together = []
            places.append((len(sent), slice(None)))
            sent.append(step)
        if together:
            sent.append(_mget(together))
        return _Plan(steps, sent, places)

    def given(self, replies: Sequence[Sequence[Reply]]) -> list[list[Reply]]:
        """The replies to each step. Raises the error of a read."""
        found: list[list[Reply]] = []
        for step, (number, part) in zip(self.steps, self.places, strict=True):
            mine = replies[number]
            if isinstance(step, Reads) and isinstance(mine[0], CacheError) and len(self.sent[number].commands) == 1:
                raise mine[0]
            found.append(list(mine[part]))
        return found


def _mget(together: Sequence[Reads]) -> Step:
    """One command for several reads. Its replies become what those who see them give."""
    keys = [key for one in together for key in one.keys]

    def see(replies: Reply) -> Reply:
        raws = cast("list[Reply]", replies)[0]
        if isinstance(raws, list):
            at = iter(raws)
            cast("list[Reply]", replies)[:] = [one.see(key, next(at)) for one in together for key in one.keys]
        return replies

    return Step(keys[0], [("MGET", *keys)], see)


def _first(see: Observer) -> Observer:
    """The observer of one command, for the list of its reply."""
    return lambda replies: see(cast("list[Reply]", replies)[0])


def checked(replies: list[Reply]) -> list[Reply]:
    """The replies, unless one of them is an error, which is raised."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def answers(replies: Sequence[Sequence[Reply]]) -> list[Reply]:
    """The replies to all steps in one list. Raises the first error among them."""
    return checked([reply for given in replies for reply in given])
