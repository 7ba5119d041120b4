"""What the rooms above storage know of a cached value: its times and identity, not its bytes."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import CacheUnavailableError

# What is made for each call is not frozen, though nobody changes it: setting frozen fields takes three times as long.

__all__ = [
    "MAX_TAGS",
    "MAX_TAG_BYTES",
    "Capture",
    "Draft",
    "Entry",
    "Failure",
    "Found",
    "Hold",
    "Outcome",
    "Terms",
]

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
    unproven_ms: float = 0.0
    """For how long nobody could say whether it is current, in milliseconds; 0 = it is."""


@dataclass(slots=True)
class Capture:
    """The nonces under which something is written: of the epoch and of each tag, None where the server has none."""

    epoch: bytes | None
    tags: Mapping[str, bytes | None]

    @property
    def complete(self) -> bool:
        """Whether every nonce is known, so that an entry can be written under them."""
        return self.epoch is not None and None not in self.tags.values()


@dataclass(frozen=True, slots=True)
class Failure:
    """The mark of a failed load."""

    by: bytes
    """The process that failed last."""
    processes: int
    """How many failed, one after another: 1 or 2."""

    def to_bytes(self) -> bytes:
        """For a mark on a server."""
        return self.by + bytes((self.processes,))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Failure:
        """What `to_bytes` gave."""
        return cls(raw[:-1], raw[-1])


@dataclass(slots=True)
class Found:
    """What a look at one key gave."""

    entry: Entry | None
    """None when there is nothing that may be served: absent, dead by tag or epoch, undecodable."""
    identity: bytes
    """Of whatever the key holds, live or not; empty when absent. A store after a load compares with it."""
    capture: Capture
    """The epoch and the tags the caller named, read together with the entry."""
    failure: Failure | None = None
    """That loads of the key failed a moment ago."""
    marker: bytes = b""
    """``L`` when another load is under way, ``F`` after failed ones, ``H`` while a writer's guard stands there."""
    body: object = None
    """For the store alone: what the key holds."""
    cut: CacheUnavailableError | None = None
    """Why the server could not be asked, when this is what this process's memory has."""


@dataclass(slots=True)
class Terms:
    """On which terms a load begins."""

    tags: tuple[str, ...]
    ttl: float
    """Seconds that what it gives is to live: tags have to outlive it."""
    lease: float
    """Seconds after which another process takes over, unless the lease is renewed."""
    patience: float
    """Seconds to wait while another process loads; 0 = not at all."""
    spare: bool = False
    """Whether there is something to serve instead: then no load begins so soon after one that failed."""


@dataclass(slots=True)
class Hold:
    """What entitles a load to store its result."""

    identity: bytes
    """What the key must still hold by then; empty = nothing."""
    capture: Capture
    """The nonces as they were before the load."""
    claim: bytes = b""
    """The token that stands beside an entry which is loaded again; empty with a lease, which stands in its place."""
    renewable: bool = False
    """Whether a lease or claim runs out unless it is renewed."""
    began: float = 0.0
    """When it was taken, before the load, in the store's own monotonic seconds."""
    storable: bool = True
    """False when the result must not be stored: a writer's guard stands there, or a tag is too young."""
    failure: Failure | None = None
    """The mark of a failed load that the claim took the place of."""
    body: object = None
    """For the store alone: what a claim stands beside."""

    def forbidden(self) -> Hold:
        """The same, without the right to store."""
        return dataclasses.replace(self, storable=False)


class Outcome(enum.Enum):
    """What became of a loaded value."""

    STORED = "stored"
    """It was stored, and nothing that it depends on was invalidated since the load began."""
    DOUBTFUL = "doubtful"
    """It was stored, and something that it depends on may have been invalidated since the load began."""
    CURRENT = "current"
    """It was not stored, but nothing was invalidated."""
    OVERTAKEN = "overtaken"
    """The key or a tag changed meanwhile; who came after the load began must look again."""
    PRESUMED = "presumed"
    """Nothing was invalidated by this process, and what others did can't be known: the server is gone."""
    UNSURE = "unsure"
    """The store could not be asked."""

    def presumed(self) -> Outcome:
        """The same, as far as this process can know it alone."""
        return Outcome.PRESUMED if self in (Outcome.STORED, Outcome.CURRENT) else self


@dataclass(slots=True)
class Draft:
    """A value on its way into the store. `ttl` in seconds, `math.inf` = no expiry."""

    value: object
    ttl: float
    tags: tuple[str, ...] = ()
    extra: float = 0.0
    """Seconds after the ttl during which it is kept for stale serving."""
    plain_integers: bool = True
    """Whether an untagged integer may be stored as a counter. Loaded ones may not: they need epoch and age."""
    share: bool = False
    """Whether readers in this process may all be given the same object."""
    degraded_ttl: float | None = None
    """The longest life it may have in this process alone, while the server is gone; None = as the service has it."""

    def at_most(self, seconds: float) -> Draft:
        """The same, to live no longer than that, and not to be served past its time."""
        ttl = min(self.ttl, seconds)
        return Draft(self.value, ttl, self.tags, 0.0, self.plain_integers, self.share, self.degraded_ttl)
