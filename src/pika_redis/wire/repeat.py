"""The classes of commands by what may be done when no reply to one came; `node` says what is done."""

from __future__ import annotations

import enum

__all__ = ["Repeat"]


class Repeat(enum.Enum):
    """Whether a command may be sent again when its outcome is unknown."""

    ALWAYS = "always"
    UNSENT = "unsent"
    NEVER = "never"
