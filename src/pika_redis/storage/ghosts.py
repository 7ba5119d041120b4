"""Which keys left lately, and how long ago, in twelve bytes each.

Strategy. A ghost is the hash of a key and the number of its departure, in two tables, at the place that the lower
bits of the hash give; who comes later takes the place. There is nothing to expire: an old ghost is known by its age,
and overwritten some day. With six to twelve places for each living entry two to four in ten are gone when three times
as many have left. The tables double with the number of living entries by being put behind themselves: each ghost then
stands in both halves, and only the one in its own half is ever asked for. That is a copy of memory, not a loop.

An overwritten ghost, or one that is taken for that of another key with the same hash, costs a worse choice, nothing
else.
"""

from __future__ import annotations

from array import array

__all__ = ["Ghosts"]

_FIRST = 64
_PLACES_PER_LIVING = 6
_WHEN = 0xFFFFFFFF


class Ghosts:
    """The hashes of the keys that left last."""

    __slots__ = ("_places", "_when", "_who", "departures")

    def __init__(self) -> None:
        self._who = array("q", bytes(8 * _FIRST))
        self._when = array("I", bytes(4 * _FIRST))
        """0 = nobody."""
        self._places = _FIRST - 1
        """The bits of a hash that choose its place."""
        self.departures = 0
        """How many have left since the beginning of time: the clock of ages."""

    def learn(self, print_: int, living: int) -> None:
        """The key with this hash left; so many live."""
        who = self._who
        if living * _PLACES_PER_LIVING > len(who):
            self._double()
        self.departures = now = self.departures + 1
        at = print_ & self._places
        who[at] = print_
        self._when[at] = now & _WHEN

    def pop(self, print_: int) -> int:
        """How many left since the key with this hash did, itself included; 0 = not known. It no longer is."""
        at = print_ & self._places
        if self._who[at] != print_:
            return 0
        left = self._when[at]
        self._when[at] = 0
        return (self.departures - left & _WHEN) + 1 if left else 0

    def _double(self) -> None:
        self._who += self._who
        self._when += self._when
        self._places = len(self._who) - 1

    def __len__(self) -> int:
        """For how many there is a place."""
        return len(self._who)
