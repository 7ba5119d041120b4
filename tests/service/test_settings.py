from __future__ import annotations

import math
import traceback

import pytest

from pika_redis.errors import ConfigurationError
from pika_redis.model.secret import Secret
from pika_redis.service import settings
from pika_redis.service.redis_config import RedisConfig
from pika_redis.service.settings import VARIABLES, CacheSettings, environment_names_a_server
from pika_redis.wire.address import Address, Sentinels, TlsFiles

MiB = 1024 * 1024
PASSWORD = "hunter2SECRET"


@pytest.fixture(autouse=True)
def nothing_warned_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_warned", set[str]())


def config(**environ: str) -> RedisConfig:
    return CacheSettings.from_env(environ).to_config()


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "pika_redis"]


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    found = CacheSettings.from_env({})
    assert found == CacheSettings()
    assert (found.host, found.port, found.password, found.db) == ("localhost", 6379, None, 0)
    assert (found.url, found.username, found.key_prefix) == (None, None, "pika:")
    assert (found.connect_timeout_ms, found.command_timeout_ms, found.stall_timeout_ms) == (10_000, 5_000, 1_000)
    assert (found.retry_attempts, found.retry_delay_ms) == (3, 500)
    assert (found.default_cache_ttl, found.max_cache_key_length) == (3600, 250)
    assert (found.compression_enabled, found.enabled) == (True, True)
    assert (found.l1_max_bytes, found.max_value_bytes) == (32 * MiB, 64 * MiB)
    assert (found.tls_ca_file, found.tls_cert_file, found.tls_key_file, found.tls_verify) == (None, None, None, True)


def test_the_configuration_of_an_empty_environment_is_the_default_one() -> None:
    assert config() == RedisConfig()


def test_every_variable_is_read_under_its_documented_name() -> None:
    environ = {
        "REDIS_HOST": "cache",
        "REDIS_PORT": "7000",
        "REDIS_PASSWORD": PASSWORD,
        "REDIS_USERNAME": "alice",
        "REDIS_DB": "3",
        "REDIS_KEY_PREFIX": "shop:",
        "REDIS_TLS_CA_FILE": "ca.pem",
        "REDIS_TLS_CERT_FILE": "cert.pem",
        "REDIS_TLS_KEY_FILE": "key.pem",
        "REDIS_TLS_VERIFY": "no",
        "REDIS_SENTINEL_USERNAME": "bob",
        "REDIS_SENTINEL_PASSWORD": PASSWORD,
        "REDIS_CONNECT_TIMEOUT": "2000",
        "REDIS_COMMAND_TIMEOUT": "1500",
        "REDIS_STALL_TIMEOUT": "250",
        "REDIS_RETRY_ATTEMPTS": "0",
        "REDIS_RETRY_DELAY": "50",
        "DEFAULT_CACHE_TTL": "60",
        "MAX_CACHE_KEY_LENGTH": "100",
        "CACHE_COMPRESSION_ENABLED": "false",
        "CACHE_ENABLED": "0",
        "CACHE_L1_MAX_BYTES": str(MiB),
        "CACHE_MAX_VALUE_BYTES": str(MiB),
        "CACHE_ON_UNAVAILABLE": "Raise",
        "CACHE_DEGRADED_TTL": "5",
        "CACHE_ON_RESTART": "replay",
        "REDIS_MAX_CONNECTION_AGE": "1200",
        "REDIS_SENTINEL_PROOF": "no",
    }
    assert {variable.name for variable in VARIABLES} == {*environ, "REDIS_URL"}
    assert config(**environ) == RedisConfig(
        address=Address(
            kind="tls",
            host="cache",
            port=7000,
            username="alice",
            password=Secret(PASSWORD),
            db=3,
            tls=TlsFiles("ca.pem", "cert.pem", "key.pem", verify=False),
        ),
        key_prefix="shop:",
        connect_timeout=2.0,
        command_timeout=1.5,
        stall_timeout=0.25,
        retry_attempts=0,
        retry_delay=0.05,
        ttl=60.0,
        max_cache_key_length=100,
        compression_enabled=False,
        enabled=False,
        l1_max_bytes=MiB,
        max_value_bytes=MiB,
        on_unavailable="raise",
        degraded_ttl=5.0,
        on_restart="replay",
        max_connection_age=1200.0,
        sentinel_proof=False,
    )


def test_the_process_environment_is_read_without_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_DB", "9")
    monkeypatch.setenv("REDIS_HOST", "cache")
    assert CacheSettings.from_env().db == 9
    assert environment_names_a_server()
    monkeypatch.delenv("REDIS_HOST")
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert not environment_names_a_server()


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("REDIS_CONNECT_TIMEOUT", "2s", "connect_timeout_ms", 2000),
        ("REDIS_STALL_TIMEOUT", " 1.5 ", "stall_timeout_ms", 1.5),
        ("DEFAULT_CACHE_TTL", "10m", "default_cache_ttl", 600),
        ("DEFAULT_CACHE_TTL", "inf", "default_cache_ttl", math.inf),
        ("DEFAULT_CACHE_TTL", "0.5", "default_cache_ttl", 0.5),
        ("REDIS_MAX_CONNECTION_AGE", "20m", "max_connection_age", 1200),
        ("REDIS_MAX_CONNECTION_AGE", "0", "max_connection_age", math.inf),
        ("REDIS_MAX_CONNECTION_AGE", "inf", "max_connection_age", math.inf),
        ("CACHE_ENABLED", "ON", "enabled", True),
        ("CACHE_ENABLED", " False", "enabled", False),
        ("REDIS_PORT", " 7000 ", "port", 7000),
        ("REDIS_HOST", " cache ", "host", "cache"),
        ("REDIS_KEY_PREFIX", "", "key_prefix", ""),
        ("REDIS_KEY_PREFIX", "a b:", "key_prefix", "a b:"),
        ("REDIS_PASSWORD", " x ", "password", Secret(" x ")),
    ],
)
def test_values_are_read_leniently_where_nothing_is_lost(name: str, text: str, field: str, value: object) -> None:
    assert getattr(CacheSettings.from_env({name: text}), field) == value


@pytest.mark.parametrize("name", [variable.name for variable in VARIABLES if variable.field != "key_prefix"])
@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_counts_as_unset(name: str, text: str) -> None:
    assert CacheSettings.from_env({name: text}) == CacheSettings()


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("REDIS_PORT", "redis", "an integer from 1 to 65535"),
        ("REDIS_PORT", "0", "an integer from 1 to 65535"),
        ("REDIS_PORT", "65536", "an integer from 1 to 65535"),
        ("REDIS_PORT", "63.79", "an integer from 1 to 65535"),
        ("REDIS_PORT", "9" * 5000, "an integer from 1 to 65535"),
        ("REDIS_PORT", "tcp://10.0.0.1:6379", "an integer from 1 to 65535; Kubernetes"),
        ("REDIS_DB", "-1", "an integer from 0 to 2147483647"),
        (
            "REDIS_CONNECT_TIMEOUT",
            "soon",
            "milliseconds such as 500, or text such as '2s', from 1 to 86400000 milliseconds",
        ),
        ("REDIS_CONNECT_TIMEOUT", "0", "milliseconds"),
        ("REDIS_COMMAND_TIMEOUT", "-5", "milliseconds"),
        ("REDIS_STALL_TIMEOUT", "nan", "milliseconds"),
        ("REDIS_RETRY_DELAY", "inf", "milliseconds"),
        ("REDIS_RETRY_ATTEMPTS", "101", "an integer from 0 to 100"),
        ("DEFAULT_CACHE_TTL", "0", "seconds such as 3600, 'inf', or text such as '10m'"),
        ("DEFAULT_CACHE_TTL", "1e12", "seconds such as 3600"),
        ("DEFAULT_CACHE_TTL", "9999999999", "from 0.001 to 3153600000 seconds (a hundred years)"),
        ("DEFAULT_CACHE_TTL", "for ever", "seconds such as 3600"),
        ("MAX_CACHE_KEY_LENGTH", "63", "an integer from 64 to 1048576"),
        ("CACHE_COMPRESSION_ENABLED", "maybe", "one of true, 1, yes, on, false, 0, no, off"),
        ("CACHE_ENABLED", "2", "one of true"),
        ("REDIS_TLS_VERIFY", "none", "one of true"),
        ("CACHE_L1_MAX_BYTES", "1", "an integer from 65536"),
        ("REDIS_MAX_CONNECTION_AGE", "0.5", "seconds such as 600, or text such as '10m', from 1 up; 0 and 'inf'"),
        ("REDIS_MAX_CONNECTION_AGE", "never", "seconds such as 600"),
        ("REDIS_SENTINEL_PROOF", "maybe", "one of true"),
        ("CACHE_ON_UNAVAILABLE", "fail", "degrade or raise"),
        ("CACHE_ON_RESTART", "flush", "epoch or replay or trust"),
        ("CACHE_MAX_VALUE_BYTES", "1G", "an integer from 1024 to 536870912"),
        ("REDIS_KEY_PREFIX", "a\nb", "control characters"),
    ],
)
def test_a_bad_value_names_the_variable_the_value_and_what_is_allowed(name: str, text: str, allowed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CacheSettings.from_env({name: text})
    message = str(caught.value)
    assert message.startswith(f"{name}=")
    assert text[:6] in message or repr(text)[1:6] in message
    assert allowed in message
    assert len(message) < 300


@pytest.mark.parametrize("name", ["REDIS_PORT", "REDIS_STALL_TIMEOUT", "CACHE_ENABLED", "DEFAULT_CACHE_TTL"])
def test_a_url_with_a_password_in_the_wrong_variable_is_not_shown(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CacheSettings.from_env({name: "redis://:sesame@host:6379"})
    assert name in str(caught.value)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("a b", "REDIS_HOST must be a name or an IP address, not 'a b'"),
        (f"redis://:{PASSWORD}@cache:6379", "REDIS_HOST must be a name or an IP address; a URL goes into REDIS_URL"),
        (f":{PASSWORD}@cache", "a URL goes into REDIS_URL"),
        (f"cache/{PASSWORD}", "a URL goes into REDIS_URL"),
        ("/run/redis.sock", "a URL goes into REDIS_URL"),
        ("cache:6379", "REDIS_HOST must be a name or an IP address; a port goes into REDIS_PORT"),
        (f"alice:{PASSWORD}", "a port goes into REDIS_PORT"),
        ("[::1]", "REDIS_HOST must be a name or an IP address; an IPv6 address stands here without brackets"),
        ("[::1]:6379", "a port goes into REDIS_PORT"),
    ],
)
def test_a_host_is_a_host_and_nothing_else(host: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config(REDIS_HOST=host)
    assert said in str(caught.value)
    assert str(caught.value).startswith("REDIS_HOST ")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(ConfigurationError, match=r"^host must be a name or an IP address"):
        CacheSettings(host=host).to_config()


@pytest.mark.parametrize(
    "host", ["cache", "cache.internal.", "10.0.0.1", "::1", "fe80::1%eth0", "redis_1", "bücher.de"]
)
def test_names_and_addresses_are_hosts(host: str) -> None:
    assert config(REDIS_HOST=host).address.host == host


@pytest.mark.parametrize("url", [None, "rediss://cache"])
def test_a_key_file_without_a_certificate_names_the_variables(url: str | None) -> None:
    environ = {"REDIS_TLS_KEY_FILE": "key.pem"} | ({} if url is None else {"REDIS_URL": url})
    with pytest.raises(ConfigurationError, match=r"^REDIS_TLS_KEY_FILE needs REDIS_TLS_CERT_FILE"):
        config(**environ)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{PASSWORD}@cache:port",
        f"redis://:x/{PASSWORD}@cache",
        f"http://:{PASSWORD}@cache",
        f"{PASSWORD}@cache",
    ],
)
def test_a_bad_url_is_named_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL: ") as caught:
        config(REDIS_URL=url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_settings_never_show_a_password(caplog: pytest.LogCaptureFixture) -> None:
    found = CacheSettings.from_env(
        {"REDIS_PASSWORD": PASSWORD, "REDIS_URL": f"redis://:{PASSWORD}@cache", "REDIS_HOST": "other"}
    )
    assert PASSWORD not in f"{found} {found!r} {found.to_config()}"
    assert PASSWORD not in caplog.text


def test_variables_of_others_are_left_alone() -> None:
    assert (
        CacheSettings.from_env({"REDIS_SENTINELS": "x", "CACHE_DIR": "/x", "REDIS_PORT_6379_TCP": "tcp://x"})
        == CacheSettings()
    )


# --- REDIS_URL beside single variables


def test_the_url_wins_and_a_contradiction_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    environ = {
        "REDIS_URL": f"redis://alice:{PASSWORD}@cache:7000/2",
        "REDIS_HOST": "other",
        "REDIS_PORT": "7001",
        "REDIS_DB": "3",
        "REDIS_USERNAME": "bob",
        "REDIS_PASSWORD": "another" + PASSWORD,
    }
    expected = Address(host="cache", port=7000, username="alice", password=Secret(PASSWORD), db=2)
    assert config(**environ).address == expected
    assert messages(caplog) == [
        f"REDIS_{part} is ignored: it contradicts REDIS_URL, which wins"
        for part in ("HOST", "PORT", "USERNAME", "PASSWORD", "DB")
    ]
    assert PASSWORD not in caplog.text
    caplog.clear()
    assert config(**environ).address == expected
    assert messages(caplog) == []


def test_what_agrees_with_the_url_is_no_contradiction(caplog: pytest.LogCaptureFixture) -> None:
    config(
        REDIS_URL="redis://a:b@cache:7000/2",
        REDIS_HOST="cache",
        REDIS_PORT="7000",
        REDIS_DB="2",
        REDIS_USERNAME="a",
        REDIS_PASSWORD="b",
        REDIS_KEY_PREFIX="shop:",
    )
    assert messages(caplog) == []


def test_an_explicit_default_contradicts_too(caplog: pytest.LogCaptureFixture) -> None:
    assert config(REDIS_URL="redis://cache", REDIS_HOST="localhost").address.host == "cache"
    assert messages(caplog) == ["REDIS_HOST is ignored: it contradicts REDIS_URL, which wins"]


def test_the_url_takes_credentials_db_and_tls_files_from_variables_where_it_has_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    address = config(
        REDIS_URL="rediss://cache?tls_verify=no&tls_ca_file=url.pem",
        REDIS_USERNAME="a",
        REDIS_PASSWORD="b",
        REDIS_DB="3",
        REDIS_TLS_CA_FILE="variable.pem",
        REDIS_TLS_CERT_FILE="cert.pem",
        REDIS_TLS_VERIFY="yes",
    ).address
    assert address == Address(
        kind="tls",
        host="cache",
        username="a",
        password=Secret("b"),
        db=3,
        tls=TlsFiles("url.pem", "cert.pem", verify=False),
    )
    assert messages(caplog) == []


def test_sentinels_take_both_logins_from_variables_where_the_url_has_none(caplog: pytest.LogCaptureFixture) -> None:
    logins = {"REDIS_PASSWORD": "a", "REDIS_SENTINEL_USERNAME": "bob", "REDIS_SENTINEL_PASSWORD": PASSWORD}
    address = config(REDIS_URL="redis+sentinel://h1/mymaster?sentinel_username=bob", REDIS_DB="2", **logins).address
    assert address == Address(
        kind="sentinel",
        hosts=(("h1", 26379),),
        sentinel=Sentinels("mymaster", "bob", Secret(PASSWORD)),
        password=Secret("a"),
        db=2,
    )
    assert messages(caplog) == []
    stated = "redis+sentinel://h1/mymaster?sentinel_password=other"
    assert config(REDIS_URL=stated, **logins).address.sentinel == Sentinels("mymaster", "bob", Secret("other"))
    assert messages(caplog) == ["REDIS_SENTINEL_PASSWORD is ignored: it contradicts REDIS_URL, which wins"]


@pytest.mark.parametrize("url", ["", "redis://cache", "redis+cluster://cache"])
def test_a_login_at_sentinels_is_of_no_use_without_them(caplog: pytest.LogCaptureFixture, url: str) -> None:
    assert config(REDIS_URL=url, REDIS_SENTINEL_PASSWORD=PASSWORD).address.sentinel is None
    assert [message.split(":")[0] for message in messages(caplog)] == ["REDIS_SENTINEL_* is ignored"]


def test_a_cluster_has_no_other_db() -> None:
    assert config(REDIS_URL="redis+cluster://h1,h2", REDIS_DB="0").address.hosts == (("h1", 6379), ("h2", 6379))
    with pytest.raises(ConfigurationError, match="a cluster has the db 0 alone, not 2"):
        config(REDIS_URL="redis+cluster://h1,h2", REDIS_DB="2")


def test_the_place_is_the_urls_alone(caplog: pytest.LogCaptureFixture) -> None:
    assert config(REDIS_URL="redis://cache", REDIS_PORT="7000").address == Address(host="cache")
    assert config(REDIS_URL="unix:///x", REDIS_HOST="other", REDIS_DB="1").address == Address(
        kind="unix", path="/x", db=1
    )
    assert config(REDIS_URL="memory://", REDIS_PASSWORD="x").address == Address(kind="memory")
    assert {message.split()[0] for message in messages(caplog)} == {"REDIS_PORT", "REDIS_HOST", "REDIS_PASSWORD"}


def test_a_url_without_tls_says_that_it_ignores_the_files(caplog: pytest.LogCaptureFixture) -> None:
    assert config(REDIS_URL="redis://cache", REDIS_TLS_CA_FILE="ca.pem").address.kind == "tcp"
    assert messages(caplog) == [
        "the REDIS_TLS_* files are ignored: REDIS_URL is without TLS; with TLS it begins with rediss://"
    ]


def test_tls_verify_alone_does_not_turn_tls_on() -> None:
    assert config(REDIS_TLS_VERIFY="true").address.kind == "tcp"


def test_the_port_that_kubernetes_sets_does_not_disturb_a_url(caplog: pytest.LogCaptureFixture) -> None:
    assert config(REDIS_URL="redis://cache", REDIS_PORT="tcp://10.0.0.1:6379").address == Address(host="cache")
    assert messages(caplog) == []


def test_settings_made_in_python_know_contradictions_too(caplog: pytest.LogCaptureFixture) -> None:
    made = CacheSettings(url=Secret("redis://cache"), host="other", connect_timeout_ms=20)
    assert made.to_config().address.host == "cache"
    assert made.to_config().connect_timeout == 0.02
    assert len(messages(caplog)) == 1


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, False),
        ({"REDIS_URL": "redis://"}, True),
        ({"REDIS_HOST": "cache"}, True),
        ({"REDIS_HOST": " "}, False),
        ({"REDIS_PORT": "1"}, False),
    ],
)
def test_a_server_is_named_by_url_or_host(environ: dict[str, str], named: bool) -> None:
    assert environment_names_a_server(environ) is named
