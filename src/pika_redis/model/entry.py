"""What the rooms above storage know of a cached value: its times and identity, not its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MAX_TAGS", "MAX_TAG_BYTES", "Capture", "Draft", "Entry", "Found"]

MAX_TAGS = 64
"""How many tags an entry may carry."""
MAX_TAG_BYTES = 512
"""How long a tag may be, in UTF-8."""


@dataclass(slots=True)
class Entry:
    """A live entry: its epoch and tags are current. Whether it is fresh is for the policy to judge."""

    identity: bytes
    """Kind and nonce; changes with every change of the key."""
    born_ms: int
    """When it was written, in the store's own time."""
    fresh_ms: int
    """How long it is fresh, in milliseconds; 0 = for ever."""
    marked_stale: bool
    """Logically expired by `mark_stale`, whatever its age."""
    body: object
    """For the store alone: what `Store.open` turns into the value."""


@dataclass(frozen=True, slots=True)
class Capture:
    """The nonces under which something is written: of the epoch and of each tag, None where the server has none."""

    epoch: bytes | None
    tags: Mapping[str, bytes | None]

    @property
    def complete(self) -> bool:
        """Whether every nonce is known, so that an entry can be written under them."""
        return self.epoch is not None and None not in self.tags.values()


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at one key gave."""

    entry: Entry | None
    """None when there is nothing that may be served: absent, dead by tag or epoch, undecodable."""
    identity: bytes
    """Of whatever the key holds, live or not; empty when absent. A store after a load compares with it."""
    capture: Capture
    """The epoch and the tags the caller named, read together with the entry."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A value on its way into the store. `ttl` in seconds, `math.inf` = no expiry."""

    value: object
    ttl: float
    tags: tuple[str, ...] = ()
    plain_integers: bool = True
    """Whether an untagged integer may be stored as a counter. Loaded ones may not: they need epoch and age."""
    share: bool = False
    """Whether readers in this process may all be given the same object."""
