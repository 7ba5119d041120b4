"""`@cache.invalidates`: what a writer ends once it has written."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from ..errors import ArgumentTypeError
from .arguments import Binder, guess_receiver
from .base import Service
from .cached import ServiceSource, finder
from .tags import TagMaker, Tags

__all__ = ["Invalidation"]

F = TypeVar("F", bound=Callable[..., Any])


class Invalidation:
    """The decorator that `cache.invalidates(...)` gives."""

    def __init__(self, tags: Tags, keys: Tags, source: ServiceSource) -> None:
        if not tags and not keys:
            raise ArgumentTypeError("cache.invalidates needs tags= or keys=")
        self._tags = tags
        self._keys = keys
        self._source = source

    def __call__(self, function: F) -> F:
        """The function with its invalidation. Raises ArgumentTypeError for what is no function."""
        if not inspect.isfunction(function):
            raise ArgumentTypeError(f"@cache.invalidates takes a function, not {type(function).__name__}")
        receiver = guess_receiver(function)
        binder = Binder(function, receiver)
        names = tuple(binder.parameters)
        shown = f"{function.__module__}.{function.__qualname__}"
        tags, keys = TagMaker(self._tags, names, shown), TagMaker(self._keys, names, shown)
        find = finder(self._source, receiver)

        def ended(args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[Service, list[str], list[str]]:
            bound = binder.bind(args, kwargs)
            return find(args), list(tags.resolve(bound)), list(keys.resolve(bound))

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def write(*args: Any, **kwargs: Any) -> Any:
                service, ended_tags, ended_keys = ended(args, kwargs)
                result = await function(*args, **kwargs)
                await service.delete_many(ended_keys)
                await service.invalidate_tags(ended_tags)
                return result

            return cast("F", write)

        @functools.wraps(function)
        def write_sync(*args: Any, **kwargs: Any) -> Any:
            service, ended_tags, ended_keys = ended(args, kwargs)
            sync = service.sync
            result = function(*args, **kwargs)
            sync.delete_many(ended_keys)
            sync.invalidate_tags(ended_tags)
            return result

        return cast("F", write_sync)
