from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import logging
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pika_redis import (
    DO_NOT_STORE,
    MISSING,
    ArgumentTypeError,
    CacheClosedError,
    ConfigurationError,
    Loaded,
    MemoryCacheService,
    RedisService,
    bypass_cache,
    cache,
    cached,
    get_default_service,
    set_default_service,
    use_service,
)


@pytest.fixture
def service() -> MemoryCacheService:
    return MemoryCacheService()


@pytest.fixture
def no_default() -> Iterator[None]:
    set_default_service(None)
    yield
    set_default_service(None)


@cache
async def module_level(x: int) -> int:
    """Twice x."""
    return 2 * x


class Calls(list[object]):
    """What was really called."""


def grid(service: MemoryCacheService, calls: Calls) -> type[Any]:
    class Grid:
        @cache(service=service)
        async def method(self, x: int) -> str:
            calls.append(x)
            return f"method {x}"

        @cache(service=service)
        @classmethod
        async def class_inner(cls, x: int) -> str:
            calls.append(x)
            return f"{cls.__name__} {x}"

        @classmethod
        @cache(service=service)
        async def class_outer(cls, x: int) -> str:
            calls.append(x)
            return f"{cls.__name__} {x}"

        @cache(service=service)
        @staticmethod
        async def static_inner(x: int) -> str:
            calls.append(x)
            return f"static {x}"

        @staticmethod
        @cache(service=service)
        async def static_outer(x: int) -> str:
            calls.append(x)
            return f"static {x}"

        @cache(service=service)
        def sync_method(self, x: int) -> str:
            calls.append(x)
            return f"method {x}"

        @cache(service=service)
        @classmethod
        def sync_class_inner(cls, x: int) -> str:
            calls.append(x)
            return f"{cls.__name__} {x}"

        @classmethod
        @cache(service=service)
        def sync_class_outer(cls, x: int) -> str:
            calls.append(x)
            return f"{cls.__name__} {x}"

        @cache(service=service)
        @staticmethod
        def sync_static_inner(x: int) -> str:
            calls.append(x)
            return f"static {x}"

        @staticmethod
        @cache(service=service)
        def sync_static_outer(x: int) -> str:
            calls.append(x)
            return f"static {x}"

    return Grid


NAMES = ["method", "class_inner", "class_outer", "static_inner", "static_outer"]
THROUGH = [pytest.param(lambda cls: cls(), id="an instance"), pytest.param(lambda cls: cls, id="the class")]


@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("name", NAMES)
async def test_every_cell_of_the_async_grid_is_cached(
    service: MemoryCacheService, name: str, through: Callable[[Any], Any]
) -> None:
    calls = Calls()
    kind = grid(service, calls)
    holder = through(kind)
    before = (kind(),) if name == "method" and isinstance(holder, type) else ()
    function = getattr(holder, name)
    first = await function(*before, 1)
    assert await function(*before, 1) == first == await function(*before, x=1)
    assert calls == [1]
    if name == "class_outer":  # the helpers don't see the class there on Python 3.13: see docs/guides/decorator.md
        return
    assert await service.get(function.key_for(*before, 1)) == first
    assert await function.peek(*before, 1) == first
    assert await function.peek(*before, 2) is MISSING
    assert await function.uncached(*before, 1) == first
    assert await function.refresh(*before, 1) == first
    assert calls == [1, 1, 1]
    assert await function.invalidate(*before, 1) is True
    assert await function.invalidate(*before, 1) is False
    await function(*before, 1)
    assert calls == [1, 1, 1, 1]


@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("name", NAMES)
def test_every_cell_of_the_sync_grid_is_cached(
    service: MemoryCacheService, name: str, through: Callable[[Any], Any]
) -> None:
    calls = Calls()
    kind = grid(service, calls)
    holder = through(kind)
    before = (kind(),) if name == "method" and isinstance(holder, type) else ()
    function = getattr(holder, f"sync_{name}")
    first = function(*before, 1)
    assert function(*before, 1) == first == function(*before, x=1)
    assert calls == [1]
    if name == "class_outer":
        return
    assert service.sync.get(function.key_for(*before, 1)) == first
    assert function.peek(*before, 1) == first
    assert function.peek(*before, 2) is MISSING
    assert function.uncached(*before, 1) == function.refresh(*before, 1) == first
    assert function.invalidate(*before, 1) is True
    assert calls == [1, 1, 1]


async def test_a_subclass_has_entries_of_its_own(service: MemoryCacheService) -> None:
    base = grid(service, Calls())
    heir: Any = type("Heir", (base,), {})
    assert [await kind.class_inner(1) for kind in (base, heir, base)] == ["Grid 1", "Heir 1", "Grid 1"]
    assert [await kind.class_outer(1) for kind in (base, heir, base)] == ["Grid 1", "Heir 1", "Grid 1"]
    assert base().method.key_for(1) != heir().method.key_for(1)


def test_the_function_shows_through() -> None:
    assert inspect.signature(module_level) == inspect.signature(module_level.__wrapped__)
    assert (module_level.__name__, module_level.__doc__, module_level.__module__) == (
        "module_level",
        "Twice x.",
        __name__,
    )
    assert asyncio.iscoroutinefunction(module_level) or inspect.iscoroutinefunction(module_level)
    assert inspect.iscoroutinefunction(type(module_level).__call__)
    assert "module_level" in repr(module_level)


def test_what_a_function_knows_of_itself_is_shown() -> None:
    plain = module_level.__wrapped__
    for name in ("__code__", "__defaults__", "__kwdefaults__", "__closure__", "__globals__", "__builtins__"):
        assert getattr(module_level, name) is getattr(plain, name)
    with pytest.raises(AttributeError, match="nothing_there"):
        _ = module_level.nothing_there  # type: ignore[attr-defined]


class _Task:
    """What another decorator might make of a function."""

    def __init__(self, function: Callable[[int], Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, number: int) -> Any:
        return self._function(number)

    @property
    def queue(self) -> str:
        return "slow"


async def _tripled(number: int) -> int:
    return 3 * number


class _AsyncTask(_Task):
    async def __call__(self, number: int) -> Any:
        return await self._function(number)


async def test_what_another_decorator_made_is_cached_and_shows_what_it_does(service: MemoryCacheService) -> None:
    awaited: Any = cache(ttl=60, service=service)(_AsyncTask(_tripled))
    called: Any = cache(ttl=60, service=service)(_Task(lambda number: 2 * number))
    assert (await awaited(2), await awaited.peek(2), called(2), called.peek(2)) == (6, 6, 4, 4)
    assert awaited.queue == called.queue == "slow"
    for task in (awaited, called):
        with pytest.raises(AttributeError, match="nothing_there"):
            _ = task.nothing_there


def test_what_is_wrapped_around_a_cached_function_is_no_function_for_that(service: MemoryCacheService) -> None:
    class Blocking(_Task):
        def __call__(self, number: int) -> Any:
            return asyncio.run(self._function(number))

    blocking: Any = Blocking(cache(ttl=60, service=service)(_tripled))
    assert not inspect.iscoroutinefunction(blocking)
    again: Any = cache(ttl=60, service=service, prefix="blocking")(blocking)
    assert again(2) == 6


def test_a_function_around_a_cached_one_shows_its_own_code(service: MemoryCacheService) -> None:
    @functools.wraps(module_level)
    async def around(x: int, *, extra: int = 3) -> int:
        return await module_level(x) + extra

    outer: Any = cache(ttl=60, service=service, prefix="around")(around)
    assert (outer.__code__, outer.__kwdefaults__) == (getattr(around, "__code__"), {"extra": 3})  # noqa: B009
    assert not hasattr(type(outer), "__code__")


async def test_a_closed_service_gives_no_hit_that_it_gave_before() -> None:
    service = MemoryCacheService()
    tripled: Any = cache(ttl=60, service=service)(_tripled)
    assert [await tripled(1), await tripled(1)] == [3, 3]
    await service.aclose()
    with pytest.raises(CacheClosedError):
        await tripled(1)


def test_a_bound_method_shows_its_signature_without_self(service: MemoryCacheService) -> None:
    one = grid(service, Calls())()
    assert list(inspect.signature(one.method).parameters) == ["x"]
    assert one.method.__name__ == "method"
    with pytest.raises(AttributeError, match="nothing_there"):
        _ = one.method.nothing_there


def test_a_module_level_function_is_pickled_by_its_name() -> None:
    assert copy.deepcopy(module_level) is module_level
    assert pickle.loads(pickle.dumps(module_level)) is module_level


async def test_a_partial_of_a_cached_function_is_cached(service: MemoryCacheService) -> None:
    with use_service(service):
        assert await functools.partial(module_level, 4)() == 8
        assert await module_level.peek(4) == 8


def test_bound_twins_of_one_method_are_equal(service: MemoryCacheService) -> None:
    kind = grid(service, Calls())
    one, other = kind(), kind()
    assert one.method == one.method
    assert hash(one.method) == hash(one.method)
    assert one.method != other.method
    assert one.method != one.sync_method


def _generator() -> Iterator[int]:
    yield 1


async def _async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (_generator, "_generator"),
        (_async_generator, "_async_generator"),
        (dict, "class dict"),
        (property(lambda self: 1), "property"),
        (functools.cached_property(lambda self: 1), "property"),
        (5, "int"),
        (module_level, "cached already"),
        (staticmethod(module_level), "cached already"),
    ],
)
def test_what_can_not_be_cached_is_refused_at_decoration(target: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        cache(target)
    with pytest.raises(TypeError, match=said):
        cache(ttl=5)(target)


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"ttl": 0}, ValueError, "ttl"),
        ({"ttl": 5, "refresh_ahead": 5}, ValueError, "refresh_ahead"),
        ({"ttll": 5}, TypeError, "did you mean 'ttl'"),
        ({"hard_timeout": 5000}, ValueError, "'5000ms'"),
        ({"ignore": "x"}, TypeError, "ignore"),
        ({"ignore": ("y",)}, (TypeError, ValueError), "y"),
        ({"tags": "t"}, TypeError, "tags"),
        ({"tags": ["{y}"]}, (TypeError, ValueError), "y"),
        ({"key_generator": 5}, ValueError, "key_generator"),
        ({"service": 5}, TypeError, "service"),
        ({"request_scoped": "x"}, TypeError, "request_scoped"),
    ],
)
def test_wrong_options_fail_at_decoration(options: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        cache(**options)(lambda x: x)


async def test_the_service_is_found_in_order(service: MemoryCacheService, no_default: None) -> None:
    ours, context, default = MemoryCacheService(), MemoryCacheService(), MemoryCacheService()
    set_default_service(default)

    class Repository:
        cache_service = ours

        @cache(service=lambda: service)
        async def given(self) -> int:
            return 1

        @cache
        async def own(self) -> int:
            return 1

    repository = Repository()
    with use_service(context):
        await repository.given()
        await repository.own()
        await module_level(1)
    await module_level(2)
    counts = [(await one.get_stats()).key_count for one in (service, ours, context, default)]
    assert counts == [1, 1, 1, 1]


def test_without_a_choice_memory_is_the_default_and_says_so_once(
    no_default: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("REDIS_HOST", raising=False)
    with caplog.at_level(logging.WARNING, "pika_redis"):
        assert isinstance(get_default_service(), MemoryCacheService)
        assert get_default_service() is get_default_service()
    assert len(caplog.records) == 1
    set_default_service(None)
    monkeypatch.setenv("REDIS_HOST", "cache.example")
    assert isinstance(get_default_service(), RedisService)
    with pytest.raises(TypeError, match="service"):
        set_default_service(5)  # type: ignore[arg-type]


async def test_two_services_in_turn_have_their_own_options_and_entries() -> None:
    short, long = MemoryCacheService(ttl=10), MemoryCacheService(ttl=1000)

    @cache(ttl_jitter=0)
    async def f(x: int) -> int:
        return x

    for _ in range(3):
        for one in (short, long):
            with use_service(one):
                await f(1)
    left = [await one.remaining_ttl(f.key_for(1)) for one in (short, long)]
    assert left[0] is not None
    assert left[1] is not None
    assert left[0] <= 10 < 990 < left[1] <= 1000
    assert [(await one.get_stats()).hits for one in (short, long)] == [2, 2]


def test_a_sync_function_over_a_server_says_what_is_missing() -> None:
    @cache(service=RedisService("redis://127.0.0.1:1"))
    def f() -> int:
        return 1

    with pytest.raises(TypeError, match="async"):
        f()


def test_sync_functions_share_one_load_between_threads(service: MemoryCacheService) -> None:
    calls = Calls()
    started, go = threading.Barrier(9), threading.Event()

    @cache(service=service)
    def f(x: int) -> list[int]:
        calls.append(x)
        go.wait(10)
        return [x]

    results: list[list[int]] = []

    def caller() -> None:
        started.wait(10)
        results.append(f(1))

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)
    assert results == [[1]] * 8
    assert calls == [1]
    assert len({id(result) for result in results}) == 8


async def test_version_and_ignore_are_part_of_the_key(service: MemoryCacheService) -> None:
    def make(**options: Any) -> Any:
        @cache(service=service, **options)
        async def f(x: int, session: object = None) -> int:
            return x

        return f

    assert make().key_for(1) != make(version=2).key_for(1)
    ignoring = make(ignore=("session",))
    assert ignoring.key_for(1, object()) == ignoring.key_for(1)
    with pytest.raises(TypeError, match="session"):
        await make()(1, object())


async def test_exceptions_are_not_cached_and_none_is(service: MemoryCacheService) -> None:
    calls = Calls()

    @cache(service=service)
    async def f(fails: bool) -> None:
        calls.append(fails)
        if fails:
            raise LookupError("no row")

    for _ in range(2):
        with pytest.raises(LookupError):
            await f(True)
        await f(False)
    assert calls == [True, False, True]


async def test_what_a_function_says_beside_its_value_stays_in_the_cache(service: MemoryCacheService) -> None:
    results: list[object] = [Loaded("v", tags=["t"]), DO_NOT_STORE]

    @cache(service=service)
    async def load(number: int) -> object:
        return results[number]

    @cache(service=service)
    def load_at_once(number: int) -> object:
        return results[number]

    for number, value in enumerate(("v", None)):
        assert await load(number) == await load.refresh(number) == await load.uncached(number) == value
        assert load_at_once(number) == load_at_once.refresh(number) == load_at_once.uncached(number) == value
        with bypass_cache():
            assert await load(number) == await load.refresh(number) == value
            assert load_at_once(number) == load_at_once.refresh(number) == value


async def test_bypassing_and_disabling_load_every_time(service: MemoryCacheService) -> None:
    calls = Calls()

    @cache(service=service)
    async def f() -> int:
        calls.append(1)
        return len(calls)

    @cached(service=service, enabled=False)
    async def never() -> int:
        calls.append(1)
        return len(calls)

    with bypass_cache():
        assert [await f(), await f()] == [1, 2]
    assert [await f(), await f()] == [3, 3]
    assert [await never(), await never()] == [4, 5]


@dataclass
class Row:
    name: str
    tags: set[str]


async def test_return_annotations_let_another_service_rebuild_models(valkey_server: Any, prefix: str) -> None:
    @cache
    async def rows(n: int) -> list[Row]:
        return [Row(f"row {n}", {"a"})]

    async with (
        RedisService(valkey_server.url, key_prefix=prefix) as writer,
        RedisService(valkey_server.url, key_prefix=prefix) as reader,
    ):
        with use_service(writer):
            await rows(1)
        assert await reader.get(rows.key_for(1)) is None  # a class it does not know
        with use_service(reader):
            assert await rows.peek(1) == [Row("row 1", {"a"})]


async def test_a_function_may_call_itself(service: MemoryCacheService) -> None:
    @cache(service=service)
    async def fibonacci(n: int) -> int:
        return n if n < 2 else await fibonacci(n - 1) + await fibonacci(n - 2)

    assert await fibonacci(30) == 832040
    assert (await service.get_stats()).loads == 31


async def test_a_key_generator_and_tags_get_the_arguments_by_name(service: MemoryCacheService) -> None:
    class Users:
        @cache(
            service=service,
            prefix="users",
            key_generator=lambda user_id: f"user:{user_id}",
            tags=lambda user_id: [f"u{user_id}"],
        )
        async def find(self, user_id: int, *, full: bool = False) -> int:
            return user_id

    users = Users()
    assert users.find.key_for(123) == "users:user:123"
    await users.find(123, full=True)
    assert await service.exists("users:user:123")
    await service.invalidate_tags(["u123"])
    assert not await service.exists("users:user:123")


def test_configuration_errors_are_value_errors_and_type_errors_are_type_errors() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(ArgumentTypeError, TypeError)
