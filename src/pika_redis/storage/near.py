"""What one event loop holds of one server: the connection, copies of entries, nonces, and who waits for a change.

Strategy. The server tells the connection T of every change to a key that was read over it (RESP3 tracking, the default
mode). So a copy may be served without asking, if four things hold:

1. A copy is made, and a nonce is learnt, only from the reply to a tracked read, *in the parser*, in the order of the
   wire. Made after the `await` it could come behind a push that stood in the same segment, and be stale for ever. The
   same holds of several commands sent together, whose replies are seen when the last is there: pushes stand between
   them too (a server that is short of memory stops tracking at any command). So only the last reply is learnt from.
2. Own writes end copies in the parser too, when their reply is parsed: the server's push to ourselves comes later.
   And after an own write the server no longer tracks the key, so nothing is copied from what was written, but from a
   tracked read behind it.
3. A lost connection, a push of "everything" and another role of the server end all copies.
4. Copies are served only while there is *proof* that the server had nothing to tell: any reply, dated by when its
   command was written, not older than `T_LEASE`. So a cut cable, a stopped process or a blocked loop costs at most
   that much staleness. A hit that finds the proof half-way old asks for a new one; who is idle asks nothing.

A hit need not look at all that each time: it compares the time with `calm_until` and a number with `Nonces.changes`.

Facts that this rests on are tests in `tests/storage/test_server_facts.py`. Sources: the documentation of client-side
caching of Redis; the same design in rueidis; an open bug of Lettuce (issue 3481) shows what breaking rule 1 does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from collections.abc import Mapping, Sequence
from functools import partial

from ..errors import CacheUnavailableError
from ..model.clock import Clock
from ..wire.connection import Command, Connection, Reply
from ..wire.endpoint import Endpoint
from ..wire.framing import Push
from ..wire.handshake import ServerFacts
from ..wire.node import Node
from ..wire.progress import Proof, Proven
from ..wire.replies import Disconnected, Full, Stalled
from ..wire.server import Server
from ..wire.slots import Observer, ignored
from .degraded import Degraded
from .eviction import S3Fifo
from .left import Left
from .nonces import Nonces, nonce_in
from .records import Record
from .standing import OnRestart, Standing
from .unsent import Unsent
from .watches import Watches

__all__ = ["REREAD", "T_LEASE", "Near"]

_log = logging.getLogger("pika_redis")
T_LEASE = 3.0
"""Seconds for which copies are served without a sign from the server."""
REREAD = 30.0
"""Seconds after which nonces in use are read again, or a server that is short of memory would evict them first."""
_PAGE = 1000
_OVERHEAD = 500
"""Bytes of a copy beside its payload, measured with tracemalloc."""


class Near:
    """The near side of one server, in one event loop. The listener of its connection T."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        clock: Clock,
        degraded: Degraded,
        max_bytes: int,
        *,
        on_restart: OnRestart = "epoch",
    ) -> None:
        self.node = node = self._connected(loop, endpoint, clock, track=max_bytes > 0)
        self.watches = watches = Watches(loop)
        self.standing = Standing(loop, degraded, lambda: node.connection, on_restart, given_up=watches.wake_all)
        self.tracks = False
        """Whether the server tells of changes; when it doesn't, nothing is kept and nonces are read with each entry."""
        self.nonces = Nonces()
        self.journal = degraded.journal
        self.unsent = Unsent(loop, node)
        self.copies: dict[str, Record] = {}
        self.proof: Proven = Proof()
        self.now = clock.monotonic
        self.generation = 0
        """Grows with every change of the slot map: what was asked before it is answered by who was asked."""
        self._counters = degraded.counters
        self._left = Left()
        self._max_bytes = max_bytes
        self._queues: S3Fifo[Record] = S3Fifo(max_bytes)
        self._asking = False
        self._beats = 0
        self._reread_at = 0.0
        self.calm_until = -math.inf
        """Until then the proof is young enough, and nothing is to be read again: copies are served without a look."""
        self._said = False

    def _connected(self, loop: asyncio.AbstractEventLoop, endpoint: Endpoint, clock: Clock, *, track: bool) -> Server:
        """What is asked."""
        self.single = Node(loop, endpoint, clock, self, track=track)
        """The one server, where there is one."""
        return self.single

    # -- as the listener of T -----------------------------------------------------------------------------------

    def made(self, connection: Connection, facts: ServerFacts) -> None:
        heard = self._left.since
        self._left = Left(since=self.now())
        self._forget()
        self.proof = self.single.proof(connection.proof)
        self.tracks = facts.untracked is None
        self._reread_at = self.now() + REREAD
        self.standing.meet(facts, heard)
        if not self.tracks and not self._said and self._max_bytes:
            self._said = True
            _log.warning("the server does not tell of changed keys, every read asks it: %s", facts.untracked)

    def pushed(self, push: Push) -> None:
        if push[0] != b"invalidate":
            return
        if push[1] is None:
            self._forget()
            return
        for key in push[1]:
            self.changed(key.decode("utf-8", "surrogateescape"))

    def resumed(self) -> None:
        self.standing.resume()

    def lost(self) -> None:
        self.tracks = False
        copies, since = self.copies, max(self.proof.at, self._left.since)
        self.proof = Proof()
        self._left = Left(copies, self.nonces.leave(), since)
        self._forget()

    # -- copies -----------------------------------------------------------------------------------------------

    def serves(self, record: Record, now: float) -> bool:
        """Whether a copy may be served that is fresh.

        Looks at everything, sees to it that copies may be served later too, and notes in `Record.checked` and
        `calm_until` while nobody needs to look again.
        """
        silent = now - self.proof.at
        if silent >= T_LEASE:
            self.single.confirm()  # the read that goes to the server instead is proof of the rest
            return False
        if not record.is_current():
            return False
        record.checked = self.nonces.changes
        if silent > T_LEASE / 2 or now > self._reread_at:
            self._tend(now)
        else:
            self.calm_until = min(self.proof.at + T_LEASE / 2, self._reread_at)
        return True

    def keep(self, key: str, record: Record, size: int) -> None:
        """Hold a copy of what a tracked read gave. Within the parser.

        Not while the server is not trusted: it may not have been told yet that the entry, or its tag, has ended.
        """
        self._drop(key)
        if self.standing.cut:
            return
        record.key = key
        record.size = _OVERHEAD + len(key) + size
        record.ends = self._ends(record)
        self.copies[key] = record
        for gone in self._queues.add(record):
            self._counters.evictions += 1
            if self.copies.get(gone.key) is gone:
                del self.copies[gone.key]

    def changed(self, key: str) -> None:
        """The key changed, or will have changed for who comes next. Within the parser."""
        if key in self.copies:
            self._drop(key)
        self.nonces.end(key)
        self.watches.wake(key)

    def nonce(self, key: str, looked: Mapping[str, bytes | None]) -> bytes | None:
        """The nonce of a tag or an epoch as it stands; None = not known. `looked` = what was read just now."""
        return self.nonces.at(key).now

    @property
    def is_cut(self) -> bool:
        """Whether memory stands in for the server, or for one of them."""
        return self.standing.cut

    def standing_of(self, key: str) -> Standing:
        """The standing of the server that has a key."""
        return self.standing

    def learn(self, key: str, raw: Reply, generation: int) -> bytes | None:
        """A nonce was read, asked for in that `generation`; gives it. Within the parser."""
        self.nonces.learn(key, raw)
        return nonce_in(raw)

    def unproven(self, key: str) -> tuple[Record, float] | None:
        """A copy of which the server said nothing for some time, since it is gone, and for how many seconds."""
        record = self.copies.get(key)
        since = self.proof.at
        if record is None:
            record, since = self._left.get(key), self._left.since
        elif not record.is_current():
            return None
        return None if record is None else (record, max(0.001, self.now() - since))

    def end_all(self, keys: Sequence[str]) -> None:
        """These were invalidated by this process, whether the server knows or not."""
        for key in keys:
            self._left.end(key)
            self.nonces.part(key)
            self.changed(key)

    def ends_deleted(self, keys: Sequence[str], epoch_key: str) -> Observer:
        """The same as `ends_copies`, for a delete, which is remembered for a server that may forget it."""

        def see(reply: Reply) -> Reply:
            for key in keys:
                self.changed(key)
            if not isinstance(reply, Exception):
                self.journal.done(keys, epoch_key)
            return reply

        return see

    def ends_copies(self, keys: Sequence[str]) -> Observer:
        """An observer for the reply to an own write of these keys."""

        def see(reply: Reply) -> Reply:
            for key in keys:
                self.changed(key)
            return reply

        return see

    def _drop(self, key: str) -> None:
        held = self.copies.pop(key, None)
        if held is not None:
            self._queues.drop(held)

    def _forget(self) -> None:
        self.calm_until = -math.inf
        self.copies = {}
        self._queues = S3Fifo(self._max_bytes)
        self.nonces.clear()
        self.watches.wake_all()

    def _ends(self, record: Record) -> float:
        header = record.header
        assert header is not None
        if not header.fresh_ms:
            return float("inf")
        now = self.now()
        return min(self.node.local_time(header.born_ms + header.fresh_ms), now + header.fresh_ms / 1000)

    async def stand_in_line(self) -> None:
        """Wait for room on a connection that is crowded, before a command is made. Raises CacheUnavailableError."""
        refused = await self.node.connection.ticket()
        try:
            if isinstance(refused, Full | Stalled) or (refused is not None and self.standing.cut):
                raise refused
        finally:
            del refused  # as in `Node.again`

    async def wait_for(self, change: asyncio.Future[None], seconds: float, sign: Command) -> None:
        """Wait for the push that a key changed, at most so many seconds.

        A server that went silent would be noticed by nobody where all only wait, since no command of theirs is due. So
        now and then it has to answer `sign`, a read of the key. Raises CacheUnavailableError, CacheServerError.
        """
        loop, patience = asyncio.get_running_loop(), self.node.patience
        ends = loop.time() + seconds
        while not change.done() and (left := ends - loop.time()) > 0:
            await asyncio.wait({change}, timeout=min(left, patience))
            if left > patience and not change.done():
                await self.unsent.shared(sign, partial(self.node.call, sign))

    async def hear(self) -> None:
        """Wait until everything was heard that other connections of ours may have changed by now."""
        if self.tracks:
            with contextlib.suppress(CacheUnavailableError):  # without a connection there are no copies
                await self.node.call(("PING",), attempts=0)

    async def aclose(self) -> None:
        """Close the connections."""
        self.standing.end()
        await self.node.aclose()

    def abandon(self) -> None:
        """In a forked child, or when the loop is closed."""
        self.standing.end()
        self.node.abandon()

    # -- staying believable -------------------------------------------------------------------------------------

    def _tend(self, now: float) -> None:
        """Ask for a sign of life and, now and then, for the role and the nonces in use. Waits for nothing."""
        self.single.confirm()
        if self._asking:
            return
        keys: list[str] = []
        if now > self._reread_at:
            self._reread_at = now + REREAD * random.uniform(0.9, 1.0)  # noqa: S311 (jitter, not a secret)
            keys = self.nonces.in_use()
        self._beats += 1
        with contextlib.suppress(Disconnected):
            asked = self.single.ask(("HELLO",) if self._beats % 3 == 0 else ("PING",), self._tended)
            self._asking = True
            asked.add_done_callback(self._asked)
            for start in range(0, len(keys), _PAGE):
                page = keys[start : start + _PAGE]
                self.single.ask(("MGET", *page), partial(self._reread, page)).add_done_callback(ignored)

    def _tended(self, reply: Reply) -> Reply:
        role = reply.get(b"role") if isinstance(reply, dict) else None
        if isinstance(role, bytes) and self.single.became(role.decode()):
            self._forget()
        return reply

    def _reread(self, keys: Sequence[str], reply: Reply) -> Reply:
        if isinstance(reply, list):
            for key, raw in zip(keys, reply, strict=True):
                self.learn(key, raw, self.generation)
        return reply

    def _asked(self, asked: asyncio.Future[Reply]) -> None:
        self._asking = False
        ignored(asked)  # no answer is no proof; whoever reads next finds out why
