"""Names of classes and schemas as hashes: equal in every process that runs the same source.

Nothing here may depend on memory addresses, the order of sets or the hash seed. `Optional[int]`, `int | None` and
`Union[None, int]` differ only where their order differs; metadata of `Annotated` doesn't enter (it may hold functions).
"""

from __future__ import annotations

import enum
import hashlib
import sys
import types
import typing
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["class_id", "class_label", "declared", "describe", "schema_id"]

_DIGEST_BYTES: Final = 8
_PLAIN_LITERALS: Final = (type(None), bool, int, float, str, bytes)


def class_label(cls: type) -> str:
    """``module:qualname``, with the arguments of a pydantic generic, whose own names don't tell modules apart."""
    generic: Any = getattr(cls, "__pydantic_generic_metadata__", None)
    if generic and generic["origin"] is not None:
        origin: Any = generic["origin"]
        return f"{class_label(origin)}[{', '.join(map(describe, generic['args']))}]"
    return f"{cls.__module__}:{cls.__qualname__}"


def class_id(label: str) -> bytes:
    return _digest(label)


def schema_id(kind: str, fields: Iterable[tuple[str, object]]) -> bytes:
    """A fingerprint of field names and annotations in their order."""
    return _digest("\n".join([kind, *(f"{name}: {describe(annotation)}" for name, annotation in fields)]))


def declared(cls: type, *, as_text: bool = True) -> dict[str, object]:
    """The annotations as the class and its bases wrote them, names not resolved; nearer classes win.

    Before Python 3.14 an annotation is what the source made it, an object or a text. From then on it is its text, or
    with `as_text=False` the object where its names are defined already.
    """
    found: dict[str, object] = {}
    for klass in reversed(cls.__mro__):
        found.update(_own_annotations(klass, as_text=as_text))
    return found


def describe(annotation: object) -> str:
    """A text of the annotation."""
    if annotation is None or annotation is types.NoneType:
        return "None"
    if isinstance(annotation, str):
        return "".join(annotation.split())
    if isinstance(annotation, typing.ForwardRef):
        return "".join(annotation.__forward_arg__.split())
    if isinstance(annotation, typing.TypeVar):
        return annotation.__name__
    if isinstance(annotation, list | tuple):  # parameters of a Callable
        return f"[{', '.join(map(describe, annotation))}]"
    origin: Any = typing.get_origin(annotation)
    if origin is None:
        return _describe_plain(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return describe(arguments[0])
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(describe_value, arguments))}]"
    if origin is typing.Union or origin is types.UnionType:
        return "|".join(map(describe, arguments))
    return f"{describe(origin)}[{', '.join(map(describe, arguments))}]"


def describe_value(value: object) -> str:
    """A text of a constant: exact for plain ones, the class for others."""
    if isinstance(value, enum.Enum):
        return f"{class_label(type(value))}.{value._name_}"
    if type(value) is tuple:
        return f"({', '.join(map(describe_value, value))})"
    return repr(value) if type(value) in _PLAIN_LITERALS else class_label(type(value))


def _describe_plain(annotation: object) -> str:
    if isinstance(annotation, type):
        return annotation.__qualname__ if annotation.__module__ == "builtins" else class_label(annotation)
    name = getattr(annotation, "__name__", None) or getattr(annotation, "_name", None)  # NewType, aliases, Any
    if isinstance(name, str):
        return name
    return annotation.__class__.__qualname__ if annotation is not ... else "..."


def _own_annotations(cls: type, *, as_text: bool) -> dict[str, object]:
    if sys.version_info >= (3, 14):
        import annotationlib

        form = annotationlib.Format.STRING if as_text else annotationlib.Format.FORWARDREF
        return annotationlib.get_annotations(cls, format=form)
    found = vars(cls).get("__annotations__", {})
    return found if isinstance(found, dict) else {}


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
