"""What type checkers must see of cached functions. Never run: checked by mypy and pyright in `make types`."""

from __future__ import annotations

from typing import Any, assert_type

from pika_redis import CacheItem, MemoryCacheService, cache


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
