"""Tags and epochs of a server as they stand, as far as one connection was told.

A nonce is learnt from a tracked read, in the parser, and is known until the server pushes that its key changed; a
nonce never returns, so what carries the one that is known now is current. What is not known is read again.

Entries hold the `Nonce` objects themselves: comparing costs no look-up, and a push ends all entries of a tag at once.
An object stays in its place when its nonce becomes unknown, so entries come to life again when the same one is read.

A hit compares one number: while `changes` is what it was when an entry was found to be current, it is current still.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..wire.connection import Reply

__all__ = ["HOLD_MARK", "Nonce", "Nonces", "nonce_in"]

HOLD_MARK = b"H\xff"
"""How a writer's hold begins, in the place of an entry or a tag."""
_NONCE = 8
_SIZES = (1 + _NONCE + 4, 1 + _NONCE + 4 + 8)  # an epoch that was ended for a cause ends with it
_MOST = 100_000


def nonce_in(raw: Reply) -> bytes | None:
    """The nonce in the value of a tag or an epoch; None when it is missing or holds something else."""
    if isinstance(raw, bytes) and len(raw) in _SIZES and raw[:1] == b"T":
        return raw[1:9]
    return None


class Nonce:
    """What is known of one tag or epoch."""

    __slots__ = ("now", "used", "was")

    def __init__(self) -> None:
        self.now: bytes | None = None
        """The nonce as it stands; None = not known."""
        self.was: bytes | None = None
        """The nonce as it stood when the server was last heard of, once it was cut off."""
        self.used = False
        """Whether something was compared with it since it was last read."""


class Nonces:
    """The nonces of one server, by full key."""

    __slots__ = ("_nonces", "changes")

    def __init__(self) -> None:
        self._nonces: dict[str, Nonce] = {}
        self.changes = 0
        """Grows whenever one of them becomes another or unknown, and when `in_use` begins to count anew."""

    def at(self, key: str) -> Nonce:
        """The nonce of a key, known or not."""
        nonce = self._nonces.get(key)
        if nonce is None:
            if len(self._nonces) >= _MOST:
                self._forget_some()
            nonce = self._nonces[key] = Nonce()
        return nonce

    def learn(self, key: str, raw: Reply) -> None:
        """The key was read, within the parser."""
        nonce, now = self.at(key), nonce_in(raw)
        if nonce.now != now:
            nonce.now = now
            self.changes += 1

    def end(self, key: str) -> None:
        """The key changed, or may have."""
        nonce = self._nonces.get(key)
        if nonce is not None and nonce.now is not None:
            nonce.now = None
            self.changes += 1

    def part(self, key: str) -> None:
        """The nonce is dead whatever the server says: what was read under it never comes to life again."""
        self.end(key)
        self._nonces.pop(key, None)

    def in_use(self) -> list[str]:
        """The keys of known nonces that something was compared with since the last call."""
        keys = [key for key, nonce in self._nonces.items() if nonce.used and nonce.now is not None]
        for key in keys:
            self._nonces[key].used = False
        self.changes += 1
        return keys

    def known(self) -> dict[str, bytes]:
        """What is known, by key."""
        return {key: nonce.now for key, nonce in self._nonces.items() if nonce.now is not None}

    def leave(self) -> dict[str, Nonce]:
        """What was known when the server was cut off, by key, in `Nonce.was`; nothing is known any more."""
        left = self._nonces
        for nonce in left.values():
            nonce.was = nonce.now
        self.clear()
        return left

    def clear(self) -> None:
        """Nothing is known any more."""
        self._end(self._nonces.values())
        self._nonces = {}

    def _forget_some(self) -> None:
        """Make room: what was not used lately goes, in case of need everything."""
        gone = {key: nonce for key, nonce in self._nonces.items() if not nonce.used} or self._nonces
        self._end(gone.values())
        self._nonces = {key: nonce for key, nonce in self._nonces.items() if key not in gone}

    def _end(self, nonces: Iterable[Nonce]) -> None:
        self.changes += 1
        for nonce in nonces:
            nonce.now = None
