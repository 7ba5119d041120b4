"""Members that hash alike: what a set or dict of them costs, and when that is too much.

A set compares a member with all that hash as it does. Numbers, UUIDs, Decimals, timedeltas and tuples of these hash by
a rule that everybody can calculate with, so a payload of some kilobytes can be made whose members all hash alike: n
members cost n² comparisons, which takes minutes in a thread that can't be interrupted meanwhile. So hashes are counted
before a large set or dict is built, by the packer as well: what is packed can be unpacked. Classes with a poor
`__hash__` of their own stay welcome in small numbers.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from typing import Final

__all__ = ["Alike"]

_FEW: Final = 16
"""So many alike are free: they can cost no more than a small multiple of unpacking them."""
_MOST: Final = 25_000_000
"""Bytes of members that the members of all sets and dicts of one value may be compared with, about."""


class Alike:
    """What a packer or unpacker has spent on members alike for the value at hand: one account a thread."""

    __slots__ = ("_account", "used")

    def __init__(self) -> None:
        self._account = threading.local()
        self.used = False
        """Whether there may be anything to take back; false for good where nothing poor is ever met."""

    def restart(self) -> None:
        """Begins the account of another value."""
        self._account.spent = 0

    def too_many(self, members: Collection[object], size: int) -> bool:
        """Puts members that pack into `size` bytes on the account; whether it is overdrawn now."""
        if len(members) <= _FEW or len(members) - len(set(map(hash, members))) < _FEW:
            return False
        most = max(Counter(map(hash, members)).values())
        if most <= _FEW:
            return False
        self.used = True
        self._account.spent = spent = getattr(self._account, "spent", 0) + most * size // 2
        return spent > _MOST
