"""Why a command got no reply, or an error for one: the door at which foreign errors become ours."""

from __future__ import annotations

from typing import Final, Self

from ..errors import (
    AccessDeniedError,
    CacheError,
    CacheServerError,
    CacheTimeoutError,
    CacheUnavailableError,
    OverloadedError,
)

__all__ = [
    "NOT_RUN",
    "Disconnected",
    "Full",
    "LoginDenied",
    "NotServing",
    "ReadOnly",
    "Redirected",
    "Stalled",
    "TryAgain",
    "reply_error",
]

_DENIED: Final = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})
_DOWN: Final = frozenset({"LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED"})
_ELSEWHERE: Final = frozenset({"MOVED", "ASK"})
_ECHO: Final = ", with args beginning with"  # what follows are words of the command: a value, or the password
_DENIED_IN_A_SCRIPT: Final = ("can't run this command or subcommand", "ACL failure in script")
_LONGEST_TEXT: Final = 300


class Disconnected(CacheUnavailableError):
    """A command got no answer. `sent` tells whether the server may have run it."""

    waited = 0.0
    """About how many seconds of its patience the caller has spent, at least."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent

    def __copy__(self) -> Self:
        """The same for another caller: each attaches its own traceback."""
        twin = type(self).__new__(type(self))
        twin.args = self.args
        vars(twin).update(vars(self))
        return twin


class Full(Disconnected, OverloadedError):
    """The connection had no room for the command; it was not sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


class Stalled(Disconnected, CacheTimeoutError):
    """The server makes no progress; nothing more is queued behind what it owes."""


class NotServing(Disconnected):
    """The server said that it can't serve now (loading, busy in a script): it did not run the command."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


class ReadOnly(Disconnected):
    """The server is a replica: it did not run the write."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


NOT_RUN: Final = (NotServing, ReadOnly)
"""What a server says that did not run the command, and does not run others either for some time."""


class LoginDenied(AccessDeniedError):
    """The server does not take us: no connection to it can be made."""


class TryAgain(NotServing):
    """Some of the command's keys are on their way to another node of the cluster: it did not run."""


class Redirected(CacheServerError):
    """Another node of the cluster has the key's slot (``MOVED``), or this one key already (``ASK``): it did not run."""

    def __init__(self, code: str, slot: int, host: str, port: int) -> None:
        super().__init__(
            f"the server is a node of a cluster, and another one has the key (slot {slot}); the URL of a cluster "
            "begins with redis+cluster://",
            code=code,
        )
        self.slot = slot
        self.host = host
        """Empty where the node did not say: then it is the host that was asked."""
        self.port = port


def _redirected(code: str, text: str) -> Redirected | None:
    try:
        _, slot, place = text.split(" ")[:3]
        host, _, port = place.rpartition(":")
        return Redirected(code, int(slot), "" if host == "?" else host.strip("[]"), int(port))
    except ValueError:
        return None


def reply_error(text: str) -> CacheError:
    """The error of ours for the text of an error reply.

    A server that says it can't serve now is unavailable, as if it were cut off.
    """
    code = text.split(" ", 1)[0]
    shown = text.split(_ECHO, 1)[0][:_LONGEST_TEXT]
    if any(words in text for words in _DENIED_IN_A_SCRIPT):
        return AccessDeniedError(f"the server refused: NOPERM: {shown}", code="NOPERM")
    if code in _DENIED:
        return AccessDeniedError(f"the server refused: {shown}", code=code)
    if code == "TRYAGAIN":
        return TryAgain(f"the server can't serve now: {shown}")
    if code in _DOWN or "max number of clients" in text:
        return NotServing(f"the server can't serve now: {shown}")
    if code == "READONLY":
        return ReadOnly(f"the server is a replica, which takes no writes: {shown}")
    redirected = _redirected(code, text) if code in _ELSEWHERE else None
    if redirected is not None:
        return redirected
    if code == "CROSSSLOT":
        shown = f"{shown}; in a cluster the keys of one command need one slot, and its URL begins with redis+cluster://"
    return CacheServerError(f"the server answered: {shown}", code=code)
