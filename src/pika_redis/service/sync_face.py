"""The verbs without ``await``, over a store that never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self, TypeVar, Unpack, cast, overload

from ..errors import ArgumentTypeError
from ..model.duration import Duration
from ..model.loaded import Loaded
from ..model.report import CacheStats, HealthReport
from ..policy.loading import Plan, value_of
from ..policy.rules.options import LoadOptions, Options, ServiceOptions, resolve
from ..policy.sync_read_through import SyncReadThrough, finish
from .current import bypassing
from .key_checks import check_tags
from .protocols import FullCacheService, Items

__all__ = ["SyncCacheService"]

T = TypeVar("T")
D = TypeVar("D")


class _Service(FullCacheService, Protocol):
    @property
    def options(self) -> Options: ...
    def name_of(self, key: str) -> str: ...
    def sync_reads(self) -> SyncReadThrough: ...
    def with_options(self, *, key_prefix: str | None = None, **options: Unpack[ServiceOptions]) -> _Service: ...


class SyncCacheService:
    """A service's verbs for synchronous code, on any thread. Each means what the async verb of its name means."""

    __slots__ = ("_service",)

    def __init__(self, service: _Service) -> None:
        service.sync_reads()  # refuses where there are none
        self._service = service

    @overload
    def get(self, key: str, default: None = None) -> Any: ...
    @overload
    def get(self, key: str, default: D) -> Any | D: ...
    @overload
    def get(self, key: str, default: None = None, *, type: type[T]) -> T | None: ...
    @overload
    def get(self, key: str, default: D, *, type: type[T]) -> T | D: ...
    def get(self, key: str, default: Any = None, *, type: type[Any] | None = None) -> Any:
        return finish(cast("Any", self._service.get)(key, default, type=type))

    @overload
    def get_many(self, keys: Sequence[str], default: None = None) -> list[Any]: ...
    @overload
    def get_many(self, keys: Sequence[str], default: D) -> list[Any | D]: ...
    @overload
    def get_many(self, keys: Sequence[str], default: None = None, *, type: type[T]) -> list[T | None]: ...
    @overload
    def get_many(self, keys: Sequence[str], default: D, *, type: type[T]) -> list[T | D]: ...
    def get_many(self, keys: Sequence[str], default: Any = None, *, type: type[Any] | None = None) -> list[Any]:
        return finish(cast("Any", self._service.get_many)(keys, default, type=type))

    def get_with_ttl(self, key: str) -> tuple[Any, float | None]:
        return finish(self._service.get_with_ttl(key))

    def remaining_ttl(self, key: str) -> float | None:
        return finish(self._service.remaining_ttl(key))

    def exists(self, key: str) -> bool:
        return finish(self._service.exists(key))

    def set(self, key: str, value: object, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> None:
        finish(self._service.set(key, value, ttl, tags=tags))

    def set_many(self, items: Items, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> None:
        finish(self._service.set_many(items, ttl, tags=tags))

    def add(self, key: str, value: object, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> bool:
        return finish(self._service.add(key, value, ttl, tags=tags))

    def touch(self, key: str, ttl: Duration) -> bool:
        return finish(self._service.touch(key, ttl))

    def increment(self, key: str, amount: int = 1, *, ttl: Duration | None = None, create: bool = True) -> int:
        return finish(self._service.increment(key, amount, ttl=ttl, create=create))

    def decrement(self, key: str, amount: int = 1, *, ttl: Duration | None = None, create: bool = True) -> int:
        return finish(self._service.decrement(key, amount, ttl=ttl, create=create))

    def delete(self, key: str, *, durable: int = 0) -> bool:
        return finish(self._service.delete(key, durable=durable))

    def delete_many(self, keys: Sequence[str]) -> int:
        return finish(self._service.delete_many(keys))

    def delete_pattern(self, pattern: str) -> int:
        return finish(self._service.delete_pattern(pattern))

    def mark_stale(self, key: str) -> bool:
        return finish(self._service.mark_stale(key))

    def invalidate_tags(self, tags: Sequence[str], *, durable: int = 0) -> None:
        finish(self._service.invalidate_tags(tags, durable=durable))

    def clear(self, *, sweep: bool = True) -> None:
        finish(self._service.clear(sweep=sweep))

    def get_stats(self, *, exact: bool = False) -> CacheStats:
        return finish(self._service.get_stats(exact=exact))

    def health_check(self) -> HealthReport:
        return finish(self._service.health_check())

    def register(self, *classes: type) -> None:
        self._service.register(*classes)

    def with_options(self, *, key_prefix: str | None = None, **options: Unpack[ServiceOptions]) -> Self:
        return type(self)(self._service.with_options(key_prefix=key_prefix, **options))

    def execute(self, *command: str | bytes | float, key: str | None = None) -> Any:
        return finish(self._service.execute(*command, key=key))

    def execute_many(self, commands: Sequence[Sequence[str | bytes | float]]) -> list[Any]:
        return finish(self._service.execute_many(commands))

    def connect(self) -> None:
        finish(self._service.connect())

    def aclose(self) -> None:
        """As the async verb. Raises ArgumentTypeError in a running event loop, which must not be held up."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # loads may be under way elsewhere
                runner.run(self._service.aclose())
            return
        raise ArgumentTypeError("an event loop runs in this thread: close the service with `await service.aclose()`")

    @overload
    def get_or_load(
        self,
        key: str,
        loader: Callable[[], Loaded[T]],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> T: ...
    @overload
    def get_or_load(
        self,
        key: str,
        loader: Callable[[], T],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> T: ...
    def get_or_load(
        self,
        key: str,
        loader: Callable[[], object],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> object:
        """As the async verb; the loader is a plain function and runs in the calling thread."""
        if not callable(loader):
            raise ArgumentTypeError(f"loader must be a function without arguments, not {type(loader).__name__}")
        service = self._service
        given = dict(options) if ttl is None else {**options, "ttl": ttl}
        plan = Plan(resolve(service.options, given), check_tags(tags))
        if bypassing.get():
            return value_of(loader())
        return service.sync_reads().get_or_load(service.name_of(key), loader, plan)
