"""Lua scripts: one file each beside this module, called by digest once the server has seen the source.

None begins with a ``#!lua`` line: such scripts are refused as a whole when memory is full, even if they only delete.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..errors import AccessDeniedError, CacheServerError
from .framing import Command

__all__ = [
    "COUNT",
    "END_AGAIN",
    "HOLD",
    "INVAL",
    "KEEP",
    "MARK_STALE",
    "RELEASE",
    "RENEW",
    "RENEW_TAG",
    "REPLACE",
    "ROTATE",
    "UNHOLD",
    "Script",
]


_CALL: Final = re.compile(r"redis\.p?call\('([A-Z]+)'")


def _read(name: str) -> str:
    """The source of a script. `importlib.resources` would say the same, and import zip, lzma and tempfile for it."""
    return (Path(__file__).with_name("lua") / f"{name}.lua").read_text("utf-8")


class Script:
    """The source of one script and the digest by which the server knows it."""

    __slots__ = ("commands", "digest", "name", "source")

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = _read(name)
        self.commands = tuple(dict.fromkeys(_CALL.findall(self.source)))
        """What it runs."""
        self.digest = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def command(self, key: str | Sequence[str | bytes], arguments: Sequence[str | bytes | int]) -> Command:
        """Source and all, for a server that may not know the script."""
        return ("EVAL", self.source, *_keys(key), *arguments)

    def by_digest(self, key: str | Sequence[str | bytes], arguments: Sequence[str | bytes | int]) -> Command:
        """For a server that knows it."""
        return ("EVALSHA", self.digest, *_keys(key), *arguments)

    def explain(self, error: CacheServerError) -> CacheServerError:
        """The same, saying what the script needs when the user may not do something."""
        if type(error) is not AccessDeniedError:
            return error
        needs = ", ".join(("EVAL", "EVALSHA", *self.commands))
        return AccessDeniedError(f"{error} (the script {self.name!r} needs {needs})", code=error.code)

    def __repr__(self) -> str:
        return f"Script({self.name!r})"


REPLACE: Final = Script("replace")
UNHOLD: Final = Script("unhold")
HOLD: Final = Script("hold")
INVAL: Final = Script("inval")
MARK_STALE: Final = Script("mark_stale")


def _keys(key: str | Sequence[str | bytes]) -> tuple[str | bytes | int, ...]:
    return (1, key) if isinstance(key, str) else (len(key), *key)


COUNT: Final = Script("count")
END_AGAIN: Final = Script("end_again")
ROTATE: Final = Script("rotate")
KEEP: Final = Script("keep")
RELEASE: Final = Script("release")
RENEW: Final = Script("renew")
RENEW_TAG: Final = Script("renew_tag")
