"""What a faulty wire does to which message. Decides only; `relay` acts.

Every decision comes out of the seed, the number of the connection, the direction and the number of the message on it:
the same traffic meets the same faults again, whatever the machine's timing was.
"""

from __future__ import annotations

import enum
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from ..errors import ArgumentError

__all__ = ["BOTH", "Direction", "Fault", "Faults", "Place", "directions"]

Direction: TypeAlias = Literal["commands", "replies"]
BOTH: tuple[Direction, Direction] = ("commands", "replies")
_NO_REPLY_BEGINS_SO = b"?@^&{}<"


class Fault(enum.StrEnum):
    """The kinds that are counted."""

    DELAY = "delay"
    DROP = "drop"
    BREAK_OFF = "break_off"
    GARBLE = "garble"
    ANSWER = "answer"
    CUT = "cut"
    STALL = "stall"
    REFUSE = "refuse"


class Place(NamedTuple):
    """A message: the connection and the direction, both counted from 1, and its number there."""

    connection: int
    direction: Direction
    number: int


@dataclass(frozen=True, slots=True)
class _Chance:
    share: float = 0.0
    where: tuple[Direction, ...] = BOTH


_NEVER = _Chance()


def directions(direction: str) -> tuple[Direction, ...]:
    """The directions that a user's word means. Raises ArgumentError."""
    if direction == "both":
        return BOTH
    for known in BOTH:
        if direction == known:
            return (known,)
    raise ArgumentError(f"direction must be 'commands', 'replies' or 'both', not {direction!r}")


class Faults:
    """The faults that are on now, and how often each has struck."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.counts: Counter[str] = Counter()
        self.heal()

    def heal(self) -> None:
        """None any more."""
        self._chances: dict[Fault, _Chance] = {}
        self._answers: dict[tuple[str, ...], tuple[bytes, _Chance]] = {}
        self.seconds = 0.0
        self.payload_too = False
        self.piece: int | None = None
        """Bytes that go out at once; None for all."""

    def turn_on(self, fault: Fault, share: float, where: tuple[Direction, ...] = BOTH) -> None:
        """From now on it strikes this share of the messages; 0 turns it off. Raises ArgumentError."""
        self._chances[fault] = _Chance(_checked(share), where)

    def answer(self, command: str, error: str, share: float) -> None:
        """From now on this share of the commands of that name gets an error. Raises ArgumentError."""
        name = tuple(command.upper().split())
        if not name:
            raise ArgumentError("command must be a name such as 'GET' or 'CLIENT KILL', or '*' for every command")
        if not error.strip() or not error.isprintable():
            raise ArgumentError(f"error must be one line such as 'LOADING loading the data', not {error!r}")
        self._answers[name] = (b"-%s\r\n" % error.encode(), _Chance(_checked(share), ("commands",)))

    def strikes(self, fault: Fault, place: Place) -> bool:
        """Whether it strikes this message, which then counts."""
        chance = self._chances.get(fault, _NEVER)
        if place.direction not in chance.where or not self._falls(chance.share, fault, place):
            return False
        self.counts[fault] += 1
        return True

    def answer_to(self, words: Sequence[str], place: Place) -> bytes | None:
        """The error that this command gets in place of the server's reply; None if it may pass."""
        if not self._answers:
            return None
        command = tuple(word.upper() for word in words[:2])
        for name in (command, command[:1], ("*",)):
            error, chance = self._answers.get(name, (b"", _NEVER))
            if self._falls(chance.share, Fault.ANSWER, place):
                self.counts[Fault.ANSWER] += 1
                return error
        return None

    def garbled(self, message: bytes, place: Place) -> bytes:
        """The message with one byte changed: the first, or any if payloads are garbled too."""
        roll = self._roll("byte", place)
        if not self.payload_too:
            return _NO_REPLY_BEGINS_SO[roll % len(_NO_REPLY_BEGINS_SO) :][:1] + message[1:]
        at = roll % len(message)
        return message[:at] + bytes([message[at] ^ (1 << roll // len(message) % 8)]) + message[at + 1 :]

    def _falls(self, share: float, what: str, place: Place) -> bool:
        return share > 0 and self._roll(what, place) < share * 2**64

    def _roll(self, what: str, place: Place) -> int:
        """64 bits that nothing but the arguments and the seed decide."""
        text = f"{self.seed}/{what}/{place.connection}/{place.direction}/{place.number}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _checked(share: float) -> float:
    if not 0 <= share <= 1:
        raise ArgumentError(f"share must be from 0 to 1, not {share!r}")
    return share
