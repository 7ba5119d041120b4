"""Tags of a decorated function: templates such as ``"user:{id}"``, or a callable, resolved per call.

A writer's keys are named in the same way, see `TagMaker.of_keys`.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, cast

from ..errors import ArgumentTypeError, ConfigurationError, UnstableArgumentError
from .arguments import NamedCall
from .key_checks import check_keys, check_tags, check_texts

__all__ = ["TagMaker", "Tags"]

Tags: TypeAlias = Sequence[str] | Callable[..., Iterable[str]]

_NOTHING = "''"
"""The tag that a template becomes whose arguments have no text: no tag is empty."""
_Field = tuple[str, tuple[str, ...]]


_Check = Callable[[object], Sequence[str]]


class TagMaker:
    """What a function's calls are tagged with; everything wrong with a template raises here, at decoration."""

    def __init__(
        self,
        tags: Tags,
        parameters: Sequence[str],
        function: str,
        noun: str = "tag",
        *,
        written: _Check = check_texts,
        check: _Check = check_tags,
    ) -> None:
        self._function = function
        self._check = check
        self._noun = noun
        self._call: NamedCall | None = None
        self._templates: list[_Template] = []
        self.static: tuple[str, ...] | None = None
        """The tags themselves where no argument enters them, else None."""
        if callable(tags):
            self._call = NamedCall(tags, parameters, f"{noun}s", function)
            return
        self._templates = [_Template(text, parameters, function, noun) for text in written(tags)]
        if not any(template.fields for template in self._templates):
            self.static = tuple(check([template.fill({}) for template in self._templates]))

    @classmethod
    def of_keys(cls, keys: Tags, parameters: Sequence[str], function: str) -> TagMaker:
        """The same for keys, without the service's prefix. Raises for what is no key."""
        return cls(keys, parameters, function, "key", written=check_keys, check=check_keys)

    def resolve(self, arguments: Mapping[str, object]) -> tuple[str, ...]:
        """The tags of one call, each once, in order. Raises ArgumentError or ArgumentTypeError for what is no tag."""
        if self.static is not None:
            return self.static
        if self._call is None:
            return tuple(self._check([template.fill(arguments) for template in self._templates]))
        found = self._call(arguments)
        if isinstance(found, str | bytes) or not isinstance(found, Iterable):
            raise ArgumentTypeError(
                f"the {self._noun}s callable of {self._function} must return a sequence of strings, "
                f"not {type(found).__name__}"
            )
        return tuple(self._check(cast("Iterable[object]", found)))


class _Template:
    """Literal text and fields: ``{id}`` or ``{user.id}``, filled as an f-string would."""

    def __init__(self, text: str, parameters: Sequence[str], function: str, noun: str) -> None:
        self._text = text
        self._noun = noun
        self._nothing = _NOTHING if noun == "tag" else ""
        self._function = function
        self.fields: list[_Field] = []
        self._literals: list[str] = []
        try:
            pieces = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ConfigurationError(f"{noun} {text!r} of {function} doesn't parse: {error}") from None
        for literal, field, spec, conversion in pieces:
            self._literals.append(literal)
            if field is None:
                continue
            name, *path = field.split(".")
            if spec or conversion or not all(part.isidentifier() for part in (name, *path)):
                raise ConfigurationError(
                    f"{noun} {text!r} of {function} may hold {{name}} and {{name.attribute}}, without indexes, "
                    f"conversions and format specs; pass a callable for more"
                )
            if name not in parameters:
                raise ConfigurationError(
                    f"{noun} {text!r} names {name!r}, which {function} has no parameter for; "
                    f"it has {', '.join(parameters) or 'none'}"
                )
            self.fields.append((name, tuple(path)))

    def fill(self, arguments: Mapping[str, object]) -> str:
        shown = [self._show(arguments[name], path) for name, path in self.fields]
        shown += [""] * (len(self._literals) - len(shown))
        return "".join(literal + text for literal, text in zip(self._literals, shown, strict=True)) or self._nothing

    def _show(self, value: object, path: tuple[str, ...]) -> str:
        try:
            return self._shown(value, path)
        except (UnstableArgumentError, MemoryError):
            raise
        except Exception as error:
            raise UnstableArgumentError(
                f"{self._noun} {self._text!r} of {self._function} can't be filled: {type(error).__name__} was raised"
            ) from error

    def _shown(self, value: object, path: tuple[str, ...]) -> str:
        for attribute in path:
            try:
                value = getattr(value, attribute)
            except AttributeError as error:
                raise UnstableArgumentError(
                    f"{self._noun} {self._text!r} of {self._function}: an object of class {type(value).__qualname__} "
                    f"has no attribute {attribute!r}"
                ) from error
        kind = type(value)
        if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__ and kind.__format__ is object.__format__:
            raise UnstableArgumentError(
                f"{self._noun} {self._text!r} of {self._function} shows an object of class {kind.__qualname__}, "
                f"which has no text of its own; name one of its attributes"
            )
        return format(value, "")
