"""What is known of one node of a cluster."""

from __future__ import annotations

from collections.abc import Callable

from ...wire.handshake import ServerFacts
from ...wire.members import Member
from ...wire.progress import Proof
from .standing import MemberStanding

__all__ = ["Side", "Youth"]


class Side:
    """One node, as seen from here."""

    __slots__ = ("asking", "heard", "heard_before", "member", "proof", "standing", "steady", "tracks", "unmet")

    def __init__(self, member: Member, standing: MemberStanding) -> None:
        self.member = member
        self.standing = standing
        self.proof: Proof | None = None
        """That of its connection T; None while there is none."""
        self.heard = 0.0
        """When it was last known to be there, before that."""
        self.heard_before = 0.0
        """The same, before the connection was made."""
        self.unmet: ServerFacts | None = None
        """What it said of itself, as long as its standing has not been told."""
        self.tracks = False
        self.asking = False
        self.steady = False
        """Whether it has been a primary that answers for as long as there is the connection: what it acknowledged and
        then gave away is not lost."""


class Youth:
    """The proof of all connected nodes together."""

    def __init__(self, oldest: Callable[[], float]) -> None:
        self._oldest = oldest

    @property
    def at(self) -> float:
        return self._oldest()
