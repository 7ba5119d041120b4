"""The right to load: leases and claims on the server, and storing what was loaded.

One rule for every store: *only if the key still holds the identity that was seen before the load*. So whatever changes
the key meanwhile, a plain DEL from a shell included, makes the store fail.

- A key that holds nothing, foreign bytes or the mark of a failed load gets a *lease* in its place: one process of the
  fleet wins it, and its identity is what the store compares with.
- A key that still has an entry (due for a refresh, expired, ended by a tag) keeps it, and gets a *claim* beside it.
  Claims save loads; correct is the store by the comparison alone. While it is claimed an entry doesn't end, though
  nobody reads it past its time. After a failed load a mark takes the place of the claim: who has something to serve
  lets the load rest until it is gone, others take it over at once.

Who does not win waits for the push that the key or the claim changed, at most as long as a lease lives since the last
sign, and looks again; a server that falls silent meanwhile is noticed (`Near.wait_for`). Where the server tells
nothing, the key is looked at in growing intervals.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from ..codec.envelope import IDENTITY, render
from ..errors import CacheServerError, CacheUnavailableError, LoadFailedError
from ..model.entry import Capture, Draft, Failure, Found, Hold, Outcome, Terms
from ..wire.connection import Command, Reply
from ..wire.loops import LoopLocal
from ..wire.node import Repeat
from ..wire.scripts import KEEP, RELEASE, RENEW, REPLACE
from ..wire.steps import Call, Reads, Step
from ..wire.stepwise import Batch, checked
from .namespace import Namespace
from .near import Near
from .reader import Reader
from .records import Record, Records, ttl_ms, whole
from .remote_tags import NOTHING, Making, RemoteTags

__all__ = ["Leases"]

_FIRST_LOOK, _LAST_LOOK = 0.01, 0.2
_REWRITTEN = 2


class Leases:
    """Leases and claims in one namespace."""

    _apart = False
    """Whether an entry, its claim and its nonces lie on different servers."""

    def __init__(
        self, nears: LoopLocal[Near], namespace: Namespace, records: Records, tags: RemoteTags, reader: Reader
    ) -> None:
        self._nears = nears
        self._namespace = namespace
        self._records = records
        self._tags = tags
        self._reader = reader

    # -- beginning ----------------------------------------------------------------------------------------------

    async def begin(self, key: str, found: Found, terms: Terms) -> Hold | None:
        """Take a load upon us. None when somebody else has it, or the key changed: look again.

        Waits at most `terms.patience` seconds for a load elsewhere to end. Raises CacheUnavailableError,
        CacheServerError; LoadFailedError when loads failed a moment ago and this one is to rest.
        """
        near = self._nears.get()
        if found.marker == b"H":
            return Hold(found.identity, found.capture, storable=False)
        token = os.urandom(IDENTITY - 1)
        leases = found.marker in (b"L", b"F") or (found.entry is None and found.identity[:1] in (b"", b"#"))
        where = key if leases else self._namespace.claim_key(key)
        try:
            with near.watches.on([key] if leases else [key, where]) as change:
                take = self._lease if leases else self._claim
                known = self._capture(near, found, terms.tags)
                making = self._tags.along(near, known, terms.tags, terms.ttl)
                hold, wait = await take(key, found, token, terms, making)
                if hold is None:
                    if wait and terms.patience:
                        await self._until_changed(near, where, change, min(terms.lease, terms.patience))
                    return None
            capture = making.capture() if making.steps else self._capture(near, found, terms.tags)
            capture = await self._tags.complete(near, capture, terms.tags, terms.ttl)
        except BaseException:
            self._let_go(near, where, b"L" + token if leases else token)
            raise
        hold = replace(hold, capture=capture, began=near.now())
        return hold if capture.complete else hold.forbidden()

    async def _lease(
        self, key: str, found: Found, token: bytes, terms: Terms, making: Making
    ) -> tuple[Hold | None, bool]:
        """The lease, or None and whether it is worth waiting. `making` goes along."""
        node, identity = making.near.node, b"L" + token
        if found.marker == b"F" or found.identity[:1] == b"#":  # the mark of a failure, foreign bytes: they give way
            give_way = Call(REPLACE, key, (found.identity, identity, _ms(terms.lease)))
            replies, *made = await node.take([Step(key, [give_way]), *making.steps])
            await making.end(made)
            (taken,) = checked(replies)
            return (Hold(identity, found.capture, renewable=True) if taken else None), False
        lease = ("SET", key, identity, "NX", "PX", _ms(terms.lease))
        (taken, held), *made = await node.take([Step(key, [lease, ("GETRANGE", key, 0, IDENTITY - 1)]), *making.steps])
        await making.end(made)
        if isinstance(held, CacheServerError) and held.code == "WRONGTYPE":
            return Hold(b"", found.capture), False  # no string: read as absent, and the store replaces it
        checked([taken, held])
        if held == identity:  # also when a repeat finds its own
            return Hold(identity, found.capture, renewable=True), False
        return None, isinstance(held, bytes) and held[:1] == b"L"

    async def _claim(
        self, key: str, found: Found, token: bytes, terms: Terms, making: Making
    ) -> tuple[Hold | None, bool]:
        """The claim, or None and whether it is worth waiting. `making` goes along."""
        node = making.near.node
        claim_key = self._namespace.claim_key(key)
        claim = Step(claim_key, [("SET", claim_key, token, "NX", "PX", _ms(terms.lease)), ("GET", claim_key)])
        look = Step(key, [_look(key, found.identity)])
        first: Batch = [claim] if self._apart else [claim, look, *making.steps]
        (taken, claimed), *rest = await node.take(first)
        if self._apart:  # the entry is looked at once the claim is taken, or two might load one after another
            rest = await node.take([look, *making.steps])
        (held,), *made = rest
        await making.end(made)
        checked([taken, held, claimed])
        held = _identity(held, found.identity)
        failure = _failure(claimed)
        if failure is not None and held == found.identity:
            _rest(key, failure, terms)
            mark = cast("bytes", claimed)[:IDENTITY]
            if not await node.run(REPLACE, claim_key, (mark, token, _ms(terms.lease))):
                return None, True
        elif claimed != token:
            return None, held == found.identity
        hold = Hold(found.identity, found.capture, token, renewable=True, failure=failure, body=found.body)
        if held == found.identity and await self._stays(making.near, key, hold, terms.lease):
            return hold, False
        await node.run(RELEASE, claim_key, (token,))
        return None, False

    @staticmethod
    async def _stays(near: Near, key: str, hold: Hold, lease: float) -> bool:
        """See to it that what a claim stands beside doesn't end before the claim does; False when it has ended.

        Who finds nothing takes a lease, so without this two would load when an entry ends while it is refreshed.
        """
        if not isinstance(hold.body, Record):
            return True
        kept = Records.kept(hold.body, near.node.server_ms() + _ms(lease))
        if kept is None:
            return True
        arguments = (Records.head(hold.body), render(kept, b""), _ms(lease))
        stays = await near.node.run(KEEP, key, arguments, Repeat.ALWAYS, near.ends_copies((key,)))
        if stays == _REWRITTEN:
            hold.body.header = kept
        return bool(stays)

    @staticmethod
    def _let_go(near: Near, where: str, token: bytes) -> None:
        """Whoever wanted the lease or claim is gone; nobody else shall wait for it. Waits for nothing."""
        near.node.tell(where, Call(RELEASE, where, (token,)), partial(_keep, near, where, token))

    @staticmethod
    @contextlib.contextmanager
    def _giving_back(near: Near, where: str, token: bytes) -> Iterator[None]:
        """The lease or claim is ours no more afterwards; when the server can't be told now, it is later."""
        try:
            yield
        except CacheUnavailableError:
            near.journal.keep_lease(where, token)
            raise

    def _capture(self, near: Near, found: Found, tags: Sequence[str]) -> Capture:
        """The nonces as they are now, before the load; where the server tells nothing, as they were read last."""
        known = self._tags.captured(near, tags)
        return known if near.tracks else Capture(found.capture.epoch, {**known.tags, **found.capture.tags})

    async def _until_changed(self, near: Near, key: str, change: asyncio.Future[None], seconds: float) -> None:
        look = ("GETRANGE", key, 0, IDENTITY - 1)
        if near.tracks:
            await near.wait_for(change, seconds, look)
            return
        ends = near.now() + seconds
        pause = _FIRST_LOOK
        held = seen = await near.node.call(look)
        while held == seen and seen and near.now() < ends:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (jitter, not a secret)
            pause = min(2 * pause, _LAST_LOOK)
            seen = await near.node.call(look)

    # -- meanwhile ------------------------------------------------------------------------------------------------

    async def renew(self, key: str, hold: Hold, lease: float) -> bool:
        """Let a lease or claim live on; False when it is ours no more, or of no use. Raises as `begin`.

        What was loaded can't be stored once the key or a tag changed: then others need not wait for this load.
        """
        near = self._nears.get()
        where, token = self._place(key, hold)
        look = self._tags.look(near, list(hold.capture.tags))
        mine = Step(where, [Call(RENEW, where, (token, _ms(lease)))])
        ours, held, _ = await near.node.take([mine, Step(key, [_look(key, hold.identity)]), look.step])
        if not checked(ours)[0]:
            return False
        same = _identity(held[0], hold.identity) == hold.identity
        if same and self._tags.holds(near, hold.capture, look.found) and await self._stays(near, key, hold, lease):
            return True
        await near.node.run(RELEASE, where, (token,))
        return False

    async def extend(self, hold: Hold, tags: Sequence[str], named: Sequence[str]) -> Hold:
        """The hold for these tags and for those that the loader named afterwards.

        What was not captured before the load may have been invalidated during it; then nothing may be stored. Raises
        as `begin`.
        """
        late = [tag for tag in named if tag not in hold.capture.tags]
        near = self._nears.get()
        nonces = dict(hold.capture.tags)
        old_enough = True
        if late:
            seen, old_enough = await self._tags.read_older(near, late, hold.began)
            nonces.update(seen.tags)
        wanted = dict.fromkeys([*tags, *named])
        hold = replace(hold, capture=Capture(hold.capture.epoch, {tag: nonces.get(tag) for tag in wanted}))
        return hold if old_enough and hold.capture.complete else hold.forbidden()

    # -- ending ---------------------------------------------------------------------------------------------------

    async def replace(self, key: str, hold: Hold, draft: Draft) -> Outcome:
        """Store what was loaded, if nothing changed the key since. Raises SerializationError, and as `begin`."""
        if not hold.storable:
            return Outcome.OVERTAKEN
        near = self._nears.get()
        packed = self._records.pack(draft)
        entry = self._records.seal(draft, packed, hold.capture, near.node.server_ms())
        arguments = (hold.identity, entry, ttl_ms(draft.ttl + draft.extra) or "")
        store = Call(REPLACE, key, arguments)
        read: list[Command | Call] = [("GETRANGE", key, 0, IDENTITY - 1)] if near.tracks else []
        steps: list[Step | Reads] = [
            Step(key, [store, *read], partial(self._see_stored, near, near.generation, key, entry))
        ]
        claim_key = self._namespace.claim_key(key)
        release = Call(RELEASE, claim_key, (hold.claim,)) if hold.claim else None
        if release is not None and not self._apart:
            steps.append(Step(claim_key, [release]))
        found: Mapping[str, bytes | None] = NOTHING
        if self._apart or not near.tracks:
            look = self._tags.look(near, list(hold.capture.tags), believes=False)
            steps.append(look.step)
            found = look.found
        stored = checked((await near.node.take(steps))[0])[0]
        if self._apart and release is not None:  # not before the store: who claims next must find it
            near.node.tell(claim_key, release, partial(_keep, near, claim_key, hold.claim))
        if not stored:
            return Outcome.OVERTAKEN
        if hold.renewable:
            near.journal.ended(*self._place(key, hold))
        return Outcome.STORED if self._tags.holds(near, hold.capture, found) else Outcome.DOUBTFUL

    def _see_stored(self, near: Near, generation: int, key: str, entry: bytes, reply: Reply) -> Reply:
        """The store was answered, and where the server tells of changes a read behind it. Within the parser."""
        assert isinstance(reply, list)
        near.changed(key)
        if near.tracks and len(reply) > 1 and reply[0] == 1 and reply[-1] == entry[:IDENTITY]:
            record = self._reader.judged(near, entry)
            if record.live and near.generation == generation:
                record.home = self._namespace.prefix
                near.keep(key, record, len(entry))
        return reply

    async def fail(self, key: str, hold: Hold, failure: Failure, seconds: float) -> None:
        """The load failed: for so long a mark takes the place of the lease, or of the claim beside an entry.

        Raises as `begin`.
        """
        near = self._nears.get()
        mark = b"F" + os.urandom(IDENTITY - 1) + failure.to_bytes()
        if not hold.renewable:
            return
        where, token = self._place(key, hold)
        with self._giving_back(near, where, token):
            before = whole(token) if hold.claim else token
            await near.node.run(REPLACE, where, (before, mark, _ms(seconds)))
        near.journal.ended(where, token)

    async def release(self, key: str, hold: Hold) -> Outcome:
        """Nothing will be stored. Raises as `begin`."""
        near = self._nears.get()
        where, token = self._place(key, hold)
        if not hold.renewable:  # a guard stands there, or bytes of another type
            return Outcome.OVERTAKEN
        look = self._tags.look(near, list(hold.capture.tags), believes=False)
        steps = [Step(where, [Call(RELEASE, where, (token,))]), Step(key, [_look(key, hold.identity)])]
        asks = self._apart or not near.tracks
        with self._giving_back(near, where, token):
            ours, held, *_ = await near.node.take([*steps, look.step] if asks else steps)
            (gave,) = checked(ours)
        near.journal.ended(where, token)
        unchanged = bool(gave) if not hold.claim else _identity(held[0], hold.identity) == hold.identity
        current = unchanged and self._tags.holds(near, hold.capture, look.found)
        return Outcome.CURRENT if current else Outcome.OVERTAKEN

    def _place(self, key: str, hold: Hold) -> tuple[str, bytes]:
        """The key of the lease or claim, and what it holds."""
        return (self._namespace.claim_key(key), hold.claim) if hold.claim else (key, hold.identity)


def _keep(near: Near, where: str, token: bytes) -> None:
    """A lease or claim is given back as soon as can be."""
    near.journal.keep_lease(where, token)
    near.standing_of(where).resume()


def _look(key: str, identity: bytes) -> Command:
    """The command that reads as much of a key as is to be compared with an identity."""
    return ("GET", key) if identity[:1] == b"#" else ("GETRANGE", key, 0, IDENTITY - 1)


def _identity(held: Reply, identity: bytes) -> Reply:
    """What `_look` gave, in the form of that identity."""
    return whole(held) if isinstance(held, bytes) and identity[:1] == b"#" else held


def _failure(claim: Reply) -> Failure | None:
    """What stands in the place of a claim after a failed load; None for a claim."""
    if isinstance(claim, bytes) and claim[:1] == b"F" and len(claim) > IDENTITY:
        return Failure.from_bytes(claim[IDENTITY:])
    return None


def _rest(key: str, failure: Failure, terms: Terms) -> None:
    """Refuse a load that would begin too soon after one that failed."""
    if terms.spare or failure.processes > 1:
        raise LoadFailedError(f"the load of {key!r} failed a moment ago")


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
