"""Functions of one module and qualified name: their default keys are the same, so they would share entries unseen.

A name belongs to the function that has it first. Another one is warned about where it surely is another: a lambda with
other code, or a closure, whose variables no key can see. (A plain `def` of the same name is its successor: its module
was reloaded.) What is remembered of the first is a weak reference and its code, for a bounded number of names.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, NamedTuple

__all__ = ["warn_of_namesakes"]

_log = logging.getLogger("pika_redis")
_MOST = 1024
_known: dict[tuple[str, ...], _First | None] = {}
"""Who has a name; None once a second one was warned about."""
_lock = threading.Lock()


class _First(NamedTuple):
    function: weakref.ref[Callable[..., Any]]
    code: CodeType


def warn_of_namesakes(function: Callable[..., Any], prefix: str, version: int | str) -> None:
    """Note a function that gets default keys; once a name, log a warning when another function has it already."""
    if not isinstance(function, FunctionType):
        return
    code = function.__code__
    name = (function.__module__, function.__qualname__, prefix, repr(version))
    with _lock:
        if name not in _known:
            if len(_known) >= _MOST:
                _known.clear()
            _known[name] = _First(weakref.ref(function), code)
            return
        first = _known[name]
        if first is None or first.function() is function or not _surely_another(code, first.code):
            return
        _known[name] = None
    _log.warning(
        "two cached functions are called %s.%s: they have the same keys and give each other's results. Give each a "
        "prefix= of its own, or a key_generator=, or write a def of its own for each",
        function.__module__,
        function.__qualname__,
    )


def _surely_another(code: CodeType, first: CodeType) -> bool:
    """Whether a function with this code, not the first itself, may answer differently."""
    is_closure = any(name != "__class__" for name in code.co_freevars)  # which `super()` needs
    return is_closure or (code.co_name == "<lambda>" and code != first)
