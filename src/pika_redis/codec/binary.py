"""Whether packed bytes hold a binary value, told from the bytes alone.

Native code packs a bytearray or memoryview like bytes, without a word, so a value with binary parts has to be searched
for them, in Python. Most values have none; but the bytes that begin a binary value occur in numbers, lengths and text
as well, so the larger a value is, the less their absence can be hoped for. msgspec can skip through MessagePack four
times faster than Python can search the value: with those bytes replaced by the one that no value begins with, it
stumbles exactly over the binary values. (It may also stumble over a length that was replaced; then the search decides.)
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Final

__all__ = ["SHORT", "may_hold_binary"]

SHORT: Final = 258
"""The longest packed value in which only the byte 0xC4 can begin a binary value."""
_MARKED: Final = bytes(0xC1 if 0xC4 <= byte <= 0xC6 else byte for byte in range(256))
_WORTH_AN_IMPORT: Final = 32 * 1024


def may_hold_binary(packed: bytes) -> bool:
    """False only if there is no binary value outside of extension values."""
    if 0xC4 not in packed and (len(packed) <= SHORT or (0xC5 not in packed and 0xC6 not in packed)):
        return False
    if "msgspec" not in sys.modules and len(packed) < _WORTH_AN_IMPORT:
        return True
    try:
        _skip()(packed.translate(_MARKED))
    except Exception:  # noqa: BLE001 - whatever it stumbled over
        return True
    return False


@functools.cache
def _skip() -> Callable[[bytes], object]:
    import msgspec

    return msgspec.msgpack.Decoder(msgspec.Raw).decode
