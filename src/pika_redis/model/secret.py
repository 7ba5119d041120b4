"""`Secret`: text that shows itself only when asked by name."""

from __future__ import annotations

import hmac
from typing import NoReturn, Self

from ..errors import ArgumentTypeError

__all__ = ["Secret"]


class Secret:
    """A password or a URL with one: prints as ``***``, can't be pickled, and copies are the object itself."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ArgumentTypeError(f"a secret must be a str, not {type(text).__name__}")
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __format__(self, _spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(*(text.encode("utf-8", "surrogatepass") for text in (self._text, other._text)))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError("a Secret can't be pickled: pickles are stored and sent in plain text")
