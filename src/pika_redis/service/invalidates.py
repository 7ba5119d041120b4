"""`@cache.invalidates`: what a writer ends once it has written."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from ..errors import ArgumentTypeError
from .arguments import Binder, Receiver, guess_receiver
from .base import Service
from .cached import Cached
from .default import ServiceSource, checked_service, finder
from .tags import TagMaker, Tags
from .targets import is_async, plain_function

__all__ = ["Invalidation"]

F = TypeVar("F", bound="Callable[..., Any] | classmethod[Any, ..., Any] | staticmethod[..., Any]")


class Invalidation:
    """The decorator that `cache.invalidates(...)` gives."""

    def __init__(self, tags: Tags, keys: Tags, source: ServiceSource) -> None:
        if not callable(tags) and not callable(keys) and not tags and not keys:
            raise ArgumentTypeError("cache.invalidates needs tags= or keys=")
        self._tags = tags
        self._keys = keys
        self._source = source

    def __call__(self, target: F) -> F:
        """The writer with its invalidation, wrapped as it was. Raises ArgumentTypeError for what is no function."""
        function, told = plain_function(target, "@cache.invalidates")
        if isinstance(function, Cached):
            raise ArgumentTypeError(
                f"@cache.invalidates does not take {function!r}: a hit writes nothing; to end other entries after each "
                f"load, write @cache above @cache.invalidates"
            )
        receiver = guess_receiver(function) if told is None else told
        writer: Any = _around(function, _Ended(function, receiver, self._tags, self._keys, self._source))
        wrap: Any = type(target)
        return cast("F", writer if told is None else wrap(writer))


class _Ended:
    """What one call of a writer ends, told by its arguments before it runs: a wrong call then writes nothing."""

    def __init__(
        self, function: Callable[..., Any], receiver: Receiver, tags: Tags, keys: Tags, source: ServiceSource
    ) -> None:
        shown = f"{function.__module__}.{function.__qualname__}"
        self._binder = Binder(function, receiver)
        names = tuple(self._binder.parameters)
        self._tags = TagMaker(tags, names, shown)
        self._keys = TagMaker.of_keys(keys, names, shown)
        self._find = finder(source, receiver)

    def by(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Service, Sequence[str], Sequence[str]]:
        """Service, tags and keys. Raises what a bad template, key or tag raises, and ArgumentTypeError."""
        bound = self._binder.bind(args, kwargs)
        return checked_service(self._find(args)), self._tags.resolve(bound), self._keys.resolve(bound)


async def _end(service: Service, keys: Sequence[str], tags: Sequence[str]) -> None:
    try:
        await service.delete_many(keys)
    finally:
        await service.invalidate_tags(tags)


def _around(function: Callable[..., Any], ended: _Ended) -> Callable[..., Any]:
    if is_async(function):

        @functools.wraps(function)
        async def write(*args: Any, **kwargs: Any) -> Any:
            service, tags, keys = ended.by(args, kwargs)
            result = await function(*args, **kwargs)
            # In a task of its own: it is written, so what it ends must end also when the caller is cancelled now.
            await service.reads.flights.get().carry_through(lambda: _end(service, keys, tags))
            return result

        return write

    @functools.wraps(function)
    def write_sync(*args: Any, **kwargs: Any) -> Any:
        service, tags, keys = ended.by(args, kwargs)
        verbs = service.sync
        result = function(*args, **kwargs)
        try:
            verbs.delete_many(keys)
        finally:
            verbs.invalidate_tags(tags)
        return result

    return write_sync
