"""The one door at which foreign errors become ours."""

from __future__ import annotations

from typing import Final

from ..errors import AccessDeniedError, CacheError, CacheServerError, CacheUnavailableError

__all__ = ["Disconnected", "reply_error"]

_DENIED: Final = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})
_DOWN: Final = frozenset({"LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED"})
_LONGEST_TEXT: Final = 300


class Disconnected(CacheUnavailableError):
    """A command got no reply. `sent` tells whether the server may have run it."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


def reply_error(text: str) -> CacheError:
    """The error of ours for the text of an error reply.

    A server that says it can't serve now (loading, busy in a script) is unavailable, as if it were cut off.
    """
    code = text.split(" ", 1)[0]
    shown = text[:_LONGEST_TEXT]
    if code in _DENIED:
        return AccessDeniedError(f"the server refused: {shown}", code=code)
    if code in _DOWN or "max number of clients" in text:
        return CacheUnavailableError(f"the server can't serve now: {shown}")
    return CacheServerError(f"the server answered: {shown}", code=code)
