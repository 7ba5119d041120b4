"""What a program under `python -X dev` said, without asyncio's remarks about the speed of the machine."""

from __future__ import annotations

import re

__all__ = ["complaints"]

_SLOW_STEP = re.compile(r"^Executing <.*> took \d+\.\d+ seconds\n", re.MULTILINE)
"""Debug mode tells of every step of a loop that took longer than 0.1 s, an import on a busy machine among them."""


def complaints(stderr: str) -> str:
    """All that is left; empty when the program had nothing to complain about."""
    return _SLOW_STEP.sub("", stderr)
