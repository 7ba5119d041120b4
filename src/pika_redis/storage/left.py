"""What was copied from the server before it was cut off: nobody can say whether it is current.

It is served under `stale_if_error` alone, in an emergency, for that long since the cut; and what this process itself
invalidates meanwhile is served no more.
"""

from __future__ import annotations

from collections.abc import Mapping

from .nonces import Nonce
from .records import Record

__all__ = ["Left"]


class Left:
    """Copies from before a cut."""

    __slots__ = ("_copies", "_nonces", "since")

    def __init__(
        self, copies: dict[str, Record] | None = None, nonces: Mapping[str, Nonce] | None = None, since: float = 0.0
    ) -> None:
        self.since = since
        """When the server was last known to be there, in seconds of our monotonic clock."""
        self._copies = copies or {}
        self._nonces = nonces or {}

    def get(self, key: str) -> Record | None:
        """The copy of a key, if all that it depends on was as it says when the server was last heard of."""
        record = self._copies.get(key)
        if record is None or any(nonce.was != seen for nonce, seen in record.guards):
            return None
        return record

    def end(self, key: str) -> None:
        """An entry, a tag or an epoch was invalidated by this process."""
        self._copies.pop(key, None)
        nonce = self._nonces.get(key)
        if nonce is not None:
            nonce.was = None
