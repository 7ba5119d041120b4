"""Where replies go, and where callers wait until there is room for their commands."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import CacheError
from .framing import Command, Reply

__all__ = ["Batch", "Line", "Slot", "Waiter", "refuse"]


class Slot(Protocol):
    """Takes one reply. A Future does; so does a `Batch`, which takes several."""

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


def refuse(slot: Slot, error: CacheError) -> None:
    """No reply will come. Each caller needs an error of its own: tracebacks are attached to it."""
    future = slot.future if isinstance(slot, Batch) else slot
    if not future.done():
        future.set_exception(error)


@dataclass(slots=True)
class Waiter:
    """A caller that waits for room."""

    slot: Slot
    commands: Sequence[Command]
    ticks: int = 0


class Line:
    """Callers that wait for room: first come, first served. Who was cancelled is skipped."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self._waiters)

    def join(self, waiter: Waiter) -> None:
        self._waiters.append(waiter)

    def head(self) -> Waiter | None:
        """Who is next."""
        waiters = self._waiters
        while waiters and waiters[0].slot.done():
            waiters.popleft()
        return waiters[0] if waiters else None

    def leave(self) -> None:
        """The head goes."""
        self._waiters.popleft()

    def age(self, most: int) -> Iterator[Waiter]:
        """One tick passes: those who have waited for more than `most` leave."""
        for other in self._waiters:
            other.ticks += 1
        while (waiter := self.head()) is not None and waiter.ticks > most:
            self.leave()
            yield waiter

    def dissolve(self) -> Iterator[Waiter]:
        """Everybody leaves."""
        while (waiter := self.head()) is not None:
            self.leave()
            yield waiter
