from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI

from pika_redis import ArgumentTypeError, ConfigurationError, MemoryCacheService, RedisService, cache
from pika_redis.integrations.fastapi import CacheDep, install_cache
from pika_redis.testing import EmbeddedServer


class Session:
    def __init__(self) -> None:
        self.open = True


async def session() -> AsyncIterator[Session]:
    opened = Session()
    yield opened
    opened.open = False


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_a_cached_handler_keeps_its_signature_and_runs_once_for_simultaneous_requests() -> None:
    app = FastAPI()
    install_cache(app, MemoryCacheService())
    calls: list[int] = []

    @app.get("/users/{user_id}")
    @cache(prefix="api", key_generator="http_request", tags=["user:{user_id}"])
    async def read_user(user_id: int, include: str = "") -> dict[str, object]:
        calls.append(user_id)
        await asyncio.sleep(0)
        return {"id": user_id, "include": include}

    @app.put("/users/{user_id}")
    async def write_user(user_id: int, service: CacheDep) -> None:
        await service.invalidate_tags([f"user:{user_id}"])

    assert [one["name"] for one in app.openapi()["paths"]["/users/{user_id}"]["get"]["parameters"]] == [
        "user_id",
        "include",
    ]
    async with client_of(app) as client:
        answers = await asyncio.gather(*[client.get("/users/7?include=profile") for _ in range(50)])
        assert {answer.text for answer in answers} == {'{"id":7,"include":"profile"}'}
        assert calls == [7]
        assert await app.state.cache.exists("api:GET:/users/7?include=profile")
        await client.put("/users/7")
        await client.get("/users/7?include=profile")
    assert calls == [7, 7]


async def test_a_load_with_a_yielded_session_runs_while_the_session_is_open() -> None:
    app = FastAPI()
    install_cache(app, MemoryCacheService())
    seen: list[bool] = []

    @app.get("/rows")
    @cache(ignore=("db",))
    async def rows(db: Annotated[Session, Depends(session)]) -> list[int]:
        await asyncio.sleep(0)
        seen.append(db.open)
        return [1]

    async with client_of(app) as client:
        answers = await asyncio.gather(*[client.get("/rows") for _ in range(5)])
    assert [answer.json() for answer in answers] == [[1]] * 5
    assert seen == [True]


async def test_a_session_that_is_not_ignored_is_refused_by_name() -> None:
    app = FastAPI()
    install_cache(app, MemoryCacheService())

    @app.get("/rows")
    @cache
    async def rows(db: Annotated[Session, Depends(session)]) -> list[int]:
        return [1]

    async with client_of(app) as client:
        with pytest.raises(TypeError, match="'db'"):
            await client.get("/rows")


async def test_a_post_runs_through_and_another_authorization_has_another_entry() -> None:
    app = FastAPI()
    install_cache(app, MemoryCacheService())
    calls: list[str] = []

    @app.api_route("/me", methods=["GET", "POST"])
    @cache(key_generator="http_request")
    async def me() -> int:
        calls.append("me")
        return len(calls)

    async with client_of(app) as client:
        assert (await client.post("/me")).json() == 1
        assert (await client.post("/me")).json() == 2
        assert (await client.get("/me", headers={"authorization": "a"})).json() == 3
        assert (await client.get("/me", headers={"authorization": "b"})).json() == 4
        assert (await client.get("/me", headers={"authorization": "a"})).json() == 3


async def test_the_cache_opens_and_closes_with_the_application_and_reports_its_health() -> None:
    app = FastAPI()
    service = MemoryCacheService()
    install_cache(app, service)
    async with app.router.lifespan_context(app), client_of(app) as client:
        answer = await client.get("/health/cache")
        assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
    with pytest.raises(RuntimeError, match="closed"):
        await service.get("key")


def test_a_second_cache_is_refused() -> None:
    app = FastAPI()
    install_cache(app, MemoryCacheService())
    with pytest.raises(ConfigurationError, match="once"):
        install_cache(app, MemoryCacheService())


class Small:
    """The verbs of `CacheService` and nothing else."""

    get = set = delete = exists = get_many = set_many = delete_pattern = increment = decrement = None
    invalidate_tags = get_stats = health_check = None


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        (MemoryCacheService, "the class MemoryCacheService itself"),
        (Small(), "Small"),
        (5, "int"),
        (None, "NoneType"),
        ("redis://", "str"),
    ],
    ids=["class", "too small", "number", "none", "text"],
)
def test_what_is_no_whole_service_is_refused_at_once(wrong: Any, shown: str) -> None:
    app = FastAPI()
    with pytest.raises(ArgumentTypeError, match=f"service must be a RedisService, .*, not {shown}"):
        install_cache(app, wrong)
    install_cache(app, MemoryCacheService())


async def test_the_health_route_answers_503_for_a_service_that_raises_while_the_server_refuses_the_login(
    valkey_server: EmbeddedServer,
) -> None:
    app = FastAPI()
    url = valkey_server.url.replace("redis://", "redis://nobody:sesame@")
    service = RedisService(url, retry_attempts=0, on_unavailable="raise")
    install_cache(app, service)
    async with client_of(app) as client:
        answer = await client.get("/health/cache")
    await service.aclose()
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert "sesame" not in answer.text
