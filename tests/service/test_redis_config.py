from __future__ import annotations

import dataclasses
import math
from datetime import timedelta
from typing import Any

import pytest

from pika_redis.errors import ArgumentTypeError, ConfigurationError
from pika_redis.model.secret import Secret
from pika_redis.service.redis_config import RedisConfig, create_redis_config
from pika_redis.wire.address import Address, Sentinels, TlsFiles

PASSWORD = "hunter2SECRET"


def test_the_ancestors_defaults() -> None:
    assert create_redis_config() == RedisConfig()
    assert RedisConfig().retry_delay == 0.5
    assert RedisConfig().retry_attempts == 3
    assert RedisConfig().lazy_connect is True


def test_the_ancestors_names_and_milliseconds() -> None:
    made = create_redis_config(
        host="cache",
        port=7000,
        password=PASSWORD,
        db=2,
        key_prefix="shop:",
        retry_delay_on_failover=200,
        max_retries_per_request=5,
        lazy_connect=False,
        username="alice",
        connect_timeout=2000,
        command_timeout="3s",
        tls_ca_file="ca.pem",
    )
    assert made == RedisConfig(
        address=Address(
            kind="tls",
            host="cache",
            port=7000,
            username="alice",
            password=Secret(PASSWORD),
            db=2,
            tls=TlsFiles(ca_file="ca.pem"),
        ),
        key_prefix="shop:",
        retry_delay=0.2,
        retry_attempts=5,
        lazy_connect=False,
        connect_timeout=2.0,
        command_timeout=3.0,
    )
    assert PASSWORD not in repr(made)


def test_a_timedelta_says_its_own_unit() -> None:
    assert create_redis_config(connect_timeout=timedelta(seconds=2)).connect_timeout == 2.0


def test_a_url_stands_in_the_place_of_host_and_port() -> None:
    made = create_redis_config(
        url=Secret("redis+sentinel://h1,h2/mymaster"), username="alice", password=PASSWORD, db=2, sentinel_password="p"
    )
    assert made.address == Address(
        kind="sentinel",
        hosts=(("h1", 26379), ("h2", 26379)),
        sentinel=Sentinels("mymaster", password=Secret("p")),
        username="alice",
        password=Secret(PASSWORD),
        db=2,
    )
    assert create_redis_config(url="redis+cluster://h1").address == Address(kind="cluster", hosts=(("h1", 6379),))
    assert create_redis_config(url="rediss://h1", tls_verify=False).address.tls == TlsFiles(verify=False)


@pytest.mark.parametrize("password", [None, ""])
def test_an_empty_password_is_none(password: str | None) -> None:
    assert create_redis_config(password=password).address.password is None


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ({"host": ""}, ConfigurationError, "host must be a name"),
        ({"port": 70000}, ConfigurationError, "port must be from 1 to 65535, not 70000"),
        ({"port": "6379"}, ArgumentTypeError, "port must be an int, not str"),
        ({"password": 5}, ArgumentTypeError, "password must be a str, not int"),
        ({"password": PASSWORD.encode()}, ArgumentTypeError, "password must be a str, not bytes"),
        ({"db": -1}, ConfigurationError, "db must be from 0"),
        ({"key_prefix": None}, ArgumentTypeError, "key_prefix must be a str, not NoneType"),
        ({"host": f"redis://:{PASSWORD}@cache"}, ConfigurationError, "^host must be a name"),
        ({"host": "cache:6379"}, ConfigurationError, "^host must be a name"),
        ({"host": None}, ArgumentTypeError, "host must be a str, not NoneType"),
        (
            {"retry_delay_on_failover": 0},
            ConfigurationError,
            "^retry_delay_on_failover must be from 1 to 86400000 milliseconds, not 0$",
        ),
        ({"connect_timeout": 0.5}, ConfigurationError, "^connect_timeout must be .* milliseconds, not 0.5$"),
        ({"connect_timeout": math.nan}, ConfigurationError, "^connect_timeout must be .* milliseconds, not nan$"),
        ({"connect_timeout": 10**400}, ConfigurationError, "^connect_timeout must be .* milliseconds, not 86400001"),
        ({"command_timeout": "2d"}, ConfigurationError, "^command_timeout must be .* milliseconds, not '2d'$"),
        ({"command_timeout": timedelta(0)}, ConfigurationError, "^command_timeout must be .* milliseconds, not 0:00"),
        ({"retry_delay_on_failover": "x"}, ValueError, "retry_delay_on_failover='x' is no duration"),
        ({"max_retries_per_request": -1}, ConfigurationError, "^max_retries_per_request must be from 0 to 100, not -1"),
        ({"max_retries_per_request": "3"}, ArgumentTypeError, "^max_retries_per_request must be an int, not str"),
        ({"lazy_connect": 1}, ArgumentTypeError, "lazy_connect must be True or False, not 1"),
        ({"connect_timeout": None}, ArgumentTypeError, "^connect_timeout must be milliseconds, .* not NoneType"),
        ({"connect_timeout": True}, ArgumentTypeError, "^connect_timeout must be milliseconds, .* not bool"),
        ({"tls": True}, ArgumentTypeError, "unknown argument 'tls': .*tls_ca_file.*rediss://"),
        ({"tls_ca_file": True}, ArgumentTypeError, "tls_ca_file must be the path of a file, not bool"),
        ({"tls_ca_file": "ca.pem", "tls_verify": 0}, ArgumentTypeError, "tls_verify must be True or False, not 0"),
        ({"tls_verify": False}, ConfigurationError, "tls_verify needs TLS"),
        ({"url": "redis://cache", "host": "other"}, ConfigurationError, "host= contradicts the URL"),
        ({"url": "redis://cache/1", "db": 2}, ConfigurationError, "db= contradicts the URL"),
        ({"url": "redis+cluster://cache", "port": 1}, ConfigurationError, "port= contradicts the URL"),
        ({"url": "redis+cluster://cache", "db": 1}, ConfigurationError, "a cluster has the db 0 alone, not 1"),
        ({"url": "redis://cache", "sentinel_username": "a"}, ConfigurationError, "redis\\+sentinel://"),
        ({"sentinel_password": PASSWORD}, ConfigurationError, "redis\\+sentinel://"),
        (
            {"url": "redis+sentinel://h/m", "sentinel_password": 5},
            ArgumentTypeError,
            "sentinel_password must be a str, not int",
        ),
        ({"url": f"redis+sentinel://:{PASSWORD}@h"}, ConfigurationError, "must name the master"),
        ({"tls_key_file": "key.pem"}, ConfigurationError, "tls_key_file needs tls_cert_file"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem) as caught:
        create_redis_config(**arguments)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "meant"), [({"hots": 1}, "'hots': did you mean 'host'"), ({"zzz": 1}, "'zzz': known are url, host, port")]
)
def test_an_unknown_argument_is_a_type_error_that_says_what_was_meant(given: dict[str, Any], meant: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"unknown argument {meant}"):
        create_redis_config(**given)


def test_the_tls_files_turn_tls_on() -> None:
    made = create_redis_config(tls_ca_file="ca", tls_cert_file="cert", tls_key_file="key", tls_verify=False)
    assert made.address == Address(kind="tls", tls=TlsFiles("ca", "cert", "key", verify=False))


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("address", "redis://", ArgumentTypeError),
        ("key_prefix", b"a", ArgumentTypeError),
        ("key_prefix", "a\x00", ConfigurationError),
        ("key_prefix", "a\x85", ConfigurationError),
        ("key_prefix", "\ud800", ConfigurationError),
        ("connect_timeout", "1s", ArgumentTypeError),
        ("connect_timeout", True, ArgumentTypeError),
        ("connect_timeout", math.nan, ConfigurationError),
        ("connect_timeout", math.inf, ConfigurationError),
        ("command_timeout", 0, ConfigurationError),
        ("stall_timeout", -1.0, ConfigurationError),
        ("retry_attempts", 1.0, ArgumentTypeError),
        ("ttl", 0, ConfigurationError),
        ("ttl", None, ArgumentTypeError),
        ("max_cache_key_length", 63, ConfigurationError),
        ("max_cache_key_length", True, ArgumentTypeError),
        ("l1_max_bytes", 1, ConfigurationError),
        ("max_value_bytes", 2**40, ConfigurationError),
        ("enabled", 1, ArgumentTypeError),
        ("compression_enabled", "no", ArgumentTypeError),
        ("lazy_connect", None, ArgumentTypeError),
    ],
)
def test_every_field_is_checked(field: str, value: object, error: type[Exception]) -> None:
    fields: dict[str, Any] = {field: value}
    with pytest.raises(error, match=field):
        RedisConfig(**fields)


def test_a_wrong_type_is_told_what_would_be_right() -> None:
    with pytest.raises(ArgumentTypeError, match="retry_attempts must be an int, not float"):
        RedisConfig(retry_attempts=1.0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="ttl must be a number of seconds, not str"):
        RedisConfig(ttl="1h")  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["", "pika:", "shop é:", "{tenant}:", "*"])
def test_any_printable_prefix_is_taken(prefix: str) -> None:
    assert RedisConfig(key_prefix=prefix).key_prefix == prefix


def test_an_entry_may_live_for_ever() -> None:
    assert RedisConfig(ttl=math.inf).ttl == math.inf


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RedisConfig().ttl = 1  # type: ignore[misc]
