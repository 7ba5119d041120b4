"""Comparing long lists: of two lists of thousands pytest makes a whole diff where `CI` is set, which takes minutes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, zip_longest

__all__ = ["unlike"]


class _Nothing:
    def __repr__(self) -> str:
        return "<nothing>"


_NOTHING = _Nothing()


def unlike(got: Iterable[object], wanted: Iterable[object]) -> list[tuple[int, object, object]]:
    """The first three differences, as (position, what is there, what should be)."""
    pairs = enumerate(zip_longest(got, wanted, fillvalue=_NOTHING))
    return list(islice(((place, one, other) for place, (one, other) in pairs if one != other), 3))
