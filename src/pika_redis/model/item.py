"""What a caller hands to the batch verbs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .duration import Duration

__all__ = ["CacheItem"]


@dataclass(frozen=True, slots=True)
class CacheItem:
    """One entry for `set_many`. `ttl` None takes the service's default, `math.inf` never expires."""

    key: str
    value: object
    ttl: Duration | None = None
    tags: Sequence[str] = ()
