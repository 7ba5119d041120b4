"""FastAPI: one call gives an application its cache.

`install_cache` composes the cache's opening and closing with the application's own lifespan (the cache opens first and
closes last), sets the request for "http_request" keys and the service for `@cache` around every request by a pure
ASGI middleware, and adds a health route. Bodies, streams and websockets pass through untouched.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse

from pika_redis import (
    ArgumentTypeError,
    ConfigurationError,
    FullCacheService,
    HealthStatus,
    MemoryCacheService,
    NullService,
    RedisService,
    use_service,
)

__all__ = ["CacheDep", "get_cache", "install_cache"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def install_cache(app: FastAPI, service: FullCacheService, *, health_path: str | None = "/health/cache") -> None:
    """Give the application a cache: `service` opens and closes with it.

    Within a request `@cache` and `CacheDep` use this service. `health_path` answers 200 while the cache serves and 503
    when it doesn't; None = no such route. An unreachable server does not keep the application from starting, unless
    the service says `lazy_connect=False`. Raises ArgumentTypeError, ConfigurationError for a second call.
    """
    if not isinstance(app, FastAPI):
        raise ArgumentTypeError(f"app must be a FastAPI application, not {type(app).__name__}")
    if not isinstance(service, RedisService | MemoryCacheService | NullService):
        shown = f"the class {service.__name__} itself" if isinstance(service, type) else type(service).__name__
        raise ArgumentTypeError(f"service must be a RedisService, MemoryCacheService or NullService, not {shown}")
    if getattr(app.state, "cache", None) is not None:
        raise ConfigurationError("this application has a cache already: call install_cache once")
    app.state.cache = service
    own_lifespan = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[Any]:
        async with service, own_lifespan(application) as state:
            yield state

    app.router.lifespan_context = lifespan
    app.add_middleware(_CacheMiddleware, service=service)
    if health_path is not None:
        app.add_api_route(health_path, _health, methods=["GET"], name="cache health", tags=["health"])


def get_cache(connection: HTTPConnection) -> FullCacheService:
    """The application's cache, for `Depends`; tests replace it with `app.dependency_overrides[get_cache]`."""
    service: FullCacheService | None = getattr(connection.app.state, "cache", None)
    if service is None:
        raise ConfigurationError("the application has no cache: call install_cache(app, service)")
    return service


CacheDep = Annotated[FullCacheService, Depends(get_cache)]
"""A route's parameter of this type is the application's cache."""


async def _health(cache: CacheDep) -> JSONResponse:
    report = await cache.health_check()
    code = 503 if report.status is HealthStatus.UNHEALTHY else 200
    return JSONResponse(report.to_dict(), status_code=code)


class _CacheMiddleware:
    """Around each request: which request it is, and which service cached functions use."""

    def __init__(self, app: App, service: FullCacheService) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with use_service(self._service, request=scope):
            await self._app(scope, receive, send)
