"""Where replies go, and where callers wait until there is room for their commands."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, TypeAlias, cast

from ..errors import CacheError, CacheUsageError
from .framing import Command, Reply
from .packing import pack_all

__all__ = ["Batch", "Line", "Observed", "ObservedBatch", "Observer", "Slot", "Ticket", "Waiter", "ignored", "refuse"]


_TWO: Final = ((), ())  # commands to come: one, or a write with the read behind it


class Slot(Protocol):
    """Takes one reply. A Future does; so do a `Batch`, which takes several, and an `Observed`."""

    def done(self) -> bool: ...
    def set_result(self, result: Reply, /) -> None: ...
    def set_exception(self, exception: BaseException, /) -> None: ...


class Batch:
    """Consecutive slots that resolve one future with the list of their replies; error replies stand in the list."""

    __slots__ = ("done", "future", "left", "replies")

    def __init__(self, future: asyncio.Future[list[Reply]], size: int) -> None:
        self.done = future.done
        self.future = future
        self.left = size
        self.replies: list[Reply] = []

    def set_result(self, result: Reply, /) -> None:
        self.replies.append(result)
        self.left -= 1
        if not self.left:
            self.future.set_result(self.replies)

    set_exception = set_result


Observer: TypeAlias = Callable[[Reply], Reply]
"""Sees a reply in the parser, in wire order, before anybody else can run, also if the caller has gone by then.

An error reply is shown like any other. What the observer gives is what the caller gets; it must not raise.
"""


class Observed:
    """A slot whose reply an observer sees first."""

    __slots__ = ("_see", "future")

    def __init__(self, future: asyncio.Future[Reply], see: Observer) -> None:
        self.future = future
        self._see = see

    def done(self) -> bool:
        return False

    def set_result(self, result: object, /) -> None:
        seen = self._see(result)
        if not self.future.done():
            if isinstance(seen, CacheError):
                self.future.set_exception(seen)
            else:
                self.future.set_result(seen)

    set_exception = set_result


class ObservedBatch(Batch):
    """A batch whose replies an observer sees when the last of them is there.

    Pushes may have stood between them: of what the server tells of, only the last reply is news when it is seen.
    """

    __slots__ = ("_see",)

    def __init__(self, future: asyncio.Future[list[Reply]], size: int, see: Observer) -> None:
        super().__init__(future, size)
        self.done = _never
        self._see = see

    def set_result(self, result: Reply, /) -> None:
        self.replies.append(result)
        self.left -= 1
        if not self.left:
            self._see(self.replies)
            if not self.future.done():
                self.future.set_result(self.replies)

    set_exception = set_result


def _never() -> bool:
    return False


def refuse(slot: Slot, error: CacheError) -> None:
    """No reply will come. Each caller needs an error of its own: tracebacks are attached to it."""
    future = _caller_of(slot)
    if not future.done():
        future.set_exception(error)


def ignored(asked: asyncio.Future[Any]) -> None:
    """Nobody waits for this reply: take note of its error, or the loop would complain that nobody did."""
    if not asked.cancelled():
        asked.exception()


def _caller_of(slot: Slot) -> asyncio.Future[Reply]:
    return cast("asyncio.Future[Reply]", getattr(slot, "future", slot))


@dataclass(slots=True)
class Waiter:
    """A caller that waits for room."""

    slots: Sequence[Slot]
    commands: Sequence[Command]
    waited: int = 0
    """Ticks in lines that it has left."""
    since: int = 0
    """The tick of its line at which it would have joined, had it waited there all the time."""

    comes_back: ClassVar[int] = 0
    """How many commands may come when it has entered."""

    def has_left(self) -> bool:
        """Whether nobody waits for any of the replies any more."""
        for slot in self.slots:  # noqa: SIM110 (no generator: a hundred thousand may stand in line)
            if not _caller_of(slot).done():
                return False
        return True

    def enter(self, queue: Callable[[bytes, Sequence[Slot]], None]) -> None:
        """There is room: the commands go, or are refused because they can't be packed."""
        try:
            packed = pack_all(self.commands)
        except CacheUsageError as error:
            self.refuse(error)
        else:
            queue(packed, self.slots)

    def refuse(self, error: CacheError) -> None:
        """The commands will not be sent."""
        for slot in self.slots:
            refuse(slot, error)


class Ticket(Waiter):
    """The place of a caller that has made no command yet, nor anything else: hardly more than a future."""

    __slots__ = ("_told",)
    comes_back = len(_TWO)

    def __init__(self, told: asyncio.Future[CacheError | None]) -> None:
        """`told` = done when the caller may call, with None, or when that would be in vain, with the reason."""
        super().__init__((), _TWO)
        self._told = told

    def has_left(self) -> bool:
        return self._told.done()

    def enter(self, queue: Callable[[bytes, Sequence[Slot]], None]) -> None:
        self._told.set_result(None)

    def refuse(self, error: CacheError) -> None:
        self._told.set_result(error)


class Line:
    """Callers that wait for room: first come, first served. Who was cancelled is skipped."""

    __slots__ = ("_tick", "_waiters")

    def __init__(self) -> None:
        self._waiters: deque[Waiter] = deque()
        self._tick = 0

    def __len__(self) -> int:
        return len(self._waiters)

    def join(self, waiter: Waiter) -> None:
        waiter.since = self._tick - waiter.waited
        self._waiters.append(waiter)

    def head(self) -> Waiter | None:
        """Who is next."""
        waiters = self._waiters
        while waiters and waiters[0].has_left():
            waiters.popleft()
        return waiters[0] if waiters else None

    def leave(self) -> None:
        """The head goes."""
        self._waiters.popleft()

    def age(self, most: int) -> Iterator[Waiter]:
        """One tick passes: those who have waited for more than `most` leave."""
        self._tick += 1
        while (waiter := self.head()) is not None and self._tick - waiter.since > most:
            self.leave()
            yield waiter

    def dissolve(self) -> Iterator[Waiter]:
        """Everybody leaves."""
        while (waiter := self.head()) is not None:
            self.leave()
            waiter.waited = self._tick - waiter.since
            yield waiter
