"""What a service can do, as protocols: a small one that people can fake in ten lines, and the whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, Unpack, overload, runtime_checkable

from ..model.duration import Duration
from ..model.item import CacheItem
from ..model.loaded import Loaded
from ..model.report import CacheStats, HealthReport
from ..policy.guard import Guard
from ..policy.lock import Lock
from ..policy.rules.options import LoadOptions, ServiceOptions

__all__ = ["CacheService", "FullCacheService", "Items"]

T = TypeVar("T")
D = TypeVar("D")
I = TypeVar("I")  # noqa: E741 (an item)
Items = Mapping[str, object] | Iterable[CacheItem | Mapping[str, Any]]
"""What `set_many` takes: key to value, or `CacheItem`s, or dicts with their fields."""


@runtime_checkable
class CacheService(Protocol):
    """The verbs that most code needs; every service of this package has them, and a fake is quickly written."""

    async def get(self, key: str, default: Any = None) -> Any:
        """The value, or `default`. (Any: a cache holds what its users put in.)"""
        ...

    async def set(self, key: str, value: object, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> None:
        """Store a value for `ttl` seconds: None = the default, `math.inf` = no expiry."""
        ...

    async def delete(self, key: str) -> bool:
        """Remove a key; whether it was there."""
        ...

    async def exists(self, key: str) -> bool:
        """Whether `get` would find a value."""
        ...

    async def get_many(self, keys: Sequence[str], default: Any = None) -> list[Any]:
        """Values aligned with `keys`."""
        ...

    async def set_many(self, items: Items, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> None:
        """Store several values. Raises BatchError, whose `failed` names those that were not stored."""
        ...

    async def delete_pattern(self, pattern: str) -> int:
        """Remove the keys that match a Redis glob; how many."""
        ...

    async def increment(self, key: str, amount: int = 1, *, ttl: Duration | None = None, create: bool = True) -> int:
        """Add to a counter, atomically; its new value."""
        ...

    async def decrement(self, key: str, amount: int = 1, *, ttl: Duration | None = None, create: bool = True) -> int:
        """Take from a counter, atomically; its new value."""
        ...

    async def invalidate_tags(self, tags: Sequence[str]) -> None:
        """End every entry that carries one of the tags."""
        ...

    async def get_stats(self) -> CacheStats:
        """Counts of this service and the size of its store."""
        ...

    async def health_check(self) -> HealthReport:
        """Ask the store how it is. Never raises."""
        ...


class FullCacheService(CacheService, Protocol):
    """Everything a service of this package can do."""

    @overload
    async def get(self, key: str, default: None = None) -> Any: ...
    @overload
    async def get(self, key: str, default: D) -> Any | D: ...
    @overload
    async def get(self, key: str, default: None = None, *, type: type[T]) -> T | None: ...
    @overload
    async def get(self, key: str, default: D, *, type: type[T]) -> T | D: ...
    @overload
    async def get_many(self, keys: Sequence[str], default: None = None) -> list[Any]: ...
    @overload
    async def get_many(self, keys: Sequence[str], default: D) -> list[Any | D]: ...
    @overload
    async def get_many(self, keys: Sequence[str], default: None = None, *, type: type[T]) -> list[T | None]: ...
    @overload
    async def get_many(self, keys: Sequence[str], default: D, *, type: type[T]) -> list[T | D]: ...
    async def delete(self, key: str, *, durable: int = 0) -> bool:
        """Remove a key; whether it was there. `durable` is how many replicas must have heard of it."""
        ...

    async def invalidate_tags(self, tags: Sequence[str], *, durable: int = 0) -> None:
        """End every entry that carries one of the tags. `durable` as in `delete`."""
        ...

    async def delete_many(self, keys: Sequence[str]) -> int:
        """Remove several keys; how many were there."""
        ...

    async def add(self, key: str, value: object, ttl: Duration | None = None, *, tags: Sequence[str] = ()) -> bool:
        """Store only if there is no value, atomically; whether it was stored."""
        ...

    async def get_with_ttl(self, key: str) -> tuple[Any, float | None]:
        """The value and its remaining seconds; (None, None) when absent."""
        ...

    async def remaining_ttl(self, key: str) -> float | None:
        """Remaining seconds; `math.inf` = no expiry, None = absent."""
        ...

    async def touch(self, key: str, ttl: Duration) -> bool:
        """Let a value live `ttl` seconds from now; False when there is none."""
        ...

    async def mark_stale(self, key: str) -> bool:
        """Expire a value logically; whether there was one."""
        ...

    async def clear(self, *, sweep: bool = True) -> None:
        """End every entry under the prefix at once, then remove its keys."""
        ...

    @overload
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Awaitable[Loaded[T]]],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> T: ...
    @overload
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Awaitable[T]],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> T: ...
    @overload
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Loaded[T]],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> T: ...
    @overload
    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], T],
        ttl: Duration | None = None,
        *,
        tags: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> T: ...
    @overload
    async def get_or_load_many(
        self,
        items: Iterable[I],
        loader: Callable[[list[I]], Awaitable[Mapping[I, T] | Sequence[T]]],
        ttl: Duration | None = None,
        *,
        key: Callable[[I], str] = str,
        tags: Sequence[str] | Callable[[I], Sequence[str]] = (),
        **options: Unpack[LoadOptions],
    ) -> list[T | None]: ...
    @overload
    async def get_or_load_many(
        self,
        items: Iterable[I],
        loader: Callable[[list[I]], Mapping[I, T] | Sequence[T]],
        ttl: Duration | None = None,
        *,
        key: Callable[[I], str] = str,
        tags: Sequence[str] | Callable[[I], Sequence[str]] = (),
        **options: Unpack[LoadOptions],
    ) -> list[T | None]: ...
    def guard(self, keys: Sequence[str] = (), tags: Sequence[str] = (), *, hold: Duration = 10) -> Guard:
        """Around a writer's commit: nothing of what it names is served or stored meanwhile."""
        ...

    def lock(self, key: str, ttl: Duration, *, wait: Duration | None = None) -> Lock:
        """A lock with an owner, renewed while it is held."""
        ...

    def with_options(self, *, key_prefix: str | None = None, **options: Unpack[ServiceOptions]) -> FullCacheService:
        """The same service and connections with other defaults."""
        ...

    async def get_stats(self, *, exact: bool = False) -> CacheStats:
        """Counts of this service and the size of its store, `exact` = counted key by key."""
        ...

    def register(self, *classes: type) -> None:
        """Allow these model classes to be rebuilt from stored bytes."""
        ...

    async def execute(self, *command: str | bytes | float, key: str | None = None) -> Any:
        """Run any command; the server's reply as it is."""
        ...

    async def execute_many(self, commands: Sequence[Sequence[str | bytes | float]]) -> list[Any]:
        """Run several commands in one pipeline."""
        ...

    async def __aenter__(self) -> Self:
        """Open; an unreachable server is a log line unless ``lazy_connect=False``."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        ...

    async def connect(self) -> None:
        """Reach the store now rather than at first use."""
        ...

    async def aclose(self) -> None:
        """End the loads under way and let go of the store."""
        ...
