"""From a value that can't be held to the error that names its place.

The packer works without paths: native code walks plain data. When it refuses something, the value is walked once more
here, in Python, until the refused object is met again. Nothing here recurses, so depth and circles are harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from ..errors import SerializationError, ValueTooLargeError

__all__ = ["TOO_DEEP", "Members", "Refused", "TooLarge", "explain"]

TOO_DEEP: Final = "too deep"
_UNKNOWN: Final = object()
_MAX_KEY_TEXT: Final = 40
_MAX_PATH_TEXT: Final = 200

Members = Callable[[object], "Iterator[tuple[str, object]] | None"]
"""Names and values of a model's fields, None for what is no model."""


class Refused(Exception):
    """Internal: the packer can't hold `culprit`. `reason` ends the sentence "… can't be cached:", or is `TOO_DEEP`."""

    def __init__(self, reason: str, culprit: object = _UNKNOWN) -> None:
        super().__init__(reason)
        self.reason = reason
        self.culprit = culprit

    def blame(self, culprit: object) -> None:
        """Names the culprit if nobody nearer to it has."""
        if self.culprit is _UNKNOWN:
            self.culprit = culprit


class TooLarge(Refused):
    """Internal: the packer could hold the value, were it smaller."""


def explain(root: object, refusal: Refused, members: Members) -> SerializationError:
    """The error to raise, with the path of what was refused."""
    if refusal.reason is TOO_DEEP:
        circle = _find_circle(root, members)
        if circle is not None:
            path, target = circle
            text = f"{_short(path)} refers back to {_short(target)}: a circle can't be cached"
        else:
            path = _find(root, refusal.culprit, members)
            text = f"the value is nested too deep at {_short(path)}"
        return SerializationError(text, path=path)
    refusal.blame(root)
    path = _find(root, refusal.culprit, members)
    text = f"{_name(refusal.culprit)} at {_short(path)} can't be cached: {refusal.reason}"
    kind = ValueTooLargeError if isinstance(refusal, TooLarge) else SerializationError
    return kind(text, path=path)


def _find(root: object, culprit: object, members: Members) -> str:
    """The path of the culprit, ``$`` if it isn't met."""
    for steps, value, _ in _walk(root, members):
        if value is culprit:
            return "".join(steps)
    return "$"


def _find_circle(root: object, members: Members) -> tuple[str, str] | None:
    """The path of a reference that closes a circle, and the path that it refers to."""
    for steps, _, target in _walk(root, members):
        if target is not None:
            return "".join(steps), "".join(steps[: target + 1])
    return None


def _walk(root: object, members: Members) -> Iterator[tuple[list[str], object, int | None]]:
    """Steps of the path, value, and the depth of the same object above, if there is one.

    Depth first, each container once. The list of steps is changed when the walk goes on.
    """
    steps = ["$"]
    yield steps, root, None
    trail = [(root, _children(root, members))]
    open_at = {id(root): 0}
    done: dict[int, object] = {}  # holds the objects, so that an id stays the same object's
    while trail:
        container, children = trail[-1]
        for step, child in children or ():
            steps.append(step)
            yield steps, child, open_at.get(id(child))
            if id(child) not in open_at and id(child) not in done:
                inside = _children(child, members)
                if inside is not None:
                    open_at[id(child)] = len(trail)
                    trail.append((child, inside))
                    break
            steps.pop()
        else:
            trail.pop()
            steps.pop()
            del open_at[id(container)]
            done[id(container)] = container


def _children(value: Any, members: Members) -> Iterator[tuple[str, object]] | None:
    kind = type(value)
    if kind is dict:
        return _items(value)
    if kind is list or kind is tuple:
        return ((f"[{index}]", item) for index, item in enumerate(value))
    if kind is set or kind is frozenset:
        return (("{}", item) for item in value)
    return members(value)


def _items(value: dict[object, object]) -> Iterator[tuple[str, object]]:
    for key, item in value.items():
        step = _key(key)
        yield f"{step}(key)", key
        yield step, item


def _key(key: object) -> str:
    if type(key) is str and key.isidentifier() and len(key) <= _MAX_KEY_TEXT:
        return f".{key}"
    if type(key) in (str, bytes, int, bool, float, type(None)):
        text = repr(key)
        return f"[{text if len(text) <= _MAX_KEY_TEXT else text[:_MAX_KEY_TEXT] + '…'}]"
    return f"[<{type(key).__qualname__}>]"


def _name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _short(path: str) -> str:
    return path if len(path) <= _MAX_PATH_TEXT else f"{path[:150]}…{path[-45:]}"
