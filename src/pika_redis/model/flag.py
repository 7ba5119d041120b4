"""Yes and no as words, in variables and URLs."""

from __future__ import annotations

__all__ = ["FLAG_WORDS", "to_flag"]

_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}

FLAG_WORDS = ", ".join(_FLAGS)
"""The words allowed, for messages."""


def to_flag(word: str) -> bool | None:
    """What the word says, whatever its case; None for any other word."""
    return _FLAGS.get(word.strip().lower())
