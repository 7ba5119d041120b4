"""What the tests of the flows share: a flow over memory that can be told to fail, and loaders that wait to be told."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, cast

from pika_redis.codec import Codec, Limits
from pika_redis.model.counters import Counters
from pika_redis.policy.changes import Changes
from pika_redis.policy.loader import Loader
from pika_redis.policy.read_through import Plan, ReadThrough
from pika_redis.policy.rules.options import Options
from pika_redis.policy.sync_read_through import SyncReadThrough
from pika_redis.storage.copies import copier
from pika_redis.storage.memory import MemoryStore
from pika_redis.storage.namespace import Namespace
from pika_redis.storage.shelf import Shelf
from pika_redis.storage.store import Store
from pika_redis.testing.clock import FakeClock

KEY = "t:key"
OTHER = "t:other"


class TroubledStore:
    """A store whose verbs fail when told to, and which counts what it is asked."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.broken: dict[str, Exception] = {}
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self.inner, name)
        if name in ("hit", "open", "now_ms"):
            return verb

        async def asked(*args: object, **kwargs: object) -> object:
            self.asked[name] += 1
            if name in self.broken:
                raise self.broken[name]
            return await verb(*args, **kwargs)

        return asked


class Stage:
    """A flow, its synchronous twin and the changing verbs, over one memory."""

    def __init__(self, *, max_value_bytes: int = 1_000_000) -> None:
        self.clock = FakeClock()
        self.counters = Counters()
        codec = Codec(limits=Limits(max_bytes=max_value_bytes, compress_from=None))
        self.shelf = Shelf(100_000_000, max_value_bytes, self.counters)
        self.store = TroubledStore(
            cast("Store", MemoryStore(self.shelf, Namespace("t:"), codec, self.clock, self.counters))
        )
        store = cast("Store", self.store)
        self.reads = ReadThrough(store, self.counters, copier(codec))
        self.sync_reads = SyncReadThrough(store, self.counters, copier(codec))
        self.changes = Changes(store, self.counters, "t:", (self.reads, self.sync_reads))

    async def get(self, loader: Loader, key: str = KEY, **wanted: Any) -> Any:
        return await self.reads.get_or_load(key, loader, plan(**wanted))

    def get_sync(self, loader: Loader, key: str = KEY, **wanted: Any) -> Any:
        return self.sync_reads.get_or_load(key, loader, plan(**wanted))

    def held(self, key: str = KEY) -> Any:
        """What the store holds fresh."""
        return self.store.hit(key, 0.0)


def plan(*, tags: Iterable[str] = (), attached: bool = False, **options: Any) -> Plan:
    """A plan without jitter, unless said otherwise."""
    return Plan(Options(**{"ttl": 100.0, "ttl_jitter": 0.0, **options}), tuple(tags), attached)


class Source:
    """An async loader that counts its calls and waits until its gate opens. An exception as value is raised."""

    def __init__(self, value: object = "value", *, shut: bool = False) -> None:
        self.value = value
        self.calls = 0
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        if not shut:
            self.gate.set()

    async def __call__(self) -> object:
        self.calls += 1
        self.entered.set()
        await self.gate.wait()
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


class ThreadSource:
    """The same as a plain function, for threads."""

    def __init__(self, value: object = "value", *, shut: bool = False) -> None:
        self.value = value
        self.calls = 0
        self.entered = threading.Event()
        self.gate = threading.Event()
        if not shut:
            self.gate.set()

    def __call__(self) -> object:
        self.calls += 1
        self.entered.set()
        assert self.gate.wait(60)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


async def becomes(holds: Callable[[], bool]) -> None:
    """Let other tasks and threads run until it holds."""
    for _ in range(1_000_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("what should have happened meanwhile did not happen")


async def settle() -> None:
    """Let everything run that can run without the test's doing."""
    for _ in range(20):
        await asyncio.sleep(0)
