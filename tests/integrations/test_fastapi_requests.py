from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Self

import httpx
import pytest
from fastapi import Depends, FastAPI, Request, WebSocket

from pika_redis import ArgumentTypeError, MemoryCacheService, RedisService, cache
from pika_redis.integrations.fastapi import CacheDep, get_cache, install_cache
from pika_redis.testing import EmbeddedServer, FakeClock, free_port


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


class Session:
    opened = 0

    def __init__(self) -> None:
        Session.opened += 1
        self.number = Session.opened
        self.open = True


async def session() -> AsyncIterator[Session]:
    opened = Session()
    try:
        yield opened
    finally:
        opened.open = False


Db = Annotated[Session, Depends(session)]


async def test_when_the_leading_request_goes_away_the_next_leads_with_its_own_session() -> None:
    app = FastAPI()
    install_cache(app, MemoryCacheService())
    loading = asyncio.Event()
    go = asyncio.Event()
    seen: list[tuple[int, bool]] = []

    @app.get("/rows")
    @cache(ignore=("db",))
    async def rows(db: Db) -> int:
        loading.set()
        await go.wait()
        seen.append((db.number, db.open))
        return db.number

    async with client_of(app) as client:
        first = asyncio.create_task(client.get("/rows"))
        await loading.wait()
        leader = Session.opened
        others = [asyncio.create_task(client.get("/rows")) for _ in range(3)]
        for _ in range(200):  # turns of the loop, until the others have joined
            await asyncio.sleep(0)
        assert Session.opened == leader + 3
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        answers = [(await other).json() for other in others]
    assert len(seen) == 1
    assert seen[0][0] > leader
    assert seen[0][1] is True
    assert answers == [seen[0][0]] * 3


async def test_a_refresh_of_an_attached_call_runs_before_its_answer_while_the_session_is_open() -> None:
    clock = FakeClock()
    app = FastAPI()
    install_cache(app, MemoryCacheService(clock=clock))
    seen: list[bool] = []

    @app.get("/rows")
    @cache(ttl=100, ttl_jitter=0, refresh_ahead=20, ignore=("db",))
    async def rows(db: Db) -> int:
        await asyncio.sleep(0)
        seen.append(db.open)
        return len(seen)

    async with client_of(app) as client:
        assert (await client.get("/rows")).json() == 1
        clock.advance(70)
        assert (await client.get("/rows")).json() == 1
        clock.advance(15)
        assert (await client.get("/rows")).json() == 2
    assert seen == [True, True]


async def test_a_plain_handler_works_on_memory_and_says_what_it_needs_on_a_server(
    valkey_server: EmbeddedServer,
) -> None:
    calls: list[str] = []

    def app_over(service: MemoryCacheService | RedisService) -> FastAPI:
        app = FastAPI()
        install_cache(app, service)

        @app.get("/slow/{name}")
        @cache
        def slow(name: str) -> str:
            calls.append(name)
            return name

        return app

    async with client_of(app_over(MemoryCacheService())) as client:
        assert [(await client.get("/slow/a")).json() for _ in range(3)] == ["a"] * 3
    assert calls == ["a"]
    async with client_of(app_over(RedisService(valkey_server.url))) as client:
        with pytest.raises(TypeError, match="async"):
            await client.get("/slow/a")


async def test_tests_may_replace_the_service() -> None:
    app, ours = FastAPI(), MemoryCacheService()
    install_cache(app, MemoryCacheService())
    app.dependency_overrides[get_cache] = lambda: ours

    @app.post("/put")
    async def put(service: CacheDep) -> None:
        await service.set("k", "v")

    async with client_of(app) as client:
        await client.post("/put")
    assert await ours.get("k") == "v"


async def test_the_cache_opens_before_the_applications_own_lifespan_and_closes_after_it() -> None:
    told: list[str] = []

    class Telling(MemoryCacheService):
        async def __aenter__(self) -> Self:
            told.append("cache opens")
            return self

        async def aclose(self) -> None:
            told.append("cache closes")
            await super().aclose()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        told.append("app opens")
        yield {"state": "of the app"}
        told.append("app closes")

    app = FastAPI(lifespan=lifespan)
    install_cache(app, Telling())
    async with app.router.lifespan_context(app) as state:
        assert state == {"state": "of the app"}
    assert told == ["cache opens", "app opens", "app closes", "cache closes"]


async def test_an_unreachable_server_is_a_log_line_and_routes_still_answer_from_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    install_cache(app, RedisService(f"redis://:sesame@127.0.0.1:{free_port()}", retry_attempts=0))

    @app.get("/one")
    @cache
    async def one() -> int:
        return 1

    with caplog.at_level(logging.WARNING, "pika_redis"):
        async with app.router.lifespan_context(app), client_of(app) as client:
            health = await client.get("/health/cache")
            assert (health.status_code, health.json()["status"]) == (200, "degraded")
            assert [(await client.get("/one")).json() for _ in range(3)] == [1, 1, 1]
    assert "starting without the server" in caplog.text
    assert "sesame" not in caplog.text + health.text


async def test_a_request_argument_is_the_source_of_its_key() -> None:
    app, service = FastAPI(), MemoryCacheService()
    install_cache(app, service)

    @app.get("/items")
    @cache(prefix="api", key_generator="http_request")
    async def items(request: Request) -> str:
        return str(request.query_params)

    async with client_of(app) as client:
        await client.get("/items?b=2&a=1")
    assert await service.exists("api:GET:/items?a=1&b=2")


async def test_exceptions_are_not_cached() -> None:
    app = FastAPI()
    install_cache(app, MemoryCacheService())
    calls: list[int] = []

    @app.get("/flaky")
    @cache
    async def flaky() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise LookupError("first")
        return len(calls)

    async with client_of(app) as client:
        with pytest.raises(LookupError):
            await client.get("/flaky")
        assert (await client.get("/flaky")).json() == 2


async def test_websockets_pass_untouched() -> None:
    app = FastAPI()
    install_cache(app, MemoryCacheService())

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    incoming = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}])
    outgoing: list[Any] = []

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        outgoing.append(message)

    scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b"", "subprotocols": []}
    await app(scope, receive, send)
    assert outgoing[1]["text"] == "hello"


def test_what_is_no_application_or_no_service_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="FastAPI"):
        install_cache(object(), MemoryCacheService())  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="service"):
        install_cache(FastAPI(), object())  # type: ignore[arg-type]
