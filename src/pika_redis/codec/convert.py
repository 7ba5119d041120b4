"""Plain data into the type that a caller asked for with `type=`.

msgspec does it for dataclasses, Structs, TypedDicts, NamedTuples, enums and generics of these; a pydantic model
validates itself wherever it stands. What msgspec can't express, such as a union of two pydantic models, goes to
pydantic.
"""

from __future__ import annotations

import sys
import typing
from typing import Any, TypeVar, cast

from ..errors import ArgumentTypeError
from .models.kinds import is_pydantic
from .undecodable import Undecodable

__all__ = ["check_type", "convert"]

T = TypeVar("T")
_NAMES_OF_TYPES = ("NewType", "TypeAliasType", "TypeVar")


def check_type(type_: object) -> None:
    """Raises ArgumentTypeError for what is neither a class nor another form of type, such as ``list[int] | None``."""
    if isinstance(type_, type) or typing.get_origin(type_) is not None or type(type_).__name__ in _NAMES_OF_TYPES:
        return
    if isinstance(type_, str):
        raise ArgumentTypeError(f"type={type_!r} can't be decoded: give the type itself, not its name")
    kind = type(type_).__qualname__
    raise ArgumentTypeError(
        f"type= can't be decoded: give a class or a type such as list[int], not an object of {kind}"
    )


def convert(value: object, type_: type[T]) -> T:
    """The value as `type_`; an instance passes as it is.

    Raises Undecodable when it doesn't fit, ArgumentTypeError when nothing can be made into such a type.
    """
    if type(value) is type_ or _is_instance(value, type_):
        return cast("T", value)
    try:
        return cast("T", _convert(value, type_))
    except (Undecodable, ArgumentTypeError):
        raise
    except Exception as error:
        raise Undecodable(f"doesn't fit {_name(type_)}: {type(error).__name__}") from error


def _is_instance(value: Any, type_: Any) -> bool:
    if isinstance(value, int) or not isinstance(type_, type):  # a bool is no int here
        return False
    try:
        return isinstance(value, type_)
    except TypeError:  # list[int] and its like
        return False


def _convert(value: Any, type_: Any) -> Any:
    check_type(type_)
    if isinstance(type_, type) and is_pydantic(type_):
        return _make(type_, value)
    import msgspec

    try:
        return msgspec.convert(value, type_, dec_hook=_make)
    except TypeError as error:
        if "pydantic" not in sys.modules:
            raise ArgumentTypeError(f"type={_name(type_)} can't be decoded: {error}") from error
        return _by_pydantic(value, type_)


def _make(type_: Any, value: Any) -> Any:
    """One value of a class that msgspec doesn't know."""
    if is_pydantic(type_):
        return type_.model_validate(value)
    if isinstance(value, type_):
        return value
    raise ValueError(f"no {_name(type_)}")


def _by_pydantic(value: Any, type_: Any) -> Any:
    import pydantic

    try:
        return pydantic.TypeAdapter(type_).validate_python(value)
    except pydantic.PydanticUserError as error:
        raise ArgumentTypeError(f"type={_name(type_)} can't be decoded: {error.message.splitlines()[0]}") from error


def _name(type_: Any) -> str:
    return type_.__qualname__ if isinstance(type_, type) else str(type_)
