"""What one node of a cluster believes: the reply to CLUSTER NODES, read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Member", "View"]

_TROUBLE = frozenset({"fail", "fail?", "handshake", "noaddr"})


class Member(NamedTuple):
    """A node as another one, or it itself, sees it."""

    id: str
    flags: frozenset[str]
    primary: str
    """The id of the node that it follows; "-" for a primary."""
    epoch: int
    """Its configuration's number: of two nodes that claim a slot, the higher one has it."""
    slots: tuple[range, ...]

    @property
    def is_primary(self) -> bool:
        """Whether it is a primary, with slots or without."""
        return "master" in self.flags

    @property
    def well(self) -> bool:
        """Whether it is known, reachable and not being greeted still."""
        return not self.flags & _TROUBLE

    def serves(self, slot: int) -> bool:
        """Whether the slot is its own."""
        return self.is_primary and any(slot in some for some in self.slots)


class View(NamedTuple):
    """All members that a node knows, itself among them."""

    myself: Member
    members: dict[str, Member]

    @classmethod
    def read(cls, reply: bytes) -> View:
        """From the reply to CLUSTER NODES."""
        members = {one.id: one for one in _members(reply.decode())}
        return cls(next(one for one in members.values() if "myself" in one.flags), members)

    @property
    def slots(self) -> dict[str, tuple[range, ...]]:
        """Who serves what, by id."""
        return {one.id: one.slots for one in self.members.values() if one.slots}


def _members(text: str) -> Iterator[Member]:
    for line in text.splitlines():
        id, _, flags, primary, _, _, epoch, _, *slots = line.split()
        owned = tuple(_slots(word) for word in slots if not word.startswith("["))  # in brackets: on the move
        yield Member(id, frozenset(flags.split(",")), primary, int(epoch), owned)


def _slots(word: str) -> range:
    first, _, last = word.partition("-")
    return range(int(first), int(last or first) + 1)
