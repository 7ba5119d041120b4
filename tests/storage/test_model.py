"""Any sequence of verbs: memory answers as the model does, and a server answers as memory does."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pika_redis import CacheError, CacheItem, FullCacheService, MemoryCacheService, RedisService
from pika_redis.testing import EmbeddedServer, FakeClock, age_entries, unique_prefix

from .model import OPEN, Model, coarse

Verb = Callable[[FullCacheService], Awaitable[Any]]

ABSENT = "absent"
keys = st.sampled_from(["a", "b", "c:1", "c:2", "ä*"])
tags = st.sampled_from([(), (), ("t",), ("u",), ("t", "u")])
lives = st.sampled_from([1000.0, 2000.0, 5000.0, math.inf])
amounts = st.sampled_from([-(2**62), -1, 0, 1, 7, 2**62])
values = st.sampled_from(
    [None, 0, -5, 2**53 + 1, 2**63 - 1, 2**63, True, "", "7", 1.5, b"7", [1, [2]], (1, "a"), {"k": (1,)}]
)
globs = st.sampled_from(["*", "c:*", "?", "[ab]", "c:[^1]", "ä\\*", "none*"])


class Verbs(RuleBasedStateMachine):
    """Every verb goes to the model and to all services; their answers must be the same."""

    def __init__(self, runner: asyncio.Runner, clock: FakeClock, services: Sequence[FullCacheService]) -> None:
        super().__init__()
        self.runner = runner
        self.clock = clock
        self.services = services
        self.model = Model()

    def check(self, verb: Verb, expected: Callable[[], object], seen: Callable[[Any], object] = lambda it: it) -> None:
        """`seen` makes answers comparable."""
        answer = _answer_of(expected)
        for service in self.services:
            given = self.runner.run(_ended(verb, service))
            shown = given if isinstance(given, type) else seen(given)
            assert answer is OPEN or repr(shown) == repr(answer), type(service).__name__

    @rule(key=keys, default=st.sampled_from([ABSENT, 0]))
    def get(self, key: str, default: object) -> None:
        self.check(lambda to: to.get(key, default), lambda: [self.model.get(key, default)], lambda it: [it])

    @rule(several=st.lists(keys, max_size=6))
    def get_many(self, several: list[str]) -> None:
        expected = [self.model.get(key, ABSENT) for key in several]
        self.check(lambda to: to.get_many(several, ABSENT), lambda: expected)

    @rule(key=keys)
    def look(self, key: str) -> None:
        left = coarse(self.model.remaining(key))
        self.check(lambda to: to.remaining_ttl(key), lambda: [left], lambda it: [coarse(it)])
        self.check(lambda to: to.exists(key), lambda: left is not None)
        expected = (self.model.get(key, None), left)
        self.check(lambda to: to.get_with_ttl(key), lambda: expected, lambda it: (it[0], coarse(it[1])))

    @rule(key=keys, value=values, ttl=lives, marks=tags)
    def set(self, key: str, value: object, ttl: float, marks: tuple[str, ...]) -> None:
        self.model.set(key, value, ttl, marks)
        self.check(lambda to: to.set(key, value, ttl, tags=marks), lambda: None)

    @rule(several=st.lists(st.tuples(keys, values, lives, tags), max_size=4))
    def set_many(self, several: list[tuple[str, object, float, tuple[str, ...]]]) -> None:
        for item in several:
            self.model.set(*item)
        self.check(lambda to: to.set_many([CacheItem(*item) for item in several]), lambda: None)

    @rule(key=keys, value=values, ttl=lives, marks=tags)
    def add(self, key: str, value: object, ttl: float, marks: tuple[str, ...]) -> None:
        self.check(lambda to: to.add(key, value, ttl, tags=marks), lambda: self.model.add(key, value, ttl, marks))

    @rule(key=keys, value=values, ttl=lives, marks=tags)
    def load(self, key: str, value: object, ttl: float, marks: tuple[str, ...]) -> None:
        self.check(
            lambda to: to.get_or_load(key, lambda: value, ttl, tags=marks, ttl_jitter=0),
            lambda: [self.model.load(key, value, ttl, marks)],
            lambda it: [it],
        )

    @rule(key=keys, amount=amounts, ttl=lives, create=st.booleans())
    def count(self, key: str, amount: int, ttl: float, create: bool) -> None:
        self.check(
            lambda to: to.increment(key, amount, ttl=ttl, create=create),
            lambda: self.model.count(key, amount, ttl, create),
        )

    @rule(key=keys, ttl=lives)
    def touch(self, key: str, ttl: float) -> None:
        self.check(lambda to: to.touch(key, ttl), lambda: self.model.touch(key, ttl))

    @rule(key=keys)
    def mark_stale(self, key: str) -> None:
        self.check(lambda to: to.mark_stale(key), lambda: self.model.mark_stale(key))

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.check(lambda to: to.delete(key), lambda: self.model.delete(key))

    @rule(several=st.lists(keys, max_size=4, unique=True))
    def delete_many(self, several: list[str]) -> None:
        self.check(lambda to: to.delete_many(several), lambda: self.model.delete_many(several))

    @rule(pattern=globs)
    def delete_pattern(self, pattern: str) -> None:
        self.check(lambda to: to.delete_pattern(pattern), lambda: self.model.delete_pattern(pattern))

    @rule(marks=st.sampled_from([(), ("t",), ("u",), ("t", "u"), ("never",)]))
    def invalidate(self, marks: tuple[str, ...]) -> None:
        self.model.invalidate(marks)
        self.check(lambda to: to.invalidate_tags(marks), lambda: None)

    @rule(sweep=st.booleans())
    def clear(self, sweep: bool) -> None:
        self.model.clear(sweep)
        self.check(lambda to: to.clear(sweep=sweep), lambda: None)

    @rule(seconds=st.sampled_from([1000.0, 3000.0]))
    def wait(self, seconds: float) -> None:
        self.model.now += seconds
        self.clock.advance(seconds)
        for service in self.services:
            if isinstance(service, RedisService):
                self.runner.run(age_entries(service, service.prefix, seconds))

    @invariant()
    def services_count_alike(self) -> None:
        counts = [self.runner.run(service.get_stats()) for service in self.services]
        seen = {(one.hits, one.misses, one.sets, one.loads, one.undecodable, one.errors) for one in counts}
        assert len(seen) == 1

    def teardown(self) -> None:
        for service in self.services:
            self.runner.run(service.clear())
            self.runner.run(service.aclose())


async def _ended(verb: Verb, service: FullCacheService) -> Any:
    try:
        return await verb(service)
    except CacheError as error:
        return type(error)


def _answer_of(expected: Callable[[], object]) -> object:
    try:
        return expected()
    except CacheError as error:
        return type(error)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


@pytest.mark.slow
@pytest.mark.ci
def test_memory_answers_as_the_model_does(runner: asyncio.Runner) -> None:
    def machine() -> Verbs:
        clock = FakeClock()
        return Verbs(runner, clock, [MemoryCacheService(clock=clock)])

    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=50))  # type: ignore[arg-type]


def test_a_server_answers_as_memory_does(runner: asyncio.Runner, server: EmbeddedServer) -> None:
    def machine() -> Verbs:
        clock = FakeClock()
        return Verbs(
            runner, clock, [MemoryCacheService(clock=clock), RedisService(server.url, key_prefix=unique_prefix())]
        )

    few = settings(max_examples=25, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(machine, settings=few)  # type: ignore[arg-type]
