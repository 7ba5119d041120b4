"""Why a command got no reply, or an error for one: the door at which foreign errors become ours."""

from __future__ import annotations

from typing import Final

from ..errors import (
    AccessDeniedError,
    CacheError,
    CacheServerError,
    CacheTimeoutError,
    CacheUnavailableError,
    OverloadedError,
)

__all__ = ["Disconnected", "Full", "LoginDenied", "NotServing", "ReadOnly", "Stalled", "reply_error"]

_DENIED: Final = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})
_DOWN: Final = frozenset({"LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED"})
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


class LoginDenied(AccessDeniedError):
    """The server does not take us: no connection to it can be made."""


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
    if code in _DOWN or "max number of clients" in text:
        return NotServing(f"the server can't serve now: {shown}")
    if code == "READONLY":
        return ReadOnly(f"the server is a replica, which takes no writes: {shown}")
    return CacheServerError(f"the server answered: {shown}", code=code)
