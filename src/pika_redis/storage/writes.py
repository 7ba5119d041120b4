"""Storing what callers hand over (`set`, `set_many`): one round trip, and never dead on arrival.

Strategy. An entry needs the nonces that are current *now*. They are sent as remembered, with a read of what they are
behind it in the same batch; when that shows that they were not current, the write is repeated under the right ones. So
what is stored is current when the call returns, though nothing was asked before.

Single writes of the same turn of the loop share that read (see `turn`), those of a page are made together (`sealing`).

The replies are seen in the parser: there the copies of the keys end, and the journal forgets what was deleted before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast
from weakref import ref

from ..errors import CacheError, CacheUnavailableError, OutcomeUnknownError, OverloadedError
from ..model.entry import Capture, Draft
from ..wire.connection import Command, Connection, Reply
from ..wire.link import NoConnection
from ..wire.loops import LoopLocal
from ..wire.node import Repeat
from ..wire.replies import Disconnected
from ..wire.scripts import INVAL
from ..wire.slots import Observer
from ..wire.stepwise import checked
from .namespace import Namespace
from .near import Near
from .records import Records, ttl_ms
from .remote_tags import RemoteTags
from .sealing import Packed, Sealing
from .turn import Turn

__all__ = ["Writes"]

_CHUNK = 1000
_CROWD = 16  # writes in one turn, about
_ROUNDS = 8


class Writes:
    """Writes into one namespace on one server."""

    def __init__(self, nears: LoopLocal[Near], namespace: Namespace, records: Records, tags: RemoteTags) -> None:
        self._nears = nears
        self._epoch_key = namespace.epoch_key
        self._records = records
        self._tags = tags
        self._turn: Callable[[], Turn | None] = _no_turn
        """The last one, while it lasts: it goes with its loop."""

    async def write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        """Store; gives what failed. Raises CacheUnavailableError, OutcomeUnknownError, CacheServerError."""
        if len(items) == 1 and not items[0][1].tags:
            near = self._nears.get()
            epoch = near.nonces.at(self._epoch_key).now
            if epoch is not None:
                return await self._write_one(near, items, epoch)
        return await self._write_pages(items)

    async def _write_pages(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        if len(items) <= _CHUNK:
            return await self._write(items)
        failed: dict[str, Exception] = {}
        for start in range(0, len(items), _CHUNK):
            failed.update(await self._write(items[start : start + _CHUNK]))
        return failed

    async def _write_one(self, near: Near, items: Sequence[tuple[str, Draft]], known: bytes) -> Mapping[str, Exception]:
        """The commonest write, on a path of its own: one untagged item, under an epoch that is known."""
        ((key, draft),) = items
        try:
            ready = self._records.as_counter(draft) or self._records.pack(draft)
        except CacheError as error:
            return {key: error}
        connection = near.single.connection
        if connection.unsent:  # others call in this turn of the loop too
            reply, epoch = await self._write_along(near, connection, (key, draft, ready), known)
        else:
            sealing = Sealing(self._records, known, near.node.server_ms(), 1)
            commands = sealing.commands(((key, draft, ready),))
            commands.append(("MGET", self._epoch_key))
            seen = _UntaggedWritten(near, (key,), self._epoch_key)
            reply, nonces = await near.node.call_many(commands, Repeat.UNSENT, seen)
            if isinstance(nonces, Exception):
                raise nonces
            epoch = seen.epoch
        if epoch == known:
            return {key: reply} if isinstance(reply, Exception) else {}
        try:
            return await self._write(items)  # it was not current, or nobody knows
        except OverloadedError as error:
            raise OutcomeUnknownError(f"{error}; the write ran, and nobody knows whether it is current") from error

    async def _write_along(
        self, near: Near, connection: Connection | NoConnection, one: Packed, epoch: bytes
    ) -> tuple[Reply, bytes | None]:
        """Write, with one read of the epoch behind all that write in this turn; gives the reply and what was read."""
        turn = self._turn()
        if turn is None or not turn.takes(near, connection, epoch):
            sealing = Sealing(self._records, epoch, near.node.server_ms(), _CROWD)
            turn = Turn(near, connection, self._epoch_key, sealing)
            self._turn = ref(turn)
        key = one[0]
        (command,) = turn.sealing.commands((one,))
        try:
            return await turn.write(key, command)
        except Disconnected as lost:
            del turn  # it knows the error, which knows this frame
            seen = _UntaggedWritten(near, (key,), self._epoch_key)
            commands = (command, ("MGET", self._epoch_key))
            replies = await near.single.again(lambda: near.single.ask_many(commands, seen), lost, Repeat.UNSENT)
            return replies[0], seen.epoch

    async def _write(self, items: Sequence[tuple[str, Draft]]) -> Mapping[str, Exception]:
        packed, failed = self._packed(items)
        if not packed:
            return failed
        tags = list(dict.fromkeys([tag for _, draft, _ in packed for tag in draft.tags]))
        near = self._nears.get()
        capture = self._tags.captured(near, tags)
        longest = max([draft.ttl for _, draft, _ in packed])
        replies: list[Reply] = []
        for _ in range(_ROUNDS):
            if not capture.complete:
                capture = await self._tags.complete(near, await self._tags.read(near, tags), tags, longest)
            if capture.epoch is None:
                continue
            replies, current = await self._write_under(near, packed, capture)
            if current == capture:
                if tags:
                    await self._tags.complete(near, capture, tags, longest)
                break
            capture = current  # in the last round: whoever ended tags during it may have done so right behind it
        if capture.epoch is None:
            raise CacheUnavailableError("the epoch of the namespace is not to be read: nothing can be written under it")
        for (key, _, _), reply in zip(packed, replies, strict=True):
            if isinstance(reply, Exception):
                failed[key] = reply
        return failed

    def _packed(self, items: Sequence[tuple[str, Draft]]) -> tuple[list[Packed], dict[str, Exception]]:
        failed: dict[str, Exception] = {}
        packed: list[Packed] = []
        records = self._records
        for key, draft in items:
            try:
                packed.append((key, draft, records.as_counter(draft) or records.pack(draft)))
            except CacheError as error:
                failed[key] = error
        return packed, failed

    async def _write_under(self, near: Near, packed: Sequence[Packed], capture: Capture) -> tuple[list[Reply], Capture]:
        """Write; gives the replies and what the nonces were after that. One server does it in one batch."""
        if not capture.tags:
            return await self._write_untagged(near, packed, capture)
        tags = list(capture.tags)
        look = self._tags.look(near, tags)
        written = self.seen_written(near, [key for key, _, _ in packed])

        def see(replies: Reply) -> Reply:
            look.see(cast("list[Reply]", written(replies))[-1])
            return replies

        commands = [*self.commands(packed, capture), look.command]
        *replies, nonces = await near.node.call_many(commands, Repeat.UNSENT, see)
        checked([nonces])
        return replies, self._tags.captured(near, tags, look.found)

    async def _write_untagged(
        self, near: Near, packed: Sequence[Packed], capture: Capture
    ) -> tuple[list[Reply], Capture]:
        """The same where there is no nonce but the epoch's: by far the most."""
        seen = _UntaggedWritten(near, [key for key, _, _ in packed], self._epoch_key)
        assert capture.epoch is not None
        commands = Sealing(self._records, capture.epoch, near.node.server_ms(), len(packed)).commands(packed)
        commands.append(("MGET", self._epoch_key))
        replies = await near.node.call_many(commands, Repeat.UNSENT, seen)
        checked([replies.pop()])
        return replies, capture if seen.epoch == capture.epoch else Capture(seen.epoch, {})

    @staticmethod
    def seen_written(near: Near, keys: Sequence[str]) -> Observer:
        """Within the parser: these keys were written."""
        ends = near.ends_copies(keys)

        def see(replies: Reply) -> Reply:
            ends(replies)
            near.journal.forget(keys)
            return replies

        return see

    def commands(self, packed: Sequence[Packed], capture: Capture) -> list[Command]:
        """What stores these under the captured nonces."""
        now, seal = self._nears.get().node.server_ms(), self._records.seal
        commands: list[Command] = []
        for key, draft, ready in packed:
            if draft.tags and any(capture.tags[tag] is None for tag in draft.tags):
                commands.append(INVAL.command(key, ()))  # held by a writer's guard: dead on arrival
                continue
            if isinstance(ready, tuple):
                own = capture if len(draft.tags) == len(capture.tags) else _narrowed(capture, draft.tags)
                ready = seal(draft, ready, own, now)
            limit = ttl_ms(draft.ttl)
            commands.append(("SET", key, ready) if limit is None else ("SET", key, ready, "PX", limit))
        return commands


class _UntaggedWritten:
    """Sees, in the parser, the replies to the write of untagged keys and to the read of the epoch behind it."""

    __slots__ = ("_epoch_key", "_generation", "_keys", "_near", "epoch")

    def __init__(self, near: Near, keys: Sequence[str], epoch_key: str) -> None:
        self._near = near
        self._keys = keys
        self._epoch_key = epoch_key
        self._generation = near.generation
        self.epoch: bytes | None = None

    def __call__(self, replies: Reply) -> Reply:
        near, keys = self._near, self._keys
        changed = near.changed
        for key in keys:
            changed(key)
        near.journal.forget(keys)
        nonces = cast("list[Reply]", replies)[-1]
        if isinstance(nonces, list):
            self.epoch = near.learn(self._epoch_key, nonces[0], self._generation)
        return replies


def _no_turn() -> None:
    """There was none yet."""


def _narrowed(capture: Capture, tags: Sequence[str]) -> Capture:
    return Capture(capture.epoch, {tag: capture.tags[tag] for tag in tags})
