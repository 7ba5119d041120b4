"""What is known of one node of a cluster."""

from __future__ import annotations

from ...wire.members import Member
from ...wire.progress import Proof
from .standing import MemberStanding

__all__ = ["Side"]


class Side:
    """One node, as seen from here."""

    __slots__ = ("asking", "heard", "member", "proof", "standing", "steady", "tracks")

    def __init__(self, member: Member, standing: MemberStanding) -> None:
        self.member = member
        self.standing = standing
        self.proof: Proof | None = None
        """That of its connection T; None while there is none."""
        self.heard = 0.0
        """When it was last known to be there, before that."""
        self.tracks = False
        self.asking = False
        self.steady = False
        """Whether it has been a primary that answers for as long as there is the connection: what it acknowledged and
        then gave away is not lost."""
