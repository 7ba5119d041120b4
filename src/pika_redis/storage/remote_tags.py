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

import contextlib
import math
import os
from collections.abc import Sequence
from typing import cast

from ..errors import CacheServerError
from ..model.clock import Clock
from ..model.entry import Capture
from ..wire.connection import Command, Reply
from ..wire.loops import LoopLocal
from ..wire.node import Repeat
from ..wire.replies import Disconnected
from ..wire.scripts import INVAL, RENEW_TAG
from ..wire.slots import Observer, ignored
from .namespace import Namespace
from .near import Near
from .nonces import HOLD_MARK, nonce_in

__all__ = ["Making", "RemoteTags"]

_DAY = 86400
_PAGE = 1000
_NO_EXPIRY = 0xFFFFFFFF
_NONCE = 8
_MOST_RENEWED = 100_000
_MARGIN = 0.05


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

    def captured(self, near: Near, tags: Sequence[str]) -> Capture:
        """The nonces as they are known now."""
        at, tag_key = near.nonces.at, self._namespace.tag_key
        return Capture(at(self._namespace.epoch_key).now, {tag: at(tag_key(tag)).now for tag in tags})

    def holds(self, near: Near, capture: Capture) -> bool:
        """Whether captured nonces are known to be current."""
        return capture.complete and self.captured(near, list(capture.tags)) == capture

    def read_command(self, tags: Sequence[str]) -> Command:
        """The command whose reply `learn` understands."""
        return ("MGET", *self.keys(tags))

    def learn(self, near: Near, tags: Sequence[str], reply: Reply) -> None:
        """The reply to `read_command` was parsed. Within the parser."""
        if isinstance(reply, list):
            for key, raw in zip(self.keys(tags), reply, strict=True):
                near.nonces.learn(key, raw)

    async def read(self, near: Near, tags: Sequence[str]) -> Capture:
        """The nonces as they are now. Raises CacheUnavailableError, CacheServerError."""
        seen: list[Capture] = []

        def see(reply: Reply) -> Reply:
            self.learn(near, tags, reply)
            seen.append(self.captured(near, tags))
            return reply

        await near.node.call(self.read_command(tags), Repeat.ALWAYS, see)
        return seen[-1]

    async def complete(self, near: Near, seen: Capture, tags: Sequence[str], ttl: float) -> Capture:
        """Make the nonces that are missing and lengthen the lives that are too short for entries of `ttl` seconds.

        A tag that a writer's guard holds stays unknown. Raises CacheUnavailableError, CacheServerError.
        """
        capture = seen
        for _ in range(3):
            making = self.making(near, capture, tags, ttl)
            if not making.commands:
                break
            capture = await making.run()
        self._renew(near, capture, _tag_life(ttl))
        return capture

    def making(self, near: Near, seen: Capture, tags: Sequence[str], ttl: float) -> Making:
        """What makes the nonces that are missing, with lives long enough for entries of `ttl` seconds."""
        missing = [self._namespace.tag_key(tag) for tag in tags if seen.tags.get(tag) is None]
        if seen.epoch is None:
            missing.append(self._namespace.epoch_key)
        full = _tag_life(ttl)
        commands = [self._make_command(key, os.urandom(_NONCE), full) for key in missing]
        return Making(self, near, tags, [*commands, self.read_command(tags)] if missing else [], full)

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

        def see(replies: Reply) -> Reply:
            read_at.append(near.now())
            self.learn(near, tags, cast("list[Reply]", replies)[-1])
            return replies

        commands = [self.read_command(tags), *(("PTTL", key) for key in keys), self.read_command(tags)]
        values, *lefts, again = await near.node.call_many(commands, Repeat.ALWAYS, see)
        for reply in (values, *lefts, again):
            if isinstance(reply, Exception):
                raise reply
        epoch, *raws = cast("list[bytes | None]", values)
        elapsed = read_at[-1] - since
        old = [_age(raw, cast("int", left)) > elapsed + _MARGIN for raw, left in zip(raws, lefts, strict=True)]
        seen = Capture(nonce_in(epoch), dict(zip(tags, map(nonce_in, raws), strict=True)))
        making = self.making(near, seen, tags, 0.0)
        if making.commands:
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
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            await near.node.run(INVAL, page, (), Repeat.ALWAYS, near.ends_deleted(page, self._namespace.epoch_key))

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
        commands: list[Command] = []
        for tag, nonce in capture.tags.items():
            key = self._namespace.tag_key(tag)
            known, since = self._renewed.get(key, (0, -math.inf))
            if nonce is None or (known >= full and (known == _NO_EXPIRY or now - since < known / 2)):
                continue
            life = max(known, full)
            limit = "" if life == _NO_EXPIRY else life * 1000
            commands.append(RENEW_TAG.command(key, (b"T" + nonce, life.to_bytes(4, "big"), limit)))
            self._renewed[key] = (life, now)
        if commands:
            with contextlib.suppress(Disconnected):
                near.node.ask_many(commands, None).add_done_callback(ignored)


class Making:
    """Commands that make nonces, unless other processes are faster, and read them; sent alone or behind others.

    A batch that they end is seen by `see`, and their replies belong to `end`.
    """

    def __init__(self, of: RemoteTags, near: Near, tags: Sequence[str], commands: Sequence[Command], full: int) -> None:
        self.near = near
        self.commands = commands
        self.see: Observer | None = self._see if commands else None
        self._of = of
        self._tags = tags
        self._full = full

    async def run(self) -> Capture:
        """Send them; gives what the nonces are then. Raises CacheUnavailableError, CacheServerError."""
        await self.end(await self.near.node.call_many(self.commands, Repeat.ALWAYS, self.see))
        return self._of.captured(self.near, self._tags)

    async def end(self, replies: Sequence[Reply]) -> None:
        """They were answered. What stands there and is no tag goes, or nothing could be written. Raises as `run`."""
        keys = [cast("str", command[1]) for command in self.commands[:-1]]
        foreign = [key for key, reply in zip(keys, replies, strict=False) if _is_foreign(reply)]
        if foreign:
            await self.near.node.call(("DEL", *foreign))
        for at, reply in enumerate(replies):
            if isinstance(reply, Exception) and (at >= len(keys) or keys[at] not in foreign):
                raise reply
        self._of.note_life([key for key, before in zip(keys, replies, strict=False) if before is None], self._full)

    def _see(self, replies: Reply) -> Reply:
        self._of.learn(self.near, self._tags, cast("list[Reply]", replies)[-1])
        return replies


def _age(raw: bytes | None, left_ms: int) -> float:
    """Seconds since a tag was made or renewed; below zero when that can't be told."""
    if raw is None or nonce_in(raw) is None or left_ms < 0:
        return -1.0
    return int.from_bytes(raw[1 + _NONCE :], "big") - left_ms / 1000


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
