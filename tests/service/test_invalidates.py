from __future__ import annotations

import pytest

from pika_redis import MemoryCacheService, cache


@pytest.fixture
def service() -> MemoryCacheService:
    return MemoryCacheService()


async def test_tags_and_keys_end_after_the_writer_returned(service: MemoryCacheService) -> None:
    seen: list[object] = []

    @cache.invalidates(tags=["user:{user_id}"], keys=["names:{user_id}"], service=service)
    async def rename(user_id: int, name: str) -> str:
        seen.append(await service.get("names:7"))
        return name

    await service.set("names:7", "old")
    await service.set("profile", "old", tags=["user:7"])
    assert await rename(7, name="new") == "new"
    assert seen == ["old"]
    assert await service.get_many(["names:7", "profile"]) == [None, None]


async def test_a_writer_that_raises_ends_nothing(service: MemoryCacheService) -> None:
    @cache.invalidates(keys=["k"], service=service)
    async def fail() -> None:
        raise LookupError

    await service.set("k", "kept")
    with pytest.raises(LookupError):
        await fail()
    assert await service.get("k") == "kept"


def test_sync_writers_and_methods(service: MemoryCacheService) -> None:
    class Repository:
        cache_service = service

        @cache.invalidates(keys=lambda user_id: [f"names:{user_id}"])
        def rename(self, user_id: int) -> int:
            return user_id

    service.sync.set("names:7", "old")
    assert Repository().rename(7) == 7
    assert service.sync.get("names:7") is None


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, "tags= or keys="), ({"tags": "t"}, "tags"), ({"keys": ["{nobody}"]}, "nobody")],
)
def test_nonsense_is_refused_at_decoration(options: dict[str, object], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        cache.invalidates(**options)(lambda x: x)  # type: ignore[arg-type]
