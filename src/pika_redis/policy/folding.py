"""Many loads of one key each, made by one call of a loader that takes many.

A `Folding` is told at the beginning how many loads may come. Each of them comes and waits, or is told not to come: its
key was loaded by another process, say. When all have decided, the loader is called once with the items of those who
came. What it gives is a mapping from items, in which an absent item is a None, or a sequence aligned with the items.
"""

from __future__ import annotations

import asyncio
import bisect
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar

from ..errors import ArgumentTypeError
from .flights import Flights, Load, loading
from .loader import run_loader

__all__ = ["BulkLoader", "Folding", "TickFolding", "aligned", "hand_out"]

_T = TypeVar("_T")

BulkLoader = Callable[[list[Any]], object]
"""Called with a list of items; gives a mapping or a sequence, or an awaitable of one."""


def aligned(result: object, items: Sequence[Any]) -> list[object]:
    """What a loader gave for each of the items. Raises ArgumentTypeError for what can't be told apart."""
    if isinstance(result, Mapping):
        return [result.get(item) for item in items]
    if isinstance(result, Sequence) and not isinstance(result, str | bytes):
        if len(result) == len(items):
            return list(result)
        raise ArgumentTypeError(f"the loader was asked for {len(items)} items and gave {len(result)} values")
    raise ArgumentTypeError(
        f"the loader must give a mapping from items or a sequence aligned with them, not {type(result).__name__}"
    )


async def hand_out(values: Awaitable[Sequence[_T]], waiting: Sequence[asyncio.Future[_T]]) -> None:
    """Give each of those who wait its value, or all of them the error or the cancellation."""
    try:
        given = await values
    except asyncio.CancelledError:
        for answer in waiting:
            answer.cancel()
        raise
    except BaseException as error:  # noqa: BLE001 (whatever it is, it belongs to those who wait)
        for answer in waiting:
            if not answer.done():
                answer.set_exception(error)
        return
    for answer, value in zip(waiting, given, strict=True):
        if not answer.done():
            answer.set_result(value)


class _Call:
    """One call of the loader, and who waits for it."""

    def __init__(self, loader: BulkLoader, flights: Flights) -> None:
        self._loader = loader
        self._flights = flights
        self._items: list[Any] = []
        self._places: list[int] = []
        self._waiting: list[asyncio.Future[object]] = []
        self._left = 0
        self._loads: dict[Load, None] = {}
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: object, place: int) -> asyncio.Future[object]:
        """One more item, at its place among the others whoever comes first; the future gives its value."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        at = bisect.bisect_right(self._places, place)
        self._places.insert(at, place)
        self._items.insert(at, item)
        self._waiting.insert(at, answer)
        self._left += 1
        self._loads.update(dict.fromkeys(loading.get()))
        return answer

    def start(self, context: Context) -> None:
        """Call the loader."""
        context.run(loading.set, tuple(self._loads))
        task = asyncio.get_running_loop().create_task(self._run(), context=context, name="pika-redis bulk load")
        self._task = task

    def give_up(self) -> None:
        """Somebody stopped waiting; when nobody waits any more the call ends."""
        self._left -= 1
        if self._task is not None and not self._left:
            self._task.cancel()

    async def _run(self) -> None:
        await hand_out(self._values(), self._waiting)

    async def _values(self) -> list[object]:
        async with self._flights.room.place(math.inf, "a batch", self._loads):
            result = await run_loader(partial(self._loader, list(self._items)), math.inf, "a batch")
        return aligned(result, self._items)


class Folding:
    """One call for the loads of a batch. In one event loop."""

    def __init__(self, loader: BulkLoader, most: int, flights: Flights) -> None:
        self._call = _Call(loader, flights)
        self._undecided = most
        self._context = copy_context()

    async def load(self, item: object, place: int) -> object:
        """The value of one item, which stands at this place in the batch. Raises what the loader raises."""
        answer = self._call.add(item, place)
        self.decide()
        try:
            return await answer
        finally:
            self._call.give_up()

    def decide(self) -> None:
        """One more has come, or will not."""
        self._undecided -= 1
        if not self._undecided and len(self._call):
            self._call.start(self._context)


class TickFolding:
    """One call for the loads that come in the same tick of the loop."""

    def __init__(self, loader: BulkLoader, flights: Flights) -> None:
        self._loader = loader
        self._flights = flights
        self._call: _Call | None = None

    async def load(self, item: object) -> object:
        """The value of one item. Raises what the loader raises."""
        call = self._call
        if call is None:
            call = self._call = _Call(self._loader, self._flights)
            asyncio.get_running_loop().call_soon(self._start, call, copy_context())
        answer = call.add(item, len(call))
        try:
            return await answer
        finally:
            call.give_up()

    def _start(self, call: _Call, context: Context) -> None:
        self._call = None
        call.start(context)
