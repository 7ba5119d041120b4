"""The one answer to bytes that aren't a value: foreign, corrupted, hostile or outdated."""

from __future__ import annotations

from ..errors import CacheError

__all__ = ["Undecodable"]


class Undecodable(CacheError):
    """Internal: a payload gives no value. Callers of the cache see a miss. `reason` is a short text without data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
