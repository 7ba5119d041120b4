"""What type checkers must see of cached functions. Never run: checked by mypy and pyright in `make types`."""

from __future__ import annotations

from typing import Any, assert_type

from pika_redis import CacheItem, FullCacheService, Loaded, MemoryCacheService, cache


@cache
async def plain(name: str, count: int = 0) -> list[int]:
    return [len(name), count]


@cache(ttl="10m", tags=["n:{number}"])
async def with_options(number: int) -> str:
    return str(number)


@cache
def synchronous(number: int) -> float:
    return float(number)


async def functions_keep_their_types() -> None:
    assert_type(await plain("x", count=1), list[int])
    assert_type(await with_options(1), str)
    assert_type(synchronous(1), float)
    assert_type(plain.key_for("x"), str)
    assert_type(await plain.invalidate("x"), bool)
    assert_type(await with_options.refresh(1), str)
    assert_type(synchronous.uncached(1), float)


async def wrong_calls_are_errors() -> None:
    await plain(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    synchronous("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def the_service_keeps_types_too() -> None:
    service = MemoryCacheService()
    assert_type(await service.get("key", type=int), int | None)
    assert_type(await service.get_many(["key"], 0, type=int), list[int])


def and_without_await() -> None:
    cache = MemoryCacheService().sync
    assert_type(cache.get("key"), Any)
    assert_type(cache.get("key", type=int), int | None)
    assert_type(cache.get("key", "none", type=int), int | str)
    assert_type(cache.get_many(["key"], type=int), list[int | None])
    assert_type(cache.get_many(["key"], 0, type=int), list[int])
    cache.set_many({"a": 1})
    cache.set_many([CacheItem("a", 1), CacheItem("b", 2)])
    cache.set_many(item for item in [{"key": "a", "value": 1}])
    assert_type(cache.with_options(ttl="10m").increment("n"), int)


async def what_shapes_the_key_is_for_the_decorator() -> None:
    service = MemoryCacheService()
    service.with_options(version=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await service.get_or_load("key", dict, ignore=("a",))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]

    @cache(version=2, ignore=("session",), ttl=60)
    async def load(number: int, session: object) -> int:
        return number

    assert_type(await load(1, None), int)


async def text(name: str = "text") -> str:
    return name


async def loaded_text(name: str = "text") -> Loaded[str]:
    return Loaded(name, ttl="10m")


def number() -> int:
    return 1


def loaded_numbers() -> Loaded[list[int]]:
    return Loaded([1], tags=["numbers"])


class Loader:
    async def __call__(self) -> Loaded[bytes]:
        return Loaded(b"")


async def what_a_loader_gives_is_what_callers_get(service: MemoryCacheService, full: FullCacheService) -> None:
    assert_type(await service.get_or_load("key", text), str)
    assert_type(await service.get_or_load("key", loaded_text, 60, tags=["t"], soft_timeout=1), str)
    assert_type(await service.get_or_load("key", number), int)
    assert_type(await service.get_or_load("key", loaded_numbers), list[int])
    assert_type(await service.get_or_load("key", Loader()), bytes)
    assert_type(await service.get_or_load("key", lambda: text("x")), str)
    assert_type(await service.get_or_load("key", lambda: loaded_text("x")), str)
    assert_type(await full.get_or_load("key", text), str)
    assert_type(await full.get_or_load("key", loaded_text), str)
    assert_type(await full.get_or_load("key", loaded_numbers), list[int])
    assert_type(service.sync.get_or_load("key", number), int)
    assert_type(service.sync.get_or_load("key", loaded_numbers), list[int])


async def wrong_options_are_errors(service: MemoryCacheService) -> None:
    await service.get_or_load("key", text, soft_timout=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
