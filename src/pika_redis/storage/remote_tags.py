"""Tags and the epoch on the server: random nonces that entries carry and that a read compares.

A tag is a key holding ``T``, 8 random bytes and its time to live in seconds (4 bytes, all ones = none). Invalidating
is deleting: it works when memory is full, costs the same for ten entries as for a million, and needs no index that
could grow or rot. A missing tag is an invalid one, so eviction or expiry of a tag costs misses, never stale reads.
The epoch is one more such key, without expiry, that every entry carries.

Nonces are captured before a load, never after: an invalidation during the load then makes the entry dead on arrival.
A writer that knows the nonces from before sends them along with the write and checks in the same round trip that
they still hold (`RemoteStore.write`); what is remembered here is such a hint, never an answer to a read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from ..errors import CacheServerError
from ..model.clock import Clock
from ..model.entry import Capture
from ..wire.connection import Command, Reply
from ..wire.loops import LoopLocal
from ..wire.node import Node, Repeat
from ..wire.scripts import RENEW_TAG
from .namespace import Namespace

__all__ = ["RemoteTags", "nonce_of"]

_DAY = 86400
_NO_EXPIRY = 0xFFFFFFFF
_NONCE = 8
_MOST_HINTS = 4096


def nonce_of(raw: Reply) -> bytes | None:
    """The nonce in a tag's value; None when the tag is missing or holds something else."""
    if isinstance(raw, bytes) and len(raw) == 1 + _NONCE + 4 and raw[:1] == b"T":
        return raw[1:9]
    return None


class RemoteTags:
    """The tags of one namespace."""

    def __init__(self, nodes: LoopLocal[Node], namespace: Namespace, clock: Clock) -> None:
        self._nodes = nodes
        self._namespace = namespace
        self._clock = clock
        self._hints: dict[str, bytes] = {}
        self._renewed: dict[str, tuple[int, float]] = {}  # tag key -> (ttl in its value, when we last renewed it)

    def read_command(self, tags: Sequence[str]) -> Command:
        """The command whose reply `captured` understands."""
        return ("MGET", self._namespace.epoch_key, *map(self._namespace.tag_key, tags))

    def captured(self, tags: Sequence[str], reply: Reply) -> Capture:
        """The nonces in a reply to `read_command`."""
        assert isinstance(reply, list)
        seen = Capture(nonce_of(reply[0]), dict(zip(tags, map(nonce_of, reply[1:]), strict=True)))
        self.remember(seen)
        return seen

    def remember(self, seen: Capture) -> None:
        """Keep the nonces as hints for the next write."""
        if len(self._hints) > _MOST_HINTS:
            self._hints.clear()
            self._renewed.clear()
        names = self._namespace
        if seen.epoch is not None:
            self._hints[names.epoch_key] = seen.epoch
        for tag, nonce in seen.tags.items():
            if nonce is not None:
                self._hints[names.tag_key(tag)] = nonce

    def hinted(self, tags: Sequence[str]) -> Capture:
        """What the nonces were when last seen; incomplete where they never were."""
        hints, names = self._hints, self._namespace
        return Capture(hints.get(names.epoch_key), {tag: hints.get(names.tag_key(tag)) for tag in tags})

    async def read(self, tags: Sequence[str]) -> Capture:
        """The nonces as they are now. Raises CacheUnavailableError, CacheServerError."""
        return self.captured(tags, await self._nodes.get().call(self.read_command(tags)))

    async def complete(self, seen: Capture, tags: Sequence[str], ttl: float) -> Capture:
        """Make the nonces that are missing and lengthen the lives that are too short for entries of `ttl` seconds.

        Raises CacheUnavailableError, CacheServerError.
        """
        full = _tag_life(ttl)
        keys = [self._namespace.tag_key(tag) for tag in tags if seen.tags.get(tag) is None]
        if seen.epoch is None:
            keys.append(self._namespace.epoch_key)
        fresh = {key: os.urandom(_NONCE) for key in keys}
        if fresh:
            commands = [self._make_command(key, nonce, full) for key, nonce in fresh.items()]
            replies = await self._nodes.get().call_many(commands, Repeat.ALWAYS)
            foreign = [key for key, reply in zip(keys, replies, strict=True) if _is_foreign(reply)]
            if foreign:  # whatever stands there is no tag: without this, nothing could be written under it again
                await self._nodes.get().call(("DEL", *foreign))
                return await self.complete(await self.read(tags), tags, ttl)
            for key, reply in zip(keys, replies, strict=True):
                if isinstance(reply, Exception):
                    raise reply
                fresh[key] = nonce_of(reply) or fresh[key]
            now = self._clock.monotonic()
            self._renewed.update(dict.fromkeys(keys, (full, now)))
        names = self._namespace
        capture = Capture(
            seen.epoch or fresh[names.epoch_key],
            {tag: seen.tags.get(tag) or fresh[names.tag_key(tag)] for tag in tags},
        )
        self.remember(capture)
        await self._renew(capture, full)
        return capture

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Delete the tags. Raises CacheUnavailableError, CacheServerError."""
        if tags:
            await self._nodes.get().call(("DEL", *map(self._namespace.tag_key, tags)))

    async def rotate_epoch(self) -> None:
        """Delete the epoch: every entry of the namespace is dead from now on."""
        await self._nodes.get().call(("DEL", self._namespace.epoch_key))

    def _make_command(self, key: str, nonce: bytes, full: int) -> Command:
        """Create a tag unless another process was faster; the reply is then the other's value."""
        if key == self._namespace.epoch_key or full == _NO_EXPIRY:
            return ("SET", key, _value(nonce, _NO_EXPIRY), "NX", "GET")
        return ("SET", key, _value(nonce, full), "EX", full, "NX", "GET")

    async def _renew(self, capture: Capture, full: int) -> None:
        """Restart the life of tags that this process has not renewed for half of it, or that live too short."""
        now = self._clock.monotonic()
        for tag, nonce in capture.tags.items():
            key = self._namespace.tag_key(tag)
            known, since = self._renewed.get(key, (0, -math.inf))
            if nonce is None or (known >= full and (known == _NO_EXPIRY or now - since < known / 2)):
                continue
            life = max(known, full)
            limit = "" if life == _NO_EXPIRY else life * 1000
            await self._nodes.get().run(RENEW_TAG, key, (b"T" + nonce, life.to_bytes(4, "big"), limit))
            self._renewed[key] = (life, now)


def _is_foreign(made: Reply) -> bool:
    """Whether the key that should hold a tag was found to hold something else."""
    if isinstance(made, CacheServerError):
        return made.code == "WRONGTYPE"
    return made is not None and not isinstance(made, Exception) and nonce_of(made) is None


def _tag_life(ttl: float) -> int:
    """Seconds a tag must live to outlive entries of `ttl` seconds: twice as long, at least a day."""
    if math.isinf(ttl):
        return _NO_EXPIRY
    return min(max(2 * math.ceil(ttl), _DAY), _NO_EXPIRY - 1)


def _value(nonce: bytes, full: int) -> bytes:
    return b"T" + nonce + full.to_bytes(4, "big")
