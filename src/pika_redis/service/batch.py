"""`@cache.batch`: a function that loads many items at once, cached item by item.

::

    @cache.batch(key=lambda id: f"user:{id}")
    async def users(ids: list[int]) -> dict[int, User]: ...

    await users([1, 2, 3])      # {1: ..., 2: ..., 3: ...}: the function is called with those that are missing
    await users.one(2)          # folds with the others of the same tick of the loop
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, update_wrapper
from typing import Any, Generic, TypeVar, cast, overload

from ..errors import ArgumentTypeError
from ..model.missing import MISSING
from ..policy.folding import hand_out
from ..policy.rules.options import LoadOptions, Options, resolve
from .annotations import return_annotation
from .arguments import Receiver, guess_receiver
from .base import Service
from .current import bypassing
from .default import ServiceSource, checked_service, finder
from .tags import TagMaker, Tags

__all__ = ["Batch", "BatchRules"]

K = TypeVar("K")
V = TypeVar("V")
Results = Mapping[K, V] | Sequence[V]
_Place = tuple[int, int, int, bool]
"""Whose calls one tick may join: those of one loop, receiver and service, that all bypass the cache or all don't."""


class BatchRules:
    """How the items of a batch function are cached."""

    def __init__(self, key: Callable[[Any], str], prefix: str, tags: Tags | Callable[[Any], Sequence[str]]) -> None:
        if not callable(key):
            raise ArgumentTypeError(f"key must be a function of one item, not {type(key).__name__}")
        self._key = key
        self._prefix = prefix
        self._tags = tags
        self._maker = None if callable(tags) else TagMaker(tags, ("id",), "@cache.batch")

    def key_of(self, item: Any) -> str:
        """The item's key, without the service's prefix. Raises ArgumentTypeError for what is no str."""
        key = self._key(item)
        if not isinstance(key, str):
            raise ArgumentTypeError(f"key must return a str, not {type(key).__name__}")
        return f"{self._prefix}:{key}" if self._prefix else key

    def tags_of(self, item: Any) -> Sequence[str]:
        """The tags of the item's entry."""
        if self._maker is not None:
            return self._maker.resolve({"id": item})
        return cast("Callable[[Any], Sequence[str]]", self._tags)(item)


class _Core:
    """What a batch function and its bound twins share."""

    def __init__(
        self, function: Callable[..., Any], rules: BatchRules, source: ServiceSource, options: LoadOptions
    ) -> None:
        settled = resolve(Options(), options)  # what makes no sense by itself fails at decoration
        skips = settled.strict or not settled.enabled
        self.ahead_ms = math.inf if skips else settled.refresh_ahead * 1000
        self.share = settled.share
        self.function = function
        self.rules = rules
        self.options = options
        self.receiver = guess_receiver(function)
        self.returns = return_annotation(function)
        self.ticks: dict[_Place, _Tick] = {}
        self._find = finder(source, self.receiver)

    def service(self, bound: tuple[Any, ...]) -> Service:
        return checked_service(self._find(bound))


class _Tick:
    """The items that were asked for one by one in the same tick of a loop."""

    def __init__(self, batch: Batch[Any, Any]) -> None:
        self._batch = batch
        self._items: list[Any] = []
        self._waiting: list[asyncio.Future[Any]] = []

    def add(self, item: Any) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._items.append(item)
        self._waiting.append(answer)
        return answer

    async def run(self) -> None:
        await hand_out(self._batch.in_order(self._items), self._waiting)


class Batch(Generic[K, V]):
    """A function of many items, cached item by item; through an instance, the method of that instance."""

    def __init__(self, core: _Core, bound: tuple[Any, ...] = ()) -> None:
        update_wrapper(cast("Any", self), core.function)
        self._core = core
        self._bound = bound

    @classmethod
    def of(
        cls, function: Callable[..., Any], rules: BatchRules, source: ServiceSource, options: LoadOptions
    ) -> Batch[Any, Any]:
        """Of a function of one parameter beside the receiver. Raises ArgumentTypeError."""
        core = _Core(function, rules, source, options)
        taken = len(inspect.signature(function).parameters) - (core.receiver is not Receiver.NONE)
        if taken != 1:
            raise ArgumentTypeError(f"@cache.batch: {function.__qualname__} must take one list of items, and no more")
        return Batch(core)

    async def __call__(self, items: Iterable[K]) -> dict[K, V]:
        """The values of these items, in their order; the function is called once, with those that are missing."""
        wanted = list(dict.fromkeys(items))
        return dict(zip(wanted, await self.in_order(wanted), strict=True))

    async def one(self, item: K) -> V:
        """The value of one item. Calls of the same tick of the loop become one call of the function."""
        core = self._core
        service = core.service(self._bound)
        bypassed = bypassing.get()
        if not bypassed:
            value = service.hit(service.name_of(core.rules.key_of(item)), core.ahead_ms, share=core.share)
            if value is not MISSING:
                return cast("V", value)
        loop = asyncio.get_running_loop()
        place = (id(loop), id(self._bound[0]) if self._bound else 0, id(service), bypassed)
        tick = core.ticks.get(place)
        if tick is None:
            tick = core.ticks[place] = _Tick(self)
            loop.call_soon(self._start, place)  # in this context: for this service, bypassing or not
        return cast("V", await tick.add(item))

    def key_for(self, item: K) -> str:
        """The key of an item, without the service's prefix."""
        return self._core.rules.key_of(item)

    async def invalidate(self, *items: K) -> int:
        """Remove the entries of these items; how many there were."""
        rules = self._core.rules
        return await self._core.service(self._bound).delete_many([rules.key_of(item) for item in items])

    async def uncached(self, items: Iterable[K]) -> Results[K, V]:
        """Call the function itself."""
        result = self._core.function(*self._bound, list(items))
        return cast("Results[K, V]", await result if inspect.isawaitable(result) else result)

    async def in_order(self, items: Sequence[K]) -> list[V]:
        """Values aligned with the items."""
        core = self._core
        service = core.service(self._bound)
        service.register_annotation(core.returns)
        values = await service.get_or_load_many(
            items,
            partial(core.function, *self._bound),
            key=core.rules.key_of,
            tags=core.rules.tags_of,
            **core.options,
        )
        return cast("list[V]", values)

    def _start(self, place: _Place) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._core.ticks.pop(place).run(), name="pika-redis batch")
        self._core.service(self._bound).reads.flights.get().keep(task)

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Batch[K, V]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Batch[K, V]: ...
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Batch[K, V]:
        if instance is None or self._core.receiver is Receiver.NONE:
            return self
        return Batch(self._core, (instance,))
