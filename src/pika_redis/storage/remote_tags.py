"""Tags and the epoch on the server: random nonces that entries carry and that a read compares.

A tag is a key holding ``T``, 8 random bytes and its time to live in seconds (4 bytes, all ones = none). Invalidating
is deleting: it works when memory is full, costs the same for ten entries as for a million, and needs no index that
could grow or rot. A missing tag is an invalid one, so eviction or expiry of a tag costs misses, never stale reads.
The epoch is one more such key, without expiry, that every entry carries.

Nonces are captured before a load, never after: an invalidation during the load then makes the entry dead on arrival.
A writer that knows the nonces from before sends them along with the write and checks in the same round trip that
they still hold (`RemoteStore.write`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import cast

from ..errors import CacheServerError, CacheUnavailableError
from ..model.clock import Clock
from ..model.entry import Capture
from ..wire.connection import Command, Reply
from ..wire.loops import LoopLocal
from ..wire.scripts import INVAL, RENEW_TAG
from ..wire.steps import Call, Reads, Step
from ..wire.stepwise import answers
from .namespace import Namespace
from .near import Near
from .nonces import HOLD_MARK, nonce_in

__all__ = ["NOTHING", "Look", "Making", "RemoteTags"]

_DAY = 86400
_NO_EXPIRY = 0xFFFFFFFF
_NONCE = 8
_MOST_RENEWED = 100_000
_MARGIN = 0.05
NOTHING: Mapping[str, bytes | None] = MappingProxyType({})


class RemoteTags:
    """The tags of one namespace."""

    def __init__(self, nears: LoopLocal[Near], namespace: Namespace, clock: Clock) -> None:
        self._nears = nears
        self._namespace = namespace
        self._clock = clock
        self._renewed: dict[str, tuple[int, float]] = {}  # tag key -> (ttl in its value, when we last renewed it)

    def keys(self, tags: Sequence[str]) -> list[str]:
        """The keys of the epoch and of these tags."""
        return [self._namespace.epoch_key, *map(self._namespace.tag_key, tags)]

    def captured(self, near: Near, tags: Sequence[str], looked: Mapping[str, bytes | None] = NOTHING) -> Capture:
        """The nonces as they are known now. `looked` = what was read of them just now."""
        of, tag_key = near.nonce, self._namespace.tag_key
        return Capture(of(self._namespace.epoch_key, looked), {tag: of(tag_key(tag), looked) for tag in tags})

    def holds(self, near: Near, capture: Capture, looked: Mapping[str, bytes | None] = NOTHING) -> bool:
        """Whether captured nonces are known to be current; `looked` as in `captured`."""
        return capture.complete and self.captured(near, list(capture.tags), looked) == capture

    def look(self, near: Near, tags: Sequence[str], *, believes: bool = True) -> Look:
        """What reads the nonces; `believes` as of `Look`."""
        return Look(near, self.keys(tags), believes=believes)

    async def read(self, near: Near, tags: Sequence[str]) -> Capture:
        """The nonces as they are now. Raises CacheUnavailableError, CacheServerError."""
        look = self.look(near, tags)
        await near.node.take([look.step])
        return self.captured(near, tags, look.found)

    async def complete(self, near: Near, seen: Capture, tags: Sequence[str], ttl: float) -> Capture:
        """Make the nonces that are missing and lengthen the lives that are too short for entries of `ttl` seconds.

        A tag that a writer's guard holds stays unknown. Raises CacheUnavailableError, CacheServerError.
        """
        capture = seen
        for _ in range(0 if _names_all(seen, tags) else 3):
            making = self.making(near, capture, tags, ttl)
            if not making.steps:
                break
            capture = await making.run()
        self._renew(near, capture, _tag_life(ttl))
        return capture

    async def required(self, near: Near, seen: Capture, tags: Sequence[str], ttl: float) -> Capture:
        """As `complete`, for a writer that can't do without. Raises in any case."""
        return await self.complete(near, seen, tags, ttl)

    def along(self, near: Near, seen: Capture, tags: Sequence[str], ttl: float) -> Making:
        """The same, to be sent along with something else; `complete` is called in any case."""
        return self.making(near, seen, tags, ttl)

    def making(self, near: Near, seen: Capture, tags: Sequence[str], ttl: float) -> Making:
        """What makes the nonces that are missing, with lives long enough for entries of `ttl` seconds."""
        if _names_all(seen, tags):
            return Making(self, near, tags, (), 0)
        missing = [self._namespace.tag_key(tag) for tag in tags if seen.tags.get(tag) is None]
        if seen.epoch is None:
            missing.append(self._namespace.epoch_key)
        full = _tag_life(ttl)
        steps = [Step(key, [self._make_command(key, os.urandom(_NONCE), full)]) for key in missing]
        return Making(self, near, tags, steps, full)

    def note_life(self, keys: Sequence[str], full: int) -> None:
        """These keys were made just now and live so many seconds."""
        if len(self._renewed) > _MOST_RENEWED:
            self._renewed.clear()
        self._renewed.update(dict.fromkeys(keys, (full, self._clock.monotonic())))

    async def read_older(self, near: Near, tags: Sequence[str], since: float) -> tuple[Capture, bool]:
        """The nonces, and whether all of these tags were surely made before `since`; missing ones are made.

        A tag's age is its whole life, which stands in its value, less what is left. That is read after the value: of a
        tag that is made anew in between nothing of the old one counts. What is known afterwards is learnt from a read
        behind all that. Raises as `read`.
        """
        keys = [self._namespace.tag_key(tag) for tag in tags]
        read_at: list[float] = []
        generation = near.generation

        def see(key: str, replies: Reply) -> Reply:
            read_at.append(near.now())
            near.learn(key, cast("list[Reply]", replies)[-1], generation)
            return replies

        look = self.look(near, ())
        steps = [Step(key, [("GET", key), ("PTTL", key), ("GET", key)], partial(see, key)) for key in keys]
        *ages, _ = await near.node.take([*steps, look.step])
        elapsed = read_at[-1] - since
        raws = [_unless_foreign(raw) for raw, _, _ in ages]
        lefts = [cast("int", left) for left in answers([[left] for _, left, _ in ages])]
        old = [_age(raw, left) > elapsed + _MARGIN for raw, left in zip(raws, lefts, strict=True)]
        seen = Capture(self.captured(near, (), look.found).epoch, dict(zip(tags, map(nonce_in, raws), strict=True)))
        making = self.making(near, seen, tags, 0.0)
        if making.steps:
            await making.run()
        return seen, all(old)

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Delete the tags. Raises CacheUnavailableError, CacheServerError."""
        if tags:
            await self._delete([self._namespace.tag_key(tag) for tag in tags])

    async def rotate_epoch(self) -> None:
        """Delete the epoch: every entry of the namespace is dead from now on."""
        await self._delete([self._namespace.epoch_key])

    async def _delete(self, keys: Sequence[str]) -> None:
        near = self._nears.get()
        await near.node.run_over(INVAL, keys, (), partial(near.ends_deleted, epoch_key=self._namespace.epoch_key))

    def _make_command(self, key: str, nonce: bytes, full: int) -> Command:
        """The reply is what stood there before."""
        if key == self._namespace.epoch_key or full == _NO_EXPIRY:
            return ("SET", key, _value(nonce, _NO_EXPIRY), "NX", "GET")
        return ("SET", key, _value(nonce, full), "EX", full, "NX", "GET")

    def _renew(self, near: Near, capture: Capture, full: int) -> None:
        """Restart the life of tags that are below half of it, or that live too short for what is written now.

        Waits for nothing: a tag that ends too early costs misses.
        """
        now = self._clock.monotonic()
        for tag, nonce in capture.tags.items():
            key = self._namespace.tag_key(tag)
            known, since = self._renewed.get(key, (0, -math.inf))
            if nonce is None or (known >= full and (known == _NO_EXPIRY or now - since < known / 2)):
                continue
            life = max(known, full)
            limit = "" if life == _NO_EXPIRY else life * 1000
            near.node.tell(key, Call(RENEW_TAG, key, (b"T" + nonce, life.to_bytes(4, "big"), limit)))
            self._renewed[key] = (life, now)


class Look:
    """A read of nonces. What a key held is learnt in the parser, and stands in `found` afterwards."""

    def __init__(self, near: Near, keys: Sequence[str], *, believes: bool = True) -> None:
        """`believes` = of a node that can't be asked, what was known counts as read."""
        self.found: dict[str, bytes | None] = {}
        self._keys = keys
        self._near = near
        self._generation = near.generation
        self._believes = believes

    @property
    def step(self) -> Reads:
        """The read, to be taken once."""
        return Reads(self._keys, self._see, spare=True)  # not kept: it knows us

    @property
    def command(self) -> Command:
        """The same as one command, of one server. Its reply belongs to `see`."""
        return ("MGET", *self._keys)

    def see(self, raws: Reply) -> None:
        """The reply to `command`. Within the parser."""
        if isinstance(raws, list):
            learn, found, generation = self._near.learn, self.found, self._generation
            for key, raw in zip(self._keys, raws, strict=True):
                found[key] = learn(key, raw, generation)

    def _see(self, key: str, raw: Reply) -> Reply:
        near = self._near
        if isinstance(raw, CacheUnavailableError):  # its node can't be asked
            self.found[key] = near.nonce(key, NOTHING) if self._believes else None
            return None
        self.found[key] = near.learn(key, raw, self._generation)
        return None if _is_foreign(raw) else raw


class Making:
    """Steps that make nonces, unless other processes are faster, and read them; taken alone or behind others.

    Their replies belong to `end`.
    """

    def __init__(self, of: RemoteTags, near: Near, tags: Sequence[str], steps: Sequence[Step], full: int) -> None:
        self.near = near
        self.look = of.look(near, tags if steps else ())
        self.steps: list[Step | Reads] = [*steps, self.look.step] if steps else []
        self._of = of
        self._tags = tags
        self._made = [cast("str", step.key) for step in steps]
        self._full = full

    async def run(self) -> Capture:
        """Take them; gives what the nonces are then. Raises CacheUnavailableError, CacheServerError."""
        await self.end(await self.near.node.take(self.steps))
        return self.capture()

    def capture(self) -> Capture:
        """What the nonces are, once they were made."""
        return self._of.captured(self.near, self._tags, self.look.found)

    async def end(self, replies: Sequence[Sequence[Reply]]) -> None:
        """They were answered. What stands there and is no tag goes, or nothing could be written. Raises as `run`."""
        if not self._made:
            return
        made = dict(zip(self._made, (given[0] for given in replies), strict=False))
        foreign = [key for key, before in made.items() if _is_foreign(before)]
        if foreign:
            await self.near.node.take([Step(key, [("DEL", key)]) for key in foreign])
        answers([[before] for key, before in made.items() if key not in foreign])
        self._of.note_life([key for key, before in made.items() if before is None], self._full)


def _age(raw: bytes | None, left_ms: int) -> float:
    """Seconds since a tag was made or renewed; below zero when that can't be told."""
    if raw is None or nonce_in(raw) is None or left_ms < 0:
        return -1.0
    return int.from_bytes(raw[1 + _NONCE :], "big") - left_ms / 1000


def _names_all(capture: Capture, tags: Sequence[str]) -> bool:
    return capture.complete and all(map(capture.tags.__contains__, tags))


def _unless_foreign(raw: Reply) -> bytes | None:
    """What a tag's key holds, if it can be a tag. Raises what else went wrong."""
    if isinstance(raw, CacheServerError) and raw.code != "WRONGTYPE":
        raise raw
    return raw if isinstance(raw, bytes) else None


def _is_foreign(made: Reply) -> bool:
    """Whether the key that should hold a tag was found to hold something else."""
    if isinstance(made, CacheServerError):
        return made.code == "WRONGTYPE"
    return isinstance(made, bytes) and nonce_in(made) is None and not made.startswith(HOLD_MARK)


def _tag_life(ttl: float) -> int:
    """Seconds a tag must live to outlive entries of `ttl` seconds: twice as long, at least a day."""
    if math.isinf(ttl):
        return _NO_EXPIRY
    return min(max(2 * math.ceil(ttl), _DAY), _NO_EXPIRY - 1)


def _value(nonce: bytes, full: int) -> bytes:
    return b"T" + nonce + full.to_bytes(4, "big")
