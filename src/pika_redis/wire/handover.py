"""One connection takes over from another without a call that fails, and without a write that lands out of order.

The old connection may be left only when nothing is due on it: a command that was abandoned there could otherwise run
after what the new one does. So the handover stands in its line like a command that is larger than all its room: its
turn comes when all replies are there, callers that come meanwhile stand behind it, and they go over to the new
connection in their order. That takes as long as one reply. If it takes as long as callers have patience, as with a
server that stalls, or if the old connection is lost, the new one is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import CacheError
from .connection import Connection
from .replies import Disconnected
from .slots import Slot, Waiter

__all__ = ["hand_over"]


class _Handover(Waiter):
    """The place in the line."""

    __slots__ = ("_give_up", "_go")

    def __init__(self, size: int, go: Callable[[], None], give_up: Callable[[], None]) -> None:
        super().__init__((), ((),) * size)
        self._go = go
        self._give_up = give_up

    def has_left(self) -> bool:
        return False

    def enter(self, queue: Callable[[bytes, Sequence[Slot]], None]) -> None:
        self._go()

    def refuse(self, error: CacheError) -> None:
        self._give_up()


def hand_over(old: Connection, take_over: Callable[[], Connection | None], give_up: Callable[[], None]) -> None:
    """Call `take_over` when nothing is due on `old`, let what it gives go on for it, and close it; or `give_up`."""

    def go() -> None:
        young = take_over()
        if young is None:
            return
        for waiter in list(old.take_line()):
            try:
                young.enter(waiter)
            except Disconnected as error:
                waiter.refuse(error)
        old.close("a younger connection took over")

    try:
        old.enter(_Handover(old.limits.in_flight + 1, go, give_up))
    except Disconnected:
        give_up()
