"""Keys and tags as users hand them to the verbs: refused with the reason, or passed on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from ..errors import ArgumentError, ArgumentTypeError
from ..model.entry import MAX_TAG_BYTES, MAX_TAGS
from .key_text import bound_key

__all__ = ["check_encodes", "check_key", "check_keys", "check_tags", "check_texts", "several_keys"]


def check_key(key: object) -> str:
    """The key itself. Raises ArgumentTypeError for a non-string, ArgumentError for a string that can't be a key."""
    if type(key) is str and key.isascii() and key and key[0] != "#":
        return key
    if not isinstance(key, str):
        raise ArgumentTypeError(f"a key must be a str, not {type(key).__name__}")
    text = str.__str__(key)
    if not text:
        raise ArgumentError("a key must not be empty")
    if text[0] == "#":
        raise ArgumentError(f"a key must not begin with '#', which marks the cache's own keys: {text[:80]!r}")
    check_encodes(text, "a key")
    return text


def check_keys(keys: object) -> list[str]:
    """The keys of a batch verb. Raises ArgumentTypeError for a bare string, and as `check_key` for each key."""
    return [check_key(key) for key in several_keys(keys)]


def several_keys(keys: object) -> Iterable[object]:
    """What a batch verb was given as keys, each yet to be checked. Raises ArgumentTypeError for a bare string."""
    return _several(keys, "keys", "a sequence of keys")


def check_tags(tags: object, *, most: float = MAX_TAGS) -> tuple[str, ...]:
    """The tags, each once, in order; one above `MAX_TAG_BYTES`, or that UTF-8 can't encode, as its head and a digest.

    Raises ArgumentTypeError for a bare string or a tag that is none, ArgumentError for an empty tag, and for more than
    `most` tags: those that one entry may carry.
    """
    if tags == ():
        return ()
    checked: dict[str, None] = {}
    for tag in _several(tags, "tags", "a sequence of tags"):
        if type(tag) is str and tag.isascii() and 0 < len(tag) <= MAX_TAG_BYTES:
            checked[tag] = None
        else:
            checked[bound_key(_text(tag), MAX_TAG_BYTES)] = None
    if len(checked) > most:
        raise ArgumentError(f"at most {most} tags, not {len(checked)}")
    return tuple(checked)


def check_texts(tags: object) -> list[str]:
    """Tags, or templates of some, as they are written. Raises as `check_tags`, but for their number."""
    return [_text(tag) for tag in _several(tags, "tags", "a sequence of tags")]


def _text(tag: object) -> str:
    if not isinstance(tag, str):
        raise ArgumentTypeError(f"a tag must be a str, not {type(tag).__name__}")
    if not tag:
        raise ArgumentError("a tag must not be empty")
    return str.__str__(tag)


def _several(values: object, name: str, meant: str) -> Iterable[object]:
    if isinstance(values, str):
        raise ArgumentTypeError(f"{name} must be {meant}; for this one write [{values[:80]!r}]")
    if isinstance(values, bytes) or not isinstance(values, Iterable):
        raise ArgumentTypeError(f"{name} must be {meant}, not {type(values).__name__}")
    return cast("Iterable[object]", values)


def check_encodes(text: str, what: str) -> None:
    """Raises ArgumentError for text that has no UTF-8 (a lone surrogate)."""
    try:
        text.encode()
        return
    except UnicodeEncodeError:
        pass
    raise ArgumentError(f"{what} must be encodable as UTF-8; {text[:80]!r} holds a lone surrogate")
