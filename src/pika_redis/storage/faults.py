"""Which errors mean that a server is gone, or does not write: what memory and the journal stand in for."""

from __future__ import annotations

from typing import Final

from ..errors import CacheServerError, CacheUnavailableError
from ..wire.replies import LoginDenied

__all__ = ["FULL", "GONE", "is_the_servers_fault"]

GONE: Final = (CacheUnavailableError, LoginDenied)
"""The errors by which a server is gone."""
FULL: Final = "OOM"
"""What a server answers that has no memory left."""
_REFUSED: Final = frozenset({"MISCONF", "NOREPLICAS", "READONLY"})
"""What a server answers that does not write for anybody at present."""


def is_the_servers_fault(error: Exception) -> bool:
    """Whether a change failed for a reason that lies with the server, and not with what was asked."""
    if isinstance(error, CacheServerError):
        return error.code in _REFUSED or error.code == FULL or isinstance(error, LoginDenied)
    return isinstance(error, CacheUnavailableError)
