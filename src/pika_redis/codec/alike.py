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
from collections.abc import Callable, Collection
from typing import Final

__all__ = ["SMALL", "Alike"]

_FEW: Final = 16
"""So many alike are free: they can cost no more than a small multiple of unpacking them."""
SMALL: Final = 10 * _FEW
"""Bytes of members that need no look, for no more than these can stand in them: what hashes by a known rule and takes
less is a number of 64 bits, and of these few hash alike."""
_EXTENSIONS: Final = bytes((*range(0xC7, 0xCA), *range(0xD4, 0xD9)))
"""Bytes of which every extension value begins with one. Other members are text and binary data, which hash under a
secret of the process, and numbers of 64 bits, of which few hash alike."""
_MOST: Final = 25_000_000
"""Bytes of members that the members of all sets and dicts of one value may be compared with, about."""


class Alike:
    """What a packer or unpacker has spent on members alike for the value at hand: one account a thread.

    `opened` is called when something is put on an account; from then on its owner has to call `restart` for each value.
    """

    __slots__ = ("_account", "_opened")

    def __init__(self, opened: Callable[[], None]) -> None:
        self._account = threading.local()
        self._opened = opened

    def restart(self) -> None:
        """Begins the account of another value."""
        self._account.spent = 0

    def too_many(self, members: Collection[object], packed: bytes) -> bool:
        """Puts members on the account, which are packed like this; whether it is overdrawn now."""
        size = len(packed)
        if len(members) <= _FEW or size <= SMALL or len(packed.translate(None, _EXTENSIONS)) == size:
            return False
        if len(members) - len(set(map(hash, members))) < _FEW:
            return False
        most = max(Counter(map(hash, members)).values())
        if most <= _FEW:
            return False
        self._opened()
        self._account.spent = spent = getattr(self._account, "spent", 0) + most * size // 2
        return spent > _MOST
