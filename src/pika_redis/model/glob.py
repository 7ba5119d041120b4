"""Redis glob patterns, matched in Python exactly as the server matches them.

Strategy: two pointers with a return to the last star, so a hostile pattern costs at most
O(len(pattern) * len(text)); a translation to `re` could be driven into polynomial blow-up.
The language is that of KEYS and SCAN MATCH: ``*``, ``?``, ``[abc]``, ``[a-c]``, ``[^x]``, and ``\\`` before
a character takes it literally. An unclosed ``[`` runs to the end of the pattern, ``[]`` matches nothing and ``[^]``
any byte. The server matches bytes, so ``?`` stands for one byte of the key's UTF-8; we do the same. Two of its habits
need saying: in a range bytes compare as C's signed ``char`` (so 0x80 to 0xFF come before ASCII), and a pattern with
more than a thousand stars, the trailing one aside, matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["compile_glob", "escape_glob"]

_SPECIAL = re.compile(r"([*?\[\]\\^-])")
_MAX_STARS = 1000
"""How deep the server recurses, one level a star; deeper it gives up without a match."""


def escape_glob(text: str) -> str:
    """The pattern that matches exactly `text` and nothing else."""
    return _SPECIAL.sub(r"\\\1", text)


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """A function that tells whether a text matches `pattern` as a whole."""
    tokens = _tokens(_as_bytes(pattern))
    if tokens[:-1].count(None) > _MAX_STARS:
        return _never

    def matches(key: str) -> bool:
        text = _as_bytes(key)
        at = token = 0
        star = -1
        resume = 0
        while at < len(text):
            if token < len(tokens) and tokens[token] is None:
                star, resume = token, at
                token += 1
            elif token < len(tokens) and _accepts(tokens[token], text[at]):
                at += 1
                token += 1
            elif star >= 0:
                resume += 1
                token, at = star + 1, resume
            else:
                return False
        return all(rest is None for rest in tokens[token:])

    return matches


def _never(_key: str) -> bool:
    return False


def _as_bytes(text: str) -> str:
    """The text's UTF-8 bytes as a string of one character a byte."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


class _Set:
    """A bracket: single characters and ranges, possibly negated, in the order of `_signed`."""

    __slots__ = ("negated", "ranges")

    def __init__(self, ranges: list[tuple[int, int]], negated: bool) -> None:
        self.ranges = ranges
        self.negated = negated


_ANY = _Set([], negated=True)
_Token = str | _Set | None  # a literal character, a bracket or `?`, None for `*`


def _accepts(token: _Token, char: str) -> bool:
    if isinstance(token, str):
        return token == char
    if token is None:
        return True
    rank = _signed(char)
    return any(low <= rank <= high for low, high in token.ranges) is not token.negated


def _signed(char: str) -> int:
    """The byte's rank among signed chars: 0x80 lowest, 0x7F highest."""
    return ord(char) ^ 0x80


def _tokens(pattern: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            if not tokens or tokens[-1] is not None:
                tokens.append(None)
        elif char == "?":
            tokens.append(_ANY)
        elif char == "[":
            bracket, at = _bracket(pattern, at + 1)
            tokens.append(bracket)
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            tokens.append(pattern[at])
        else:
            tokens.append(char)
        at += 1
    return tokens


def _bracket(pattern: str, at: int) -> tuple[_Set, int]:
    """The set that begins after ``[`` and the index of its closing ``]`` (or the last index)."""
    negated = pattern[at : at + 1] == "^"
    if negated:
        at += 1
    ranges: list[tuple[int, int]] = []
    while at < len(pattern) and pattern[at] != "]":
        low = high = _signed(pattern[at])
        if pattern[at] == "\\" and at + 1 < len(pattern):
            at += 1
            low = high = _signed(pattern[at])
        elif at + 2 < len(pattern) and pattern[at + 1] == "-":
            at += 2
            high = _signed(pattern[at])
        ranges.append((min(low, high), max(low, high)))
        at += 1
    return _Set(ranges, negated), min(at, len(pattern) - 1)
