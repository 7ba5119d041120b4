"""The key space: where entries, tags and the epoch of one prefix live.

``<prefix><key>`` for entries and counters, ``<prefix>#t:<tag>`` for tags, ``<prefix>#e`` for the epoch,
``<prefix>#c:<key>`` for the claim of whoever loads an entry again, ``<prefix>#l:<key>`` for locks, ``<prefix>#w`` for
what is written to learn how far replicas have come. A user's key never begins with ``#``, so they can't meet.
"""

from __future__ import annotations

from ..model.glob import escape_glob

__all__ = ["Namespace"]


class Namespace:
    """Names within one prefix."""

    __slots__ = ("epoch_key", "mark_key", "prefix", "reserved", "tag_prefix")

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.reserved = f"{prefix}#"
        self.epoch_key = f"{prefix}#e"
        self.tag_prefix = f"{prefix}#t:"
        self.mark_key = f"{prefix}#w"

    def tag_key(self, tag: str) -> str:
        """The key that holds a tag's nonce."""
        return self.tag_prefix + tag

    def claim_key(self, key: str) -> str:
        """The key that holds the claim of whoever loads this entry (a full name) again."""
        return f"{self.prefix}#c:{key[len(self.prefix) :]}"

    def lock_key(self, key: str) -> str:
        """The key of the lock with this (full) name."""
        return f"{self.prefix}#l:{key[len(self.prefix) :]}"

    def pattern(self, glob: str) -> str:
        """The glob over full key names for a glob over the user's keys."""
        return escape_glob(self.prefix) + glob
