"""Bounds on what a value may cost: in bytes, in depth, in objects."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from ..errors import ConfigurationError

__all__ = ["MAX_DEPTH", "Limits"]

MAX_DEPTH: Final = 64
"""The largest `depth`: more could run a thread out of its C stack while it decodes a hostile payload."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a codec accepts, alike when it encodes and when it decodes; sizes in bytes, before compression."""

    max_bytes: int = 64 * 1024 * 1024
    """The largest payload, encoded and also decompressed."""
    depth: int = MAX_DEPTH
    """How deep values other than plain lists and str-keyed dicts may nest (`docs/reference/values.md`)."""
    compress_from: int | None = 8192
    """Payloads of this many bytes and more are compressed when it pays; None = never."""
    max_objects: int = 2_000_000
    """The most parts (containers, texts, numbers above one byte) a payload may hold, and an eighth of the most None,
    booleans and integers below 128; each costs memory when decoded."""

    def __post_init__(self) -> None:
        for field in fields(self):
            size = getattr(self, field.name)
            if size is None and field.name == "compress_from":
                continue
            if type(size) is not int or size < 1:
                raise ConfigurationError(f"{field.name}={size!r} must be an integer of at least 1")
        if self.depth > MAX_DEPTH:
            raise ConfigurationError(f"depth={self.depth} must be at most {MAX_DEPTH}")
