"""What type checkers know of batches; checked by them, never run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_type

from pika_redis import RedisService, cache


@cache.batch(key=lambda id: f"user:{id}")
async def users(ids: list[int]) -> Mapping[int, str]:
    return {id: str(id) for id in ids}


@cache.batch(key=lambda id: f"user:{id}", ttl=60, tags=["user:{id}"])
async def aligned(ids: list[int]) -> Sequence[str]:
    return [str(id) for id in ids]


class Repository:
    @cache.batch(key=lambda id: f"user:{id}")
    async def users(self, ids: list[int]) -> dict[int, str]:
        return {id: str(id) for id in ids}


async def results(repository: Repository) -> None:
    assert_type(await users([1, 2]), dict[int, str | None])
    assert_type(await users.one(1), str | None)
    assert_type(await aligned([1, 2]), dict[int, str])
    assert_type(await aligned.one(1), str)
    assert_type(await repository.users([1]), dict[int, str | None])
    assert_type(await repository.users.one(1), str | None)
    assert_type(users.key_for(1), str)
    assert_type(await users.invalidate(1, 2), int)


async def the_verb(service: RedisService) -> None:
    async def load(ids: list[int]) -> dict[int, str]:
        return {id: str(id) for id in ids}

    found = await service.get_or_load_many([1, 2], load, key=lambda id: f"user:{id}")
    assert_type(found, list[str | None])
