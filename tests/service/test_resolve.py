from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, get_type_hints

import pytest

from pika_redis.errors import ArgumentError, ArgumentTypeError, CacheError, ConfigurationError
from pika_redis.model.secret import Secret
from pika_redis.service.memory_service import MemorySettings
from pika_redis.service.redis_config import RedisConfig
from pika_redis.service.redis_service import RedisSettings
from pika_redis.service.resolve import SETTING_NAMES, resolve, unknown_keyword
from pika_redis.service.settings import VARIABLES
from pika_redis.wire.address import Address, Sentinels, TlsFiles

PASSWORD = "hunter2SECRET"


def resolved(config: Any = None, environ: dict[str, str] | None = None, **settings: object) -> RedisConfig:
    return resolve(config, settings, environ or {})


def test_none_is_the_environment() -> None:
    assert resolved(environ={"REDIS_HOST": "cache", "DEFAULT_CACHE_TTL": "60"}) == RedisConfig(
        address=Address(host="cache"), ttl=60.0
    )


def test_a_url_and_a_configuration_leave_the_environment_unread() -> None:
    environ = {"REDIS_PORT": "nonsense", "REDIS_KEY_PREFIX": "x:"}
    assert resolved("redis://cache/1", environ) == RedisConfig(address=Address(host="cache", db=1))
    assert resolved(Secret("redis://cache"), environ) == RedisConfig(address=Address(host="cache"))
    config = RedisConfig(key_prefix="shop:")
    assert resolved(config, environ) == config


def test_keywords_are_the_variables_without_their_first_word_in_lower_case() -> None:
    def keyword(variable: str) -> str:
        return variable.removeprefix("REDIS_").removeprefix("CACHE_").lower()

    assert {keyword(variable.name) for variable in VARIABLES} == SETTING_NAMES - {"ttl", "lazy_connect", "credentials"}


def test_keywords_go_before_everything_else() -> None:
    given: dict[str, Any] = {
        "key_prefix": "shop:",
        "connect_timeout": 2,
        "command_timeout": timedelta(seconds=3),
        "stall_timeout": "250ms",
        "retry_attempts": 0,
        "retry_delay": 0.1,
        "ttl": "10m",
        "max_cache_key_length": 100,
        "compression_enabled": False,
        "enabled": False,
        "l1_max_bytes": 2**20,
        "max_value_bytes": 2**20,
        "max_connection_age": "20m",
        "sentinel_proof": False,
        "lazy_connect": False,
    }
    seconds: dict[str, Any] = {"connect_timeout": 2.0, "command_timeout": 3.0, "stall_timeout": 0.25, "ttl": 600.0}
    seconds["max_connection_age"] = 1200.0
    expected = RedisConfig(**{**given, **seconds})
    assert resolved(RedisConfig(ttl=1.0), None, **given) == expected
    assert resolved(None, {"DEFAULT_CACHE_TTL": "60", "REDIS_KEY_PREFIX": "x:"}, **given) == expected
    assert resolved("redis://localhost", None, **given) == expected


def test_keywords_place_and_name_the_server() -> None:
    given: dict[str, Any] = {"host": "cache", "port": 7000, "username": "a", "password": "b", "db": 2}
    expected = Address(host="cache", port=7000, username="a", password=Secret("b"), db=2)
    assert resolved(None, None, **given).address == expected
    assert resolved(None, {"REDIS_URL": "redis://x:y@other:1/1"}, **given).address == expected
    assert resolved(RedisConfig(address=Address(kind="unix", path="/x")), None, **given).address == expected
    assert resolved("redis://cache:7000", None, username="a", password=Secret("b"), db=2).address == expected
    assert resolved(None, {"REDIS_URL": "memory://"}, host="cache").address == Address(host="cache")


def test_credentials_and_db_leave_a_unix_socket_what_it_is() -> None:
    expected = Address(kind="unix", path="/x", username="a", password=Secret("b"), db=1)
    given: dict[str, Any] = {"username": "a", "password": "b", "db": 1}
    assert resolved("unix:///x", None, **given).address == expected
    assert resolved(RedisConfig(address=Address(kind="unix", path="/x")), None, **given).address == expected


def test_keywords_log_in_at_sentinels() -> None:
    url = "redis+sentinel://h1/mymaster?sentinel_username=bob"
    given: dict[str, Any] = {"sentinel_password": PASSWORD, "sentinel_username": "bob", "db": 3}
    expected = Address(
        kind="sentinel", hosts=(("h1", 26379),), sentinel=Sentinels("mymaster", "bob", Secret(PASSWORD)), db=3
    )
    assert resolved(url, None, **given).address == expected
    assert resolved(RedisConfig(address=expected), None, host="cache").address == Address(host="cache", db=3)
    secure = resolved("rediss+cluster://h1", None, tls_ca_file="ca").address
    assert secure == Address(kind="cluster", hosts=(("h1", 6379),), tls=TlsFiles("ca"))


def test_a_port_leaves_tls_on() -> None:
    config = RedisConfig(address=Address(kind="tls", tls=TlsFiles("ca")))
    assert resolved(config, None, port=7000).address == Address(kind="tls", port=7000, tls=TlsFiles("ca"))


def test_a_keyword_that_is_none_counts_as_not_given() -> None:
    nothing = dict.fromkeys(SETTING_NAMES)
    assert resolved("redis://:pw@cache", None, **nothing) == resolved("redis://:pw@cache")


def test_the_url_may_be_a_keyword() -> None:
    assert resolved(url="redis://cache").address == Address(host="cache")
    with pytest.raises(ConfigurationError, match="given twice: as the first argument and as url="):
        resolved("redis://cache", None, url="redis://cache")


@pytest.mark.parametrize(
    ("url", "settings", "expected"),
    [
        ("rediss://cache", {"tls_verify": False}, TlsFiles(verify=False)),
        ("rediss://cache", {"tls_ca_file": "ca"}, TlsFiles("ca")),
        ("rediss://cache?tls_ca_file=ca", {"tls_cert_file": "c", "tls_key_file": "k"}, TlsFiles("ca", "c", "k")),
        (None, {"tls_ca_file": "ca", "tls_verify": False}, TlsFiles("ca", verify=False)),
        (None, {"tls_ca_file": "ca"}, TlsFiles("ca")),
        (
            RedisConfig(address=Address(kind="tls", tls=TlsFiles("ca"))),
            {"tls_verify": False},
            TlsFiles("ca", verify=False),
        ),
    ],
)
def test_tls_keywords(url: Any, settings: dict[str, object], expected: TlsFiles) -> None:
    address = resolved(url, None, **settings).address
    assert (address.kind, address.tls) == ("tls", expected)


@pytest.mark.parametrize("age", [0, math.inf])
def test_a_connection_may_live_for_ever(age: float) -> None:
    assert resolved(max_connection_age=age).max_connection_age == math.inf
    assert resolved(max_connection_age=1200).max_connection_age == 1200


def test_credentials_are_a_function_and_stand_alone() -> None:
    def give() -> str:
        return PASSWORD

    config = resolved("redis://cache", credentials=give)
    assert config.credentials is give
    assert PASSWORD not in repr(config)
    for url, given in (("redis://:pw@cache", give), ("redis://alice@cache", give), ("redis://cache", PASSWORD)):
        with pytest.raises((ConfigurationError, ArgumentTypeError), match=r"^credentials") as caught:
            resolved(url, None, credentials=given)
        assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("name", ["ttl", "default_cache_ttl"])
def test_the_default_ttl_has_a_short_and_a_long_name(name: str) -> None:
    assert resolved(None, None, **{name: "1m"}).ttl == 60.0
    assert resolved(None, None, **{name: math.inf}).ttl == math.inf


@pytest.mark.parametrize(
    ("config", "settings", "error", "problem"),
    [
        (None, {"hots": "x"}, ConfigurationError, r"unknown setting 'hots'; did you mean host"),
        (
            None,
            {"socket_timeout": 1},
            ConfigurationError,
            "unknown setting 'socket_timeout'; did you mean connect_timeout",
        ),
        (None, {"zzz": 1}, ConfigurationError, "unknown setting 'zzz'; known are command_timeout, compression_enabled"),
        (None, {"hots": None}, ConfigurationError, "unknown setting 'hots'"),
        (None, {"connect_timeout": 10000}, ConfigurationError, r"connect_timeout=10000 is in seconds here.*'10000ms'"),
        (None, {"command_timeout": 300.5}, ConfigurationError, r"command_timeout=300\.5 is in seconds"),
        (None, {"stall_timeout": 1000}, ConfigurationError, "stall_timeout=1000 is in seconds"),
        (None, {"retry_delay": 500}, ConfigurationError, "retry_delay=500 is in seconds"),
        (None, {"connect_timeout": "soon"}, ArgumentError, "connect_timeout='soon' is no duration"),
        (None, {"connect_timeout": True}, ArgumentTypeError, "connect_timeout must be seconds"),
        (None, {"connect_timeout": 0}, ConfigurationError, r"connect_timeout must be from 0\.001"),
        (None, {"max_connection_age": 0.5}, ConfigurationError, "max_connection_age must be from 1 to inf, not 0.5"),
        (None, {"max_connection_age": "old"}, ArgumentError, "max_connection_age='old' is no duration"),
        (None, {"sentinel_proof": 1}, ArgumentTypeError, "sentinel_proof must be True or False, not 1"),
        (None, {"ttl": 0}, ArgumentError, "ttl must be at least 1 ms"),
        (None, {"ttl": 1, "default_cache_ttl": 2}, ConfigurationError, "two names of one setting"),
        (None, {"port": "6379"}, ArgumentTypeError, "port must be an int, not str"),
        (None, {"host": f"redis://:{PASSWORD}@cache"}, ConfigurationError, "^host must be a name .* a URL goes into"),
        (
            None,
            {"host": "cache:6379"},
            ConfigurationError,
            "^host must be a name .* a port goes into REDIS_PORT, port=",
        ),
        (None, {"host": "a b"}, ConfigurationError, "^host must be a name or an IP address, not 'a b'"),
        (None, {"host": ""}, ConfigurationError, "^host must be a name or an IP address, not ''"),
        (None, {"host": 5}, ArgumentTypeError, "^host must be a str, not int"),
        (None, {"refresh_ahead": 5}, ConfigurationError, r"refresh_ahead is an option.*with_options\(refresh_ahead="),
        (None, {"none_ttl": 5}, ConfigurationError, r"with_options\(none_ttl="),
        (None, {"version": 5}, ConfigurationError, r"version is an option of @cache\(\.\.\.\) alone"),
        (None, {"password": 5}, ArgumentTypeError, "password must be a str, not int"),
        (None, {"key_prefix": 5}, ArgumentTypeError, "key_prefix must be a str, not int"),
        (None, {"enabled": "no"}, ArgumentTypeError, "enabled must be True or False, not 'no'"),
        (None, {"tls_verify": False}, ConfigurationError, "tls_verify needs TLS"),
        (None, {"tls_ca_file": 5}, ArgumentTypeError, "tls_ca_file must be the path of a file, not int"),
        (
            None,
            {"tls_ca_file": "ca", "tls_verify": "no"},
            ArgumentTypeError,
            "tls_verify must be True or False, not 'no'",
        ),
        (None, {"tls_key_file": "k"}, ConfigurationError, "tls_key_file needs tls_cert_file"),
        ("redis://cache", {"tls_ca_file": "ca"}, ConfigurationError, "begins with rediss://"),
        ("rediss://cache?tls_verify=1", {"tls_verify": False}, ConfigurationError, "tls_verify= contradicts the URL"),
        ("redis://cache", {"host": "other"}, ConfigurationError, "host= contradicts the URL"),
        ("redis://cache:7000", {"port": 7001}, ConfigurationError, "port= contradicts the URL"),
        (
            f"redis://:{PASSWORD}@cache",
            {"password": "x" + PASSWORD},
            ConfigurationError,
            "password= contradicts the URL",
        ),
        ("redis://cache/1", {"db": 2}, ConfigurationError, "db= contradicts the URL"),
        ("redis+cluster://cache/0", {"host": "cache"}, ConfigurationError, "host= contradicts the URL"),
        ("redis+cluster://cache", {"tls_ca_file": "ca"}, ConfigurationError, "begins with rediss://"),
        ("redis://cache", {"sentinel_username": "a"}, ConfigurationError, r"begins with redis\+sentinel://"),
        (None, {"sentinel_password": PASSWORD}, ConfigurationError, r"begins with redis\+sentinel://"),
        (
            f"redis+sentinel://h/m?sentinel_password={PASSWORD}",
            {"sentinel_password": "x" + PASSWORD},
            ConfigurationError,
            "sentinel_password= contradicts the URL",
        ),
        ("unix:///x", {"host": "cache"}, ConfigurationError, "host= contradicts the URL"),
        ("memory://", {"port": 1}, ConfigurationError, "port= contradicts the URL"),
        ("http://cache", {}, ConfigurationError, "scheme 'http' is unknown"),
        (5, {}, ArgumentTypeError, "the server URL must be a str, not int"),
    ],
)
def test_nonsense_is_refused(config: Any, settings: dict[str, object], error: type[CacheError], problem: str) -> None:
    with pytest.raises(error, match=problem) as caught:
        resolved(config, None, **settings)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("seconds", [300, "10m", timedelta(minutes=10)])
def test_a_long_timeout_may_be_said_with_its_unit(seconds: object) -> None:
    assert resolved(connect_timeout=seconds).connect_timeout >= 300


def test_a_keyword_that_says_what_the_url_says_is_taken() -> None:
    url = f"redis://a:{PASSWORD}@cache:7000/1"
    given: dict[str, Any] = {"host": "cache", "port": 7000, "username": "a", "password": PASSWORD, "db": 1}
    assert resolved(url, None, **given) == resolved(url)


def test_every_documented_keyword_is_known_to_type_checkers() -> None:
    assert get_type_hints(RedisSettings).keys() == SETTING_NAMES
    assert get_type_hints(MemorySettings).keys() < SETTING_NAMES


def test_others_may_name_their_own_keywords() -> None:
    error = unknown_keyword("ttl_jiter", {"ttl_jitter", "refresh_ahead"})
    assert str(error) == "unknown setting 'ttl_jiter'; did you mean ttl_jitter?"
