"""The arguments of a decorated function by name: bound with defaults, handed to the user's callables, and judged.

Everything that can be found out from the signature is found out at decoration, so that a wrong name in `ignore`, in a
tag template or in a key callable fails where it was written.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter

from ..errors import ArgumentTypeError, ConfigurationError

__all__ = [
    "Binder",
    "NamedCall",
    "Receiver",
    "guess_receiver",
    "is_request",
    "known_names",
    "request_scoped_parameters",
]

AnyFunction: typing.TypeAlias = Callable[..., object]


class Receiver(enum.Enum):
    """What a function's first argument is, when Python fills it in."""

    NONE = "none"
    INSTANCE = "self"
    CLASS = "cls"


def guess_receiver(function: AnyFunction) -> Receiver:
    """By the convention: defined in a class body, with a first parameter called `self` or `cls`."""
    *_, scope, _name = ("", "", *function.__qualname__.split("."))
    first = next(iter(inspect.signature(function).parameters), "")
    if scope in ("", "<locals>") or first not in ("self", "cls"):
        return Receiver.NONE
    return Receiver(first)


class Binder:
    """Binds the arguments of a call to the function's parameters, defaults applied, the receiver left out."""

    def __init__(self, function: AnyFunction, receiver: Receiver) -> None:
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())
        if receiver is not Receiver.NONE and not (parameters and parameters[0].kind in _POSITIONAL):
            raise ConfigurationError(f"{function.__qualname__} takes no {receiver.value}, so it is no method to cache")
        self._signature = signature
        self._function = function.__qualname__
        self._receiver = parameters[0].name if receiver is not Receiver.NONE else None
        self.parameters: dict[str, Parameter] = {p.name: p for p in parameters if p.name != self._receiver}
        """Every parameter that can enter a key, in the order of the signature."""
        self._positional = tuple(p.name for p in parameters if p.kind in _POSITIONAL)
        self._defaults = {p.name: p.default for p in parameters if p.default is not Parameter.empty}
        self._simple = all(p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY) for p in parameters)

    def bind(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        """The arguments by name in the order of the signature. Raises ArgumentTypeError when the call doesn't fit."""
        if self._receiver is not None and not args:
            raise ArgumentTypeError(f"{self._function}() needs {self._receiver} by position")
        if self._simple and len(args) <= len(self._positional):
            given: dict[str, object] = {**self._defaults, **dict(zip(self._positional, args, strict=False)), **kwargs}
            overlap = kwargs.keys() & self._positional[: len(args)]
            if len(given) == len(self._signature.parameters) and not overlap:
                try:
                    return {name: given[name] for name in self.parameters}
                except KeyError:  # an unknown keyword in place of a missing one
                    pass
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentTypeError(f"{self._function}(): {error}") from None
        bound.apply_defaults()
        arguments: dict[str, object] = bound.arguments
        if self._receiver is not None:
            del arguments[self._receiver]
        return arguments


_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def known_names(given: Iterable[str], allowed: Iterable[str], option: str, function: str) -> frozenset[str]:
    """The names of an option such as `ignore`, each of them a parameter of the function.

    Raises ArgumentTypeError for a bare string and for a name that is no string, ConfigurationError for an unknown one.
    """
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ArgumentTypeError(f"{option} must be a sequence of parameter names such as ('session',), not {given!r}")
    names = list(given)
    choices = list(allowed)
    for name in names:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"{option} must hold parameter names, not {name!r}")
        if name not in choices:
            raise ConfigurationError(
                f"{option} names {name!r}, which {function} has no parameter for; it has {', '.join(choices) or 'none'}"
            )
    return frozenset(names)


class NamedCall:
    """A user's callable that gets the arguments by the names it declares; `**kwargs` gets all of them."""

    def __init__(self, target: AnyFunction, available: Sequence[str], option: str, function: str) -> None:
        self._target = target
        self._option = option
        try:
            parameters = inspect.signature(target).parameters.values()
        except (TypeError, ValueError):
            raise ConfigurationError(f"{option} has no readable signature; wrap it in a lambda") from None
        if inspect.iscoroutinefunction(target):
            raise ConfigurationError(f"{option} must be a plain function, not an async one")
        self._all = any(p.kind is Parameter.VAR_KEYWORD for p in parameters)
        wanted = [p for p in parameters if p.kind is not Parameter.VAR_KEYWORD]
        for parameter in wanted:
            needed = parameter.default is Parameter.empty or parameter.kind is Parameter.POSITIONAL_ONLY
            if parameter.kind is Parameter.VAR_POSITIONAL or (needed and parameter.name not in available):
                raise ConfigurationError(
                    f"{option} asks for {parameter.name!r}, which {function} has no parameter for; "
                    f"it gets arguments by name (never self or cls): {', '.join(available) or 'none'}"
                )
        self._by_position = [p.name for p in wanted if p.kind is Parameter.POSITIONAL_ONLY]
        self._by_name = [p.name for p in wanted if p.kind is not Parameter.POSITIONAL_ONLY and p.name in available]

    def __call__(self, arguments: Mapping[str, object]) -> object:
        """What the callable returns for these bound arguments."""
        by_position = [arguments[name] for name in self._by_position]
        names = [n for n in arguments if n not in self._by_position] if self._all else self._by_name
        return self._target(*by_position, **{name: arguments[name] for name in names})


# --- what belongs to one request -----------------------------------------------------------------------------------

_REQUEST_CLASSES = frozenset({"Request", "WebSocket", "HTTPConnection", "ASGIConnection"})
_DEPENDENCIES = frozenset({"Depends", "Security"})
_MENTION = re.compile(rf"\b({'|'.join(sorted(_REQUEST_CLASSES | _DEPENDENCIES))})\b")
_FRAMEWORKS = frozenset({"starlette", "fastapi", "litestar"})


def request_scoped_parameters(function: AnyFunction, extra_names: Iterable[str] = ()) -> frozenset[str]:
    """The parameters whose values live no longer than one request.

    That is: a FastAPI `Depends` or `Security` as default or in `Annotated`, a Request or WebSocket by annotation, and
    `extra_names`. An annotation that can't be resolved is judged by its text. Raises ConfigurationError for a name
    that is no parameter.
    """
    parameters = inspect.signature(function).parameters
    named = known_names(extra_names, parameters, "request_scoped", function.__qualname__)
    return named | {
        name
        for name, parameter in parameters.items()
        if _is_dependency(parameter.default) or _belongs_to_request(_resolved(function, parameter))
    }


def is_request(value: object) -> bool:
    """Whether the object is a framework's request or socket."""
    return _is_request_class(type(value))


def _resolved(function: AnyFunction, parameter: Parameter) -> object:
    """The annotation as an object, or as text where its names lead nowhere."""
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    stub = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    namespace = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return typing.get_type_hints(stub, namespace, include_extras=True)[parameter.name]
    except Exception:  # noqa: BLE001 (evaluating someone's annotation may raise anything)
        return parameter.annotation


def _belongs_to_request(annotation: object) -> bool:
    if isinstance(annotation, str):
        return _MENTION.search(annotation) is not None
    annotation = getattr(annotation, "__value__", annotation)  # `type X = ...`
    if _is_request_class(annotation) or any(map(_is_dependency, getattr(annotation, "__metadata__", ()))):
        return True
    return any(_belongs_to_request(part) for part in typing.get_args(annotation) if not isinstance(part, str))


def _is_dependency(value: object) -> bool:
    return _is_framework_class(type(value), _DEPENDENCIES)


def _is_request_class(kind: object) -> bool:
    return isinstance(kind, type) and _is_framework_class(kind, _REQUEST_CLASSES)


def _is_framework_class(kind: type, names: frozenset[str]) -> bool:
    return any(base.__name__ in names and base.__module__.partition(".")[0] in _FRAMEWORKS for base in kind.__mro__)
