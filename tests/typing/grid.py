"""The grid {method, classmethod, staticmethod} x {async, sync} x both decorator orders. Never run: only checked."""

from __future__ import annotations

from typing import assert_type

from pika_redis import cache


class AsyncGrid:
    @cache
    async def method(self, x: int) -> str:
        return str(x)

    @cache(ttl=60)
    async def method_with_options(self, x: int) -> str:
        return str(x)

    @cache
    @classmethod
    async def class_inner(cls, x: int) -> str:
        return str(x)

    @classmethod
    @cache
    async def class_outer(cls, x: int) -> str:
        return str(x)

    @cache(ttl=60)
    @staticmethod
    async def static_inner(x: int) -> str:
        return str(x)

    @staticmethod
    @cache(ttl=60)
    async def static_outer(x: int) -> str:
        return str(x)


class SyncGrid:
    @cache
    def method(self, x: int) -> str:
        return str(x)

    @cache(ttl=60)
    def method_with_options(self, x: int) -> str:
        return str(x)

    @cache
    @classmethod
    def class_inner(cls, x: int) -> str:
        return str(x)

    @classmethod
    @cache
    def class_outer(cls, x: int) -> str:
        return str(x)

    @cache(ttl=60)
    @staticmethod
    def static_inner(x: int) -> str:
        return str(x)

    @staticmethod
    @cache(ttl=60)
    def static_outer(x: int) -> str:
        return str(x)


async def through_an_instance(one: AsyncGrid, other: SyncGrid) -> None:
    assert_type(await one.method(1), str)
    assert_type(await one.method_with_options(x=1), str)
    assert_type(await one.class_inner(1), str)
    assert_type(await one.class_outer(1), str)
    assert_type(await one.static_inner(1), str)
    assert_type(await one.static_outer(1), str)
    assert_type(other.method(1), str)
    assert_type(other.method_with_options(x=1), str)
    assert_type(other.class_inner(1), str)
    assert_type(other.class_outer(1), str)
    assert_type(other.static_inner(1), str)
    assert_type(other.static_outer(1), str)


async def through_the_class() -> None:
    assert_type(await AsyncGrid.class_inner(1), str)
    assert_type(await AsyncGrid.class_outer(1), str)
    assert_type(await AsyncGrid.static_inner(1), str)
    assert_type(await AsyncGrid.static_outer(1), str)
    assert_type(await AsyncGrid.method(AsyncGrid(), 1), str)
    assert_type(SyncGrid.class_inner(1), str)
    assert_type(SyncGrid.class_outer(1), str)
    assert_type(SyncGrid.static_inner(1), str)
    assert_type(SyncGrid.static_outer(1), str)
    assert_type(SyncGrid.method(SyncGrid(), 1), str)


async def the_helpers(one: AsyncGrid, other: SyncGrid) -> None:
    assert_type(one.method.key_for(1), str)
    assert_type(await one.method.invalidate(1), bool)
    assert_type(await one.method.refresh(1), str)
    assert_type(await one.method.uncached(1), str)
    assert_type(await AsyncGrid.class_inner.invalidate(1), bool)
    assert_type(await AsyncGrid.static_outer.refresh(1), str)
    assert_type(await AsyncGrid.static_inner.invalidate(1), bool)
    assert_type(await one.static_inner.invalidate(1), bool)
    assert_type(other.method.key_for(1), str)
    assert_type(other.method.invalidate(1), bool)
    assert_type(SyncGrid.class_inner.refresh(1), str)
    assert_type(SyncGrid.static_outer.uncached(1), str)


async def wrong_arguments(one: AsyncGrid) -> None:
    await one.method("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await AsyncGrid.class_inner("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await one.method.invalidate("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SyncGrid.static_inner("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
