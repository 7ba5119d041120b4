"""What goes wrong between a service and its server."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ..faulty_wire import FaultyWire
from .fault import Begin, End, Fault, nothing

__all__ = ["wire_faults"]

_LOADING = "LOADING Valkey is loading the dataset in memory"
_BUSY = "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
_MISCONF = "MISCONF Errors writing to the AOF file"
_WRITES = ("SET", "EVALSHA", "EVAL", "DEL", "UNLINK")


def wire_faults(wire: FaultyWire) -> Sequence[Fault]:
    """What a wire can do to what it carries; but for a plain cut, healing it is the end of each."""

    def cut(dice: random.Random) -> End:
        wire.cut(rst=dice.random() < 0.5)
        return nothing

    def of(act: Callable[[random.Random], object]) -> Begin:
        def begin(dice: random.Random) -> End:
            act(dice)
            return wire.heal

        return begin

    def cut_off(_: random.Random) -> None:
        wire.refuse()
        wire.cut()

    def writes_refused(_: random.Random) -> None:
        for name in _WRITES:
            wire.answer(name, _MISCONF)

    return [
        Fault("cut", cut),
        Fault("cut off", of(cut_off), 0.2, 2.5),
        Fault("cut within replies", of(lambda _: wire.break_off(share=0.01)), 0.5, 1.5),
        Fault("replies stalled", of(lambda _: wire.stall("replies")), 0.2, 3.0),
        Fault("commands stalled", of(lambda _: wire.stall("commands")), 0.2, 3.0),
        Fault("stalled for long", of(lambda _: wire.stall()), 6.0, 7.0),
        Fault("slow", of(lambda dice: wire.delay(dice.uniform(0.01, 0.4), share=0.05)), 1.0, 1.8),
        Fault("swallowed", of(lambda _: wire.drop(share=0.01)), 1.0, 3.0),
        Fault("garbled", of(lambda _: wire.garble(share=0.01)), 0.5, 1.5),
        Fault("chopped", of(lambda dice: wire.chunk(dice.randint(1, 7))), 0.5, 1.0),
        Fault("loading", of(lambda _: wire.answer("*", _LOADING)), 0.3, 1.5),
        Fault("busy", of(lambda _: wire.answer("*", _BUSY, share=0.5)), 0.3, 1.5),
        Fault("writes refused", of(writes_refused), 0.5, 1.5),
    ]
