"""What a look-up answers: the value found, judged by the caller's `type=` and `default`, and counted."""

from __future__ import annotations

import typing

from ..codec import Codec, Undecodable
from ..errors import ArgumentTypeError
from ..model.counters import Counters
from ..model.missing import MISSING

__all__ = ["Answers"]

_DATA = frozenset((type(None), type(MISSING), bool, int, float, str, bytes, list, dict, tuple))
"""Classes of defaults that are surely no types."""


class Answers:
    """The answers of one service."""

    def __init__(self, codec: Codec, counters: Counters) -> None:
        self._codec = codec
        self._counters = counters

    def expect(self, default: object, kind: object) -> None:
        """Check both before a look-up; the models that `kind` reaches can be decoded from now on.

        Raises ArgumentTypeError for a default that was meant as the type, and for a `kind` that is no type.
        """
        if type(default) not in _DATA and (isinstance(default, type) or typing.get_origin(default) is not None):
            shown = default.__name__ if isinstance(default, type) else default
            raise ArgumentTypeError(f"default is the class {shown}; to decode into it, write type=")
        if kind is not None:
            self._codec.expect(kind)

    def of_many(self, values: list[object], default: object, kind: type | None) -> list[object]:
        """The same for several values, in the list they came in."""
        if kind is not None:
            return [self.of(value, default, kind) for value in values]
        missed = [at for at, value in enumerate(values) if value is MISSING]
        for at in missed:
            values[at] = default
        self._counters.misses += len(missed)
        self._counters.hits += len(values) - len(missed)
        return values

    def of(self, value: object, default: object, kind: type | None) -> object:
        """The value as `kind`, or the default when there is none or it doesn't fit."""
        if value is not MISSING and kind is not None:
            try:
                value = self._codec.convert(value, kind)
            except Undecodable:
                self._counters.undecodable += 1
                value = MISSING
        if value is MISSING:
            self._counters.misses += 1
            return default
        self._counters.hits += 1
        return value
