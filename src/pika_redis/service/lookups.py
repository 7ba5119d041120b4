"""The verbs that look, once for every service."""

from __future__ import annotations

from builtins import type as class_of
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from ..model.counters import Counters
from ..model.missing import MISSING
from ..policy.rules.options import Consistency, check_consistency
from ..storage.along import Unsettled
from ..storage.store import Store
from .answers import Answers
from .full_names import FullNames
from .key_checks import several_keys

__all__ = ["Lookups"]

T = TypeVar("T")
D = TypeVar("D")


class Lookups:
    """What a service does to look at entries."""

    _full_names: FullNames
    _store: Store
    _hit: Callable[[str, float], object]
    """The store's `hit`: a bound method that is held is called faster than one that is looked up."""
    _answers: Answers
    _counters: Counters

    def name_of(self, key: str) -> str:
        """The full server key. Raises ArgumentTypeError, ArgumentError."""
        return self._full_names.of(key)

    def _names(self, keys: Sequence[str]) -> list[str]:
        names = self._full_names
        return [names[key] if type(key) is str else names.of(key) for key in several_keys(keys)]

    @overload
    async def get(self, key: str, default: None = None, *, consistency: Consistency | None = None) -> Any: ...
    @overload
    async def get(self, key: str, default: D, *, consistency: Consistency | None = None) -> Any | D: ...
    @overload
    async def get(
        self, key: str, default: None = None, *, type: type[T], consistency: Consistency | None = None
    ) -> T | None: ...
    @overload
    async def get(self, key: str, default: D, *, type: type[T], consistency: Consistency | None = None) -> T | D: ...
    async def get(
        self,
        key: str,
        default: Any = None,
        *,
        type: type[Any] | None = None,
        consistency: Consistency | None = None,
    ) -> Any:
        """The value of `key`, or `default` when there is none.

        `type` builds plain data into a dataclass, Struct, pydantic model, TypedDict or enum; data that does not fit is
        a miss. The model classes that it reaches may be rebuilt from stored bytes from then on. `consistency="strict"`
        asks the server, with the nonces of the entry's tags, whatever this process holds. Raises ArgumentError or
        ArgumentTypeError for a bad key, default or type, CacheUnavailableError.
        """
        if type is not None or default is not None:
            self._answers.expect(default, type)
        name = self._full_names[key] if class_of(key) is str else self.name_of(key)  # no call: the most used verb
        if consistency is not None and check_consistency("consistency", consistency) == "strict":
            value = await self._store.get(name, strict=True)
        else:
            hit = self._hit
            value = hit(name, 0.0)
            if value is MISSING:
                store = self._store
                asked = store.ask_along(name)
                value = await (store.get(name) if asked is None else asked)
                if class_of(value) is Unsettled:  # asks nothing of a value, whatever it says of its class
                    value = await store.get(name, begun=value)
        if value is MISSING or type is not None:
            return self._answers.of(value, default, type)
        self._counters.hits += 1
        return value

    @overload
    async def get_many(self, keys: Sequence[str], default: None = None) -> list[Any]: ...
    @overload
    async def get_many(self, keys: Sequence[str], default: D) -> list[Any | D]: ...
    @overload
    async def get_many(self, keys: Sequence[str], default: None = None, *, type: type[T]) -> list[T | None]: ...
    @overload
    async def get_many(self, keys: Sequence[str], default: D, *, type: type[T]) -> list[T | D]: ...
    async def get_many(self, keys: Sequence[str], default: Any = None, *, type: type[Any] | None = None) -> list[Any]:
        """Values aligned with `keys`, `default` in the gaps. Raises as `get`."""
        self._answers.expect(default, type)
        values = await self._store.get_many(self._names(keys))
        return self._answers.of_many(values, default, type)

    async def exists(self, key: str) -> bool:
        """Whether `get` would find a value. Raises as `get`."""
        return await self._store.remaining(self.name_of(key)) is not None

    async def get_with_ttl(self, key: str) -> tuple[Any, float | None]:
        """The value and its remaining seconds (`math.inf` = no expiry); (None, None) when absent."""
        value, left = await self._store.get_with_ttl(self.name_of(key))
        return self._answers.of(value, None, None), left

    async def remaining_ttl(self, key: str) -> float | None:
        """Remaining seconds; `math.inf` = no expiry, None = absent."""
        return await self._store.remaining(self.name_of(key))

    @property
    def counts(self) -> Counters:
        """What was counted so far in this process: the live object, without the size of the store."""
        return self._counters
