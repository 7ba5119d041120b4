"""What a function's return annotation means, for the models that its results may hold."""

from __future__ import annotations

import builtins
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

__all__ = ["return_annotation"]


class _Lenient(dict[str, object]):
    """Names of a module; one that only type checkers know (imported under TYPE_CHECKING) means Any."""

    def __missing__(self, name: str) -> object:
        return getattr(builtins, name, Any)


def return_annotation(function: Callable[..., object]) -> object:
    """The annotation as an object, None where there is none or it makes no sense when it is evaluated.

    Only this one annotation is looked at: what the parameters' say may be unknown here.
    """
    written = getattr(function, "__annotations__", {}).get("return")
    names = getattr(inspect.unwrap(function), "__globals__", {})
    stub = types.SimpleNamespace(__annotations__={"return": written})
    for known in (names, _Lenient(names)):
        try:
            return typing.get_type_hints(stub, names, known)["return"]
        except Exception:  # noqa: BLE001, S112 (whatever evaluating someone's annotation raises)
            continue
    return None
