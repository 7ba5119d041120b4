"""The allow-list: which classes may be rebuilt from a payload.

A payload names a class by a hash of its module and qualified name; nothing is ever imported by name. Classes enter by
`register`, by an annotation, or because this process encoded one of their instances: the class object at hand then.

Two classes may bear one name: a reloaded module replaces its class, since the name means the new one. Otherwise, as
with classes made inside functions, the first stays and the second is refused, so that one can't be taken for the other.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from ...errors import ArgumentError, ArgumentTypeError
from ..undecodable import Undecodable
from .base import Blueprint, NotHeld
from .kinds import blueprint
from .reachable import reachable

__all__ = ["ModelRegistry", "NotHeld"]


class ModelRegistry:
    """Classes by object and by hash. Safe to share between codecs and threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[bytes, Blueprint] = {}
        self.by_class: dict[type, Blueprint] = {}
        """Read by the packer; written here alone."""
        self._annotations: set[object] = set()

    def register(self, *classes: type) -> None:
        """Lets instances of these classes, and of the model classes in their fields, be rebuilt.

        Raises ArgumentTypeError for what is no model class, ArgumentError when another class has the name already.
        """
        for cls in classes:
            if not isinstance(cls, type):
                raise ArgumentTypeError(f"register takes classes, not {cls!r}")
            try:
                known = self.learn(cls)
            except NotHeld as error:
                raise ArgumentError(f"{cls.__module__}.{cls.__qualname__} can't be registered: {error}") from None
            if known is None:
                raise ArgumentTypeError(
                    f"{cls.__module__}.{cls.__qualname__} is no dataclass, pydantic model, msgspec Struct, "
                    "NamedTuple or enum"
                )
            self.register_annotation(cls)

    def register_annotation(self, annotation: object) -> None:
        """Lets the model classes in an annotation be rebuilt, and those in their fields.

        Names that can't be resolved yet are left out and looked up again by the next call. Models of odd make are
        left out as well: encoding one says why.
        """
        try:
            if annotation in self._annotations:
                return
        except TypeError:  # unhashable metadata
            pass
        models, complete = reachable(annotation)
        for cls in models:
            try:
                self.learn(cls)
            except NotHeld:
                complete = False
        if complete:
            try:
                self._annotations.add(annotation)
            except TypeError:
                pass

    def learn(self, cls: type) -> Blueprint | None:
        """The blueprint of a class, which is registered with it; None for what is no model. Raises NotHeld."""
        known = self.by_class.get(cls)
        if known is not None:
            return known
        made = blueprint(cls)
        if made is None:
            return None
        with self._lock:
            holder = self._by_id.get(made.id)
            if holder is not None and holder.cls is not cls:
                if _named(cls) is not cls:
                    raise NotHeld(f"another class named {made.label} is registered; give one of them another name")
                del self.by_class[holder.cls]
            self._by_id[made.id] = self.by_class[cls] = made
        return made

    def find(self, id: bytes) -> Blueprint:
        """The blueprint for the id in a payload. Raises Undecodable for a class that isn't registered."""
        known = self._by_id.get(id)
        if known is None:
            raise Undecodable("written for a class that isn't registered here")
        return known


def _named(cls: type) -> Any:
    """What the class's name means in its module now; None for names inside functions."""
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    return found
