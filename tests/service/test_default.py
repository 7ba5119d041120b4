"""Which service a cached function finds: what may be chosen, and what the environment makes of the default."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pika_redis import (
    ConfigurationError,
    MemoryCacheService,
    NullService,
    RedisService,
    ValueTooLargeError,
    get_default_service,
    set_default_service,
    use_service,
)
from pika_redis.service.settings import VARIABLES
from pika_redis.testing import refuses


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
    set_default_service(None)
    yield
    set_default_service(None)


async def test_the_default_in_memory_is_set_up_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_CACHE_TTL", "10m")
    monkeypatch.setenv("REDIS_KEY_PREFIX", "shop:")
    monkeypatch.setenv("MAX_CACHE_KEY_LENGTH", "64")
    monkeypatch.setenv("CACHE_MAX_VALUE_BYTES", "1024")
    service = get_default_service()
    assert isinstance(service, MemoryCacheService)
    assert service.prefix == "shop:"
    assert len("shop:") + 60 < len(service.name_of("k" * 1000)) <= len("shop:") + 64
    await service.set("k", 1)
    assert 590 < (await service.remaining_ttl("k") or 0) <= 600
    with refuses(ValueTooLargeError, "1024"):
        await service.set("k", "x" * 2000)


async def test_caching_may_be_switched_off_where_memory_is_the_default(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CACHE_ENABLED", "false")
    with caplog.at_level(logging.WARNING, "pika_redis"):
        service = get_default_service()
    await service.set("k", 1)
    assert await service.get("k") is None
    assert "memory" not in caplog.text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CACHE_ENABLED", "perhaps"),
        ("DEFAULT_CACHE_TTL", "soon"),
        ("REDIS_KEY_PREFIX", "a\nb"),
        ("MAX_CACHE_KEY_LENGTH", "1"),
        ("CACHE_MAX_VALUE_BYTES", "-5"),
    ],
)
def test_a_bad_variable_is_named_where_memory_is_the_default(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    for _ in range(2):
        with refuses(ConfigurationError, name):
            get_default_service()


def test_variables_of_a_server_do_not_concern_the_default_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PORT", "tcp://10.0.0.1:6379")  # as Kubernetes sets it
    monkeypatch.setenv("REDIS_CONNECT_TIMEOUT", "nonsense")
    assert isinstance(get_default_service(), MemoryCacheService)


async def test_a_service_made_in_python_leaves_the_environment_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable.name, "\n nonsense")
    service = MemoryCacheService()
    await service.set("k", 1)
    assert await service.get("k") == 1
    assert service.prefix == "pika:"


def test_what_is_no_service_cannot_be_chosen() -> None:
    wrong: Any
    for wrong, shown in ((5, "not int"), (MemoryCacheService, "MemoryCacheService itself"), ("redis://", "not str")):
        with refuses(TypeError, "RedisService, MemoryCacheService or NullService", shown):
            set_default_service(wrong)
        with refuses(TypeError, "RedisService, MemoryCacheService or NullService", shown):
            use_service(wrong)
    with refuses(TypeError, "not NoneType"):
        use_service(None)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


def test_each_service_can_be_chosen() -> None:
    for service in (MemoryCacheService(), NullService(), RedisService("redis://127.0.0.1:1")):
        set_default_service(service)
        assert get_default_service() is service
        with use_service(service) as used:
            assert used is service
