"""Between bytes and replies: the reader, and finding what `hiredis` can't frame.

`hiredis` raises on most of what it doesn't know, a blob error (`!`) among it. A RESP3 attribute (`|`), however, it
gives back as if it were a reply, and every later reply would go to the wrong caller. No server sends attributes
unasked, and we never ask; so one ends the connection. `attribute_marks` finds the bytes that look like its header. The
same bytes may stand inside a value: the reader is fed up to the mark, and has unread bytes left only if it stands
inside one.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import hiredis

from .replies import reply_error

__all__ = [
    "NOT_ENOUGH",
    "UNREADABLE",
    "Argument",
    "Command",
    "Push",
    "Reply",
    "Unframed",
    "attribute_marks",
    "describe",
    "new_reader",
]

Argument: TypeAlias = str | bytes | int | float
Command: TypeAlias = tuple[Argument, ...]
Reply: TypeAlias = object
"""What the server said: bytes, int, float, bool, None, list or dict of such; an error inside a list is a CacheError."""

NOT_ENOUGH = object()
"""What the reader gives while the next reply is incomplete."""
Push = hiredis.PushNotification

_TLS_ALERT = b"\x15\x03"
_ATTRIBUTE = re.compile(rb"\r\n\|(?=[0-9]*(?:\r\n|\r?\Z))")


class Unframed(Exception):
    """The server sent something that can't be told apart into replies."""


UNREADABLE = (Unframed, hiredis.HiredisError, TypeError, ValueError, MemoryError)  # TypeError: a list as a map's key


def new_reader() -> hiredis.Reader:
    """A reader that makes errors of ours from error replies, nested ones too."""
    return hiredis.Reader(notEnoughData=NOT_ENOUGH, replyError=reply_error)


def attribute_marks(data: bytes) -> list[int]:
    """Where in a chunk from the server an attribute may begin. (One pattern for both cases is 20 times slower.)"""
    marks = [found.end() - 1 for found in _ATTRIBUTE.finditer(data)]
    if data.startswith((b"|", b"\n|")):  # the line before ended with the chunk before
        marks.insert(0, data.index(b"|"))
    return marks


def describe(error: Exception, data: bytes) -> str:
    """Why the connection ends, when `data` could not be read for `error`."""
    if isinstance(error, Unframed):
        return f"the connection was closed: {error}"
    if data.startswith(_TLS_ALERT):
        return "the server answered in TLS; the URL of a server with TLS begins with rediss://"
    return f"the server sent what no reply looks like ({type(error).__name__})"
