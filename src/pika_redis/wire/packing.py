"""Commands -> bytes.

`hiredis` packs whatever there is, but formats each length by ``printf``, which is most of what it does. So the two
commands of which a busy service sends the most words are put together here from headers made once: a SET with its time
to live in two thirds of the instructions, an MGET of many keys in half of them. All others, and words of uncommon kinds
or lengths, are left to `hiredis`. Both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, cast

import hiredis

from ..errors import ArgumentError, ArgumentTypeError, CacheUsageError
from .framing import Command

__all__ = ["pack", "pack_all", "unpackable"]

_LENGTHS: Final = 320  # of words: above the longest key that a service makes, with a prefix
_HEADERS: Final = [f"\r\n${length}\r\n" for length in range(_LENGTHS)]  # a list: it is looked into faster than a tuple
_SET: Final = [f"*5\r\n$3\r\nSET{header}".encode() for header in _HEADERS]
_SET_KINDS: Final = (str, str, bytes, str, int)  # SET key value PX milliseconds
_MANY: Final = 16  # words, from which their lengths are looked up together


def pack(command: Command) -> bytes:
    """The bytes of one command. Raises TypeError, ValueError (see `unpackable`)."""
    words = len(command)
    if words == len(_SET_KINDS):
        name, key, value, unit, life = command
        kinds = (type(name), type(key), type(value), type(unit), type(life))
        if kinds == _SET_KINDS and name == "SET" and unit == "PX":
            packed = _pack_set(cast("str", key), cast("bytes", value), cast("int", life))
            if packed is not None:
                return packed
    elif words >= _MANY and command[0] == "MGET":
        packed = _pack_texts(cast("tuple[str, ...]", command))
        if packed is not None:
            return packed
    return cast("bytes", hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub knows one-tuples alone


def _pack_set(key: str, value: bytes, life: int) -> bytes | None:
    """None for a long key."""
    raw = key.encode()
    if len(raw) >= _LENGTHS:
        return None
    return b"".join((_SET[len(raw)], raw, _header(len(value)), value, _ending(life)))


def _pack_texts(words: tuple[str, ...]) -> bytes | None:
    """Words of ASCII text, each behind its length, without a loop; None when one is something else, or long."""
    parts = [""] * (2 * len(words))
    try:
        parts[::2] = map(_HEADERS.__getitem__, map(len, words))
        parts[1::2] = words
        text = f"*{len(words)}{''.join(parts)}\r\n"
    except (IndexError, TypeError):
        return None
    return text.encode() if text.isascii() else None


@lru_cache(maxsize=4096)
def _header(length: int) -> bytes:
    """What stands between a word and one of so many bytes."""
    return b"\r\n$%d\r\n" % length


@lru_cache(maxsize=1024)  # times to live recur
def _ending(life: int) -> bytes:
    """What stands behind the value of a SET that lives for so many milliseconds."""
    digits = b"%d" % life
    return b"\r\n$2\r\nPX\r\n$%d\r\n%b\r\n" % (len(digits), digits)


def pack_all(commands: Sequence[Command]) -> bytes:
    """The bytes of several commands. Raises ArgumentError, ArgumentTypeError."""
    try:
        return b"".join([pack(command) for command in commands])
    except (TypeError, ValueError) as error:
        raise unpackable(error) from error


def unpackable(error: Exception) -> CacheUsageError:
    """The error of ours for what `pack` raises."""
    if isinstance(error, UnicodeError):
        return ArgumentError("a word of the command holds a lone surrogate, which UTF-8 can't express")
    return ArgumentTypeError("the words of a command are str, bytes, int or float")
