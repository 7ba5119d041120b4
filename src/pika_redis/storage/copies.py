"""Copies of a loaded value for those who waited for it: nobody may see another's changes."""

from __future__ import annotations

from collections.abc import Callable

from ..codec import Codec

__all__ = ["copier"]


def copier(codec: Codec) -> Callable[[object], Callable[[], object]]:
    """A function that makes, from a value, a maker of copies; immutable values need none.

    Raises SerializationError for a value that can't be held.
    """

    def copies(value: object) -> Callable[[], object]:
        if codec.is_immutable(value):
            return lambda: value
        payload, compressed = codec.encode(value)
        return lambda: codec.decode(payload, compressed)

    return copies
