"""What sentinels say of where the primary is, and which of them is right. Pure.

Each failover has a number, the configuration's epoch: a majority of the sentinels agreed to it, and it only grows. So
of several answers that with the highest epoch is the newest, and one alone suffices if it is not older than what is
known. A sentinel that was cut off, or stopped together with the old primary, answers with an older epoch and is not
believed, unless most of them answer and none knows better: then the sentinels were set up anew. (A user who may not ask
for the epoch gets answers without one; they are all taken for equally new, and a contradiction is settled by the
majority.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from ..errors import CacheError, CacheServerError, CacheUnavailableError
from .address import HostPort
from .framing import Command, Push, Reply

__all__ = ["CHANNELS", "Answer", "answer_of", "question", "told_of", "verdict"]

CHANNELS = ("+switch-master", "+promoted-slave")
"""What is subscribed to: the second comes earlier where a group has many replicas."""
_NO_EPOCH = -1


@dataclass(frozen=True, slots=True)
class Answer:
    """Where one sentinel says that the primary is."""

    address: HostPort
    epoch: int = _NO_EPOCH


def question(master: str) -> list[Command]:
    """What a sentinel is asked. (Only the first knows the new primary before the failover has ended.)"""
    return [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master), ("SENTINEL", "MASTER", master)]


def answer_of(replies: Sequence[Reply]) -> Answer | None:
    """The answer in the replies to `question`; None from a sentinel that knows no such master.

    Raises CacheError for one that refuses.
    """
    address, about = replies
    if isinstance(address, CacheError):
        raise address
    if address is None:
        return None
    try:
        host, port = cast("tuple[bytes, bytes]", address)
        place = host.decode(), int(port)
    except (AttributeError, TypeError, ValueError):
        raise CacheUnavailableError("what answers is no sentinel") from None
    return Answer(place, _epoch(about))


def _epoch(about: Reply) -> int:
    if isinstance(about, dict):
        try:
            return int(about[b"config-epoch"])
        except (KeyError, TypeError, ValueError):
            pass
    elif not isinstance(about, CacheServerError):
        raise CacheUnavailableError("what answers is no sentinel")
    return _NO_EPOCH


def verdict(answers: Sequence[Answer], known: int, sentinels: int) -> Answer | None:
    """Which answer counts, of so many sentinels in all, when the epoch `known` was heard of before; None = none."""
    if not answers:
        return None
    newest = max(answer.epoch for answer in answers)
    if newest < known and not is_majority(len(answers), sentinels):
        return None
    [(address, _)] = Counter(answer.address for answer in answers if answer.epoch == newest).most_common(1)
    return Answer(address, newest)


def is_majority(answers: int, sentinels: int) -> bool:
    """Whether so many of the sentinels are most of them."""
    return answers > sentinels // 2


def told_of(push: Push, master: str) -> HostPort | None:
    """Where a message says that the primary of this name is now; None from any other message."""
    if push[0] != b"message" or not isinstance(push[2], bytes):
        return None
    words = push[2].decode("utf-8", "replace").split(" ")
    try:
        if push[1] == b"+switch-master":  # name, old host and port, new host and port
            name, _, _, host, port = words
        else:  # "slave", its name, host and port, "@", the master's name, host and port
            _, _, host, port, _, name, _, _ = words
        return (host, int(port)) if name == master else None
    except ValueError:
        return None
