from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

import pytest

from pika_redis import ConfigurationError
from pika_redis.cli.failure import USAGE, Failure
from pika_redis.cli.target import Target
from pika_redis.service import settings

from .command import environment_with


@pytest.fixture(autouse=True)
def _no_settings() -> Iterator[None]:
    with mock.patch.dict(os.environ, environment_with({}), clear=True):
        yield


def test_without_a_word_it_is_the_default_address() -> None:
    config = Target().config()
    assert (str(config.address), config.key_prefix) == ("redis://localhost:6379/0", "pika:")
    assert Target().source == "the default address; set REDIS_URL or --url for another"


def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_HOST", "cache")
    assert Target().source == "address from REDIS_HOST"
    assert Target().config().address.host == "cache"
    monkeypatch.setenv("REDIS_URL", "rediss://other:1/2")
    monkeypatch.delenv("REDIS_HOST")
    assert Target().source == "address from REDIS_URL"
    assert str(Target().config().address) == "rediss://other:1/2"


def test_the_other_settings_of_the_environment_hold_beside_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_KEY_PREFIX", "shop:")
    monkeypatch.setenv("DEFAULT_CACHE_TTL", "5")
    monkeypatch.setenv("REDIS_PASSWORD", "sesame")
    monkeypatch.setenv("REDIS_DB", "3")
    config = Target("redis://cache").config()
    assert (config.key_prefix, config.ttl, config.address.db) == ("shop:", 5, 3)
    assert config.address.password is not None
    assert config.address.password.reveal() == "sesame"


def test_the_url_and_the_prefix_win_over_the_environment_without_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, text in {
        "REDIS_URL": "redis://elsewhere:1/9",
        "REDIS_HOST": "elsewhere",
        "REDIS_PORT": "tcp://10.0.0.1:6379",
        "REDIS_USERNAME": "ann",
        "REDIS_PASSWORD": "sesame",
        "REDIS_DB": "7",
        "REDIS_TLS_CA_FILE": "/ca.pem",
        "REDIS_KEY_PREFIX": "shop:",
    }.items():
        monkeypatch.setenv(name, text)
    config = Target("redis://bob:pw@cache:2/4", "").config()
    assert str(config.address) == "redis://bob:***@cache:2/4"
    assert config.key_prefix == ""
    assert Target("redis://cache").source == "address from --url"
    monkeypatch.setattr(settings, "_warned", set())  # each warning is said once a process
    monkeypatch.setenv("REDIS_PORT", "7777")
    assert Target("redis://cache").config().address.port == 6379
    assert caplog.records == []


def test_a_command_asks_once_and_asks_even_where_the_cache_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_ENABLED", "false")
    monkeypatch.setenv("REDIS_RETRY_ATTEMPTS", "9")
    config = Target().config()
    assert (config.enabled, config.retry_attempts) == (True, 0)


@pytest.mark.parametrize("url", ["memory://", "embedded://"])
def test_a_store_that_ends_with_its_process_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(Failure, match=f"^{url} lives and dies with its process") as refused:
        Target(url).config()
    assert refused.value.code == USAGE
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(Failure, match=f"^{url}"):
        Target().config()


@pytest.mark.parametrize(
    "url",
    ["", " ", "localhost:6379", "http://:sesame@x", "redis://u:ses/ame@h", "redis://h:sesame", "redis://:sesame@h/x"],
)
def test_a_bad_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(Failure, match=r"^--url") as refused:
        Target(url).config()
    assert refused.value.code == USAGE
    assert "ses" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_bad_prefix_is_refused_by_its_option() -> None:
    with pytest.raises(Failure, match=r"^--prefix") as refused:
        Target(prefix="a\nb").config()
    assert refused.value.code == USAGE


def test_a_bad_setting_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_CONNECT_TIMEOUT", "soon")
    with pytest.raises(ConfigurationError, match="REDIS_CONNECT_TIMEOUT"):
        Target().config()
