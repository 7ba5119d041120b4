"""What keys are called on the server: checked, of bounded length, behind the prefix. Remembered, since they recur."""

from __future__ import annotations

from .key_checks import check_key
from .key_text import bound_key

__all__ = ["FullNames"]

_MOST = 4096


class FullNames(dict[str, str]):
    """The names of one namespace, by key. Asked with `names[key]` for a key whose class is `str`, else with `of`."""

    __slots__ = ("_longest", "_prefix")

    def __init__(self, prefix: str, longest: int) -> None:
        super().__init__()
        self._prefix = prefix
        self._longest = longest

    def of(self, key: object) -> str:
        """The name, for whatever a caller takes for a key. Raises ArgumentTypeError, ArgumentError."""
        return self[key] if type(key) is str else self._made(key)

    def within(self, prefix: str) -> FullNames:
        """The same behind another prefix."""
        return FullNames(prefix, self._longest)

    def __missing__(self, key: str) -> str:
        name = self._made(key)
        if len(self) >= _MOST:
            self.clear()
        self[key] = name
        return name

    def _made(self, key: object) -> str:
        return self._prefix + bound_key(check_key(key), self._longest)
