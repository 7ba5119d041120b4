"""Whether packed bytes hold a binary value, told from the bytes alone.

Native code packs a bytearray or memoryview like bytes, without a word, so a value with binary parts has to be searched
for them, in Python. Most values have none; but the bytes that begin a binary value occur in numbers, lengths and text
as well, so the larger a value is, the less their absence can be hoped for. Where a few long runs of numbers are all
there is, they are passed over without a look at the objects; anything else is searched.

(Skipping through the bytes with those three replaced by one that no value begins with is faster for some values. But
lengths are replaced as well, and a text can be made so that what follows it is read as its continuation.)
"""

from __future__ import annotations

from typing import Final

from . import shape

__all__ = ["SHORT", "may_hold_binary"]

SHORT: Final = 258
"""The longest packed value in which only the byte 0xC4 can begin a binary value."""
_WORTH_A_SCAN: Final = 16 * 1024
_RUNS: Final = 16


def may_hold_binary(packed: bytes) -> bool:
    """False only if there is no binary value outside of extension values."""
    if 0xC4 not in packed and (len(packed) <= SHORT or (0xC5 not in packed and 0xC6 not in packed)):
        return False
    return len(packed) < _WORTH_A_SCAN or not _is_runs(packed)


def _is_runs(packed: bytes) -> bool:
    """Whether few runs of values, none of them binary, are all there is."""
    at = 0
    for _ in range(_RUNS):
        if at >= len(packed):
            return True
        if 0xC4 <= packed[at] <= 0xC6:
            return False
        _, at = shape.run(packed, at, len(packed))
    return False
