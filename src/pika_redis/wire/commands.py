"""Which commands a user may send over a connection that is shared, and which need one of their own."""

from __future__ import annotations

import enum

from .framing import Argument, Command

__all__ = ["Mode", "mode_of"]


class Mode(enum.Enum):
    """How a command may be sent."""

    SHARED = "shared"
    BLOCKING = "blocking"
    REFUSED = "refused"


_REFUSED_WORDS = """
ASKING AUTH DISCARD EXEC HELLO MONITOR MULTI PSUBSCRIBE PSYNC PUNSUBSCRIBE QUIT READONLY READWRITE RESET SELECT
SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE SYNC UNSUBSCRIBE UNWATCH WATCH
"""
_REFUSED_CLIENT_WORDS = "CAPA CACHING IMPORT-SOURCE NO-EVICT NO-TOUCH REPLY SETINFO SETNAME TRACKING"
_BLOCKING_WORDS = """
BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN WAIT WAITAOF XREAD XREADGROUP
"""
_REFUSED = frozenset(_REFUSED_WORDS.split())
_REFUSED_CLIENT = frozenset(_REFUSED_CLIENT_WORDS.split())
_BLOCKING = frozenset(_BLOCKING_WORDS.split())


def mode_of(command: Command) -> Mode:
    """How a command may be sent, by its name (and CLIENT's or SCRIPT's subcommand)."""
    name = _word(command[0])
    if name in _REFUSED or (name == "CLIENT" and len(command) > 1 and _word(command[1]) in _REFUSED_CLIENT):
        return Mode.REFUSED
    if name in _BLOCKING or (name == "CLIENT" and len(command) > 1 and _word(command[1]) == "PAUSE"):
        return Mode.BLOCKING
    if name == "SCRIPT" and len(command) > 1 and _word(command[1]) == "DEBUG":
        return Mode.REFUSED
    return Mode.SHARED


def _word(word: Argument) -> str:
    return (word.decode("latin-1") if isinstance(word, bytes) else str(word)).upper()
