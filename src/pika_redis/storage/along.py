"""Single reads of one turn of the loop that go together: one command for all of them, with the epoch behind.

Strategy. Where the server tells of no changes, an entry is current when the epoch that it was stored under is the one
that is read along with it. Many tasks that read in the same turn need one command, and one look at the epoch, not one
each; what comes is judged and unpacked together, by a few calls instead of a few for each. So the callers' keys are
collected while the turn lasts, and asked for when it is over. Everybody began before that, so the answer is news to
each of them; and it shows what was written before the turn was over, by whomever.

What is not as common as that is left to its caller, as `Unsettled`: an entry that takes more than a look, and a read
without an answer. A refusal may concern another's key, and is to be counted once: one takes it, the others ask again,
alone. So the future of a read raises nothing, and a caller who leaves leaves no error behind.

Who comes first can't know whether others follow. He waits for the end of the turn, which costs him little, if several
did in the turn before. Else all go alone, by `get`, and one read in sixteen or so looks whether many call in its turn.
So a service that reads one by one pays next to nothing for this.

A reply is bounded by how many share it: by fewer if what came last was larger, and hardly any when nothing came. Large
values gain nothing by company, and who waits for a small one among them would lose: after them, reads go alone for a
while, until a few try again.

A turn lasts until the loop comes to its `_close`, in one thread, and who is in that thread while the turn's loop runs
is in that loop. So whether a read may go along is told without the question which loop runs.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Callable, Sequence
from functools import partial
from threading import get_ident
from typing import Any, Final, cast

from ..errors import CacheError
from ..model.forks import forget_after_fork
from ..wire.connection import Connection, Reply
from ..wire.link import NoConnection
from ..wire.loops import LoopLocal
from ..wire.replies import Disconnected, NotServing
from .near import Near

__all__ = ["Along", "Unsettled", "alone"]

Judge = Callable[[list[Any], Reply], tuple[list[object], list[int]]]
"""Gives the values of several entries, by the epoch that was read with them, and the places of those it leaves."""
_MOST: Final = 256
"""Reads that share a command."""
_BYTES: Final = 256 * 1024
"""Of a reply, about."""
_ENTRIES: Final = frozenset({bytes, type(None)})
_LARGE: Final = 8 * 1024
"""Bytes of a value, on the average, from which it is better read alone."""
_TRIAL: Final = 8
"""Reads that share a command to find out whether values are still large."""
_REST: Final = 256
"""Reads that go alone in between."""
_CROWD: Final = 12
"""Reads of one turn from which they are better off together, measured with 4 to 32 tasks on both event loops."""
_ALONE: Final = range(8, 24)
"""Reads that go alone before it is looked again whether there are so many. Not always the same number: one that meets
the first of each turn would never find the others."""
_SAMPLE: Final = 16
"""Entries whose sizes tell about those of all."""
_FEWER: Final = 16
"""By this factor fewer share the next one, after one without an answer."""


class Unsettled:
    """What a read brought, for its caller to judge."""

    __slots__ = ("_reply",)

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def reply(self) -> list[Reply] | None:
        """What an MGET of the key and the epoch would have brought, or None to find out. Raises what came instead."""
        reply, self._reply = self._reply, None
        try:
            if isinstance(reply, Exception):
                raise reply
            return cast("list[Reply] | None", reply)
        finally:
            del reply  # the error knows this frame


class _Turn:
    """The reads of one turn over one connection. It is the slot of their command."""

    __slots__ = ("_along", "_connection", "futures", "is_running", "keys", "new_future", "standing", "thread")

    def __init__(self, along: Along, near: Near, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        self.thread: int | None = get_ident()
        """None when it is over, or full."""
        self.is_running = loop.is_running
        self.standing = near.standing
        self.new_future: Callable[[], asyncio.Future[object]] = partial(asyncio.Future, loop=loop)
        self.futures: list[asyncio.Future[object]] = []
        self.keys: list[str] = []
        self._along = along
        self._connection = connection
        loop.call_soon(self._close)

    def _close(self) -> None:
        last = self.thread is not None
        keys, self.keys = self.keys, []
        self._along.joined(len(keys), full=not last)
        self._along.leave(self)
        try:
            self._connection.send((("MGET", *keys, self._along.epoch_key),), (self,), at_once=last)
        except CacheError as error:
            self.set_exception(error)

    def _tell(self, values: Sequence[object]) -> None:
        futures, self.futures = self.futures, []
        for future, value in zip(futures, values, strict=True):
            if not future.done():
                future.set_result(value)

    # -- as a slot ---------------------------------------------------------------------------------------------

    def done(self) -> bool:
        return not self.futures

    def set_result(self, result: Reply, /) -> None:
        if (
            not isinstance(result, list)
            or len(result) != len(self.futures) + 1
            or not _ENTRIES.issuperset(map(type, result))
        ):
            self.set_exception(Disconnected("the server sent what no entries are", sent=True))
            return
        epoch = result.pop()
        try:
            self._tell(self._along.values(result, epoch))
        except BaseException as error:
            # Of a model in a set, for one. Nobody waits for ever: he whose value it is meets it again.
            self._tell([Unsettled([raw, epoch]) for raw in result])
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise

    def set_exception(self, exception: BaseException, /) -> None:
        """Each caller gets an error of his own, to which he attaches his traceback, or asks alone what was refused."""
        if isinstance(exception, Disconnected) and not isinstance(exception, NotServing):
            if exception.sent:
                self._along.be_careful()
            self._tell([Unsettled(copy.copy(exception)) for _ in self.futures])
        else:
            refusal = exception if isinstance(exception, NotServing) else None
            self._tell([Unsettled(refusal), *[Unsettled(None) for _ in self.futures[1:]]])


class _NoTurn:
    """What stands in for a turn while there is none."""

    thread = None


_NO_TURN: Any = _NoTurn()


class Along:
    """The reads of one namespace that may go together."""

    __slots__ = (
        "__weakref__", "_judge", "_most", "_nears", "_overflowed", "_rest", "_seen_at", "_turn", "_was_crowd",
        "epoch_key",
    )  # fmt: skip

    def __init__(self, nears: LoopLocal[Near], epoch_key: str, judge: Judge) -> None:
        self.epoch_key = epoch_key
        self._nears = nears
        self._judge = judge
        self._was_crowd = False
        self._overflowed = False
        self._seen_at = -1
        """What had been sent when that was noticed: a turn begins with its first, or it parts who woke together."""
        self._most = _MOST
        self._rest = 0
        self._turn: _Turn = _NO_TURN
        forget_after_fork(self)

    def ask(self, key: str) -> asyncio.Future[object] | None:
        """See `Store.ask_along`."""
        if self._rest:
            self._rest -= 1
            return None
        turn = self._turn
        if turn.thread != get_ident() or not turn.is_running():
            near = self._nears.get()
            connection = near.node.connection
            if not self._was_crowd:
                self._look_around(connection)
                return None
            if self._seen_at == connection.proof.sent or connection.crowded or near.tracks or near.standing.cut:
                return None
            if not isinstance(connection, Connection):
                return None
            turn = self._turn = _Turn(self, near, connection)
        if turn.standing.cut:
            return None
        new_future = turn.new_future
        future = new_future()
        turn.futures.append(future)
        keys = turn.keys
        keys.append(key)
        if len(keys) >= self._most:
            self.leave(turn)
        return future

    def forget_all_after_fork(self) -> None:
        """In the child: a turn of the parent's, whose loop seems to run here, goes nowhere."""
        self._turn = _NO_TURN

    def leave(self, turn: _Turn) -> None:
        """Nobody joins this turn any more."""
        turn.thread = None
        if self._turn is turn:
            self._turn = _NO_TURN

    def _look_around(self, connection: Connection | NoConnection) -> None:
        """See whether so many call in this turn that those of the next had better go together."""
        if connection.queued >= _CROWD - 1:
            self._was_crowd, self._seen_at = True, connection.proof.sent
        else:
            self._rest = random.choice(_ALONE)  # noqa: S311 (no secret)

    def joined(self, reads: int, *, full: bool = False) -> None:
        """So many shared a command; behind one that was `full` come more of the same crowd."""
        self._was_crowd = full or self._overflowed or reads >= _CROWD
        self._overflowed = full
        if not self._was_crowd:
            self._rest = random.choice(_ALONE)  # noqa: S311 (as above)

    def be_careful(self) -> None:
        """A command had no answer: it may have been too large a one."""
        self._most = max(1, self._most // _FEWER)

    def values(self, raws: list[Any], epoch: Reply) -> list[object]:
        """What the callers get. Raises whatever the code of a user's models raises."""
        some = raws[:: len(raws) // _SAMPLE or 1]
        size = sum([len(raw or b"") for raw in some]) // len(some)
        self._most = min(_MOST, 2 * self._most, _BYTES // max(1, size))
        if size > _LARGE:
            self._most, self._rest = _TRIAL, _REST
        values, left = self._judge(raws, epoch)
        for at in left:
            values[at] = Unsettled([raws[at], epoch])
        return values


def alone(key: str) -> None:
    """No read goes along."""
