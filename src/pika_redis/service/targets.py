"""What the decorators take: a function, on its own or in a classmethod or staticmethod. All else is refused by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..errors import ArgumentTypeError
from .arguments import Receiver

__all__ = ["is_async", "plain_function"]


def plain_function(target: Any, decorator: str) -> tuple[Callable[..., Any], Receiver | None]:
    """The function behind what was decorated, and its receiver where the wrapping tells. Raises ArgumentTypeError."""
    told = None
    if isinstance(target, classmethod):
        target, told = target.__func__, Receiver.CLASS
    elif isinstance(target, staticmethod):
        target, told = target.__func__, Receiver.NONE
    problem = _problem(target)
    if problem:
        raise ArgumentTypeError(f"{decorator} {problem}")
    return target, told


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call gives a coroutine, also where `function` is an object that another decorator made."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _problem(target: Any) -> str:
    """Why this can't be decorated; empty when it can."""
    if isinstance(target, property | functools.cached_property):
        function = target.fget if isinstance(target, property) else target.func
        name = getattr(function, "__qualname__", "")
        return f"does not take the property {name}: write it below @property, not above"
    if inspect.isclass(target):
        return f"does not take the class {target.__qualname__}: decorate a function that makes one"
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        return f"does not take the generator {target.__qualname__}: a call only makes the generator; return a list"
    if inspect.ismethod(target):
        return f"does not take the bound method {target.__qualname__}: decorate the function in its class"
    if not callable(target):
        return f"takes a function, not {type(target).__name__}; options are given by name, such as @cache(ttl=60)"
    if not hasattr(target, "__qualname__") or not hasattr(target, "__module__"):
        return f"takes a function, not an object of class {type(target).__qualname__}, which has no name of its own"
    return ""
