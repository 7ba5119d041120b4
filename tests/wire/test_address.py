from __future__ import annotations

import copy
import dataclasses
import enum
import pickle
import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis.errors import ArgumentTypeError, ConfigurationError
from pika_redis.model.secret import Secret
from pika_redis.testing.server import EmbeddedServer
from pika_redis.wire.address import Address, Sentinels, TlsFiles, parse_url

PASSWORD = "hunter2SECRET"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", Address()),
        ("redis://cache", Address(host="cache")),
        ("redis://cache:7000", Address(host="cache", port=7000)),
        ("redis://cache:/", Address(host="cache")),
        ("redis://cache:7000/3", Address(host="cache", port=7000, db=3)),
        ("redis://cache/3/", Address(host="cache", db=3)),
        ("redis://cache/2147483647", Address(host="cache", db=2147483647)),
        ("redis://cache?db=3", Address(host="cache", db=3)),
        ("redis://cache/3?db=3", Address(host="cache", db=3)),
        ("redis://:pw@cache", Address(host="cache", password=Secret("pw"))),
        ("redis://alice:pw@cache", Address(host="cache", username="alice", password=Secret("pw"))),
        ("redis://alice@cache", Address(host="cache", username="alice")),
        ("redis://alice:@cache", Address(host="cache", username="alice")),
        ("redis://@cache", Address(host="cache")),
        ("redis://a%3Ab:p%40%2F%3F%23%25+@cache", Address(host="cache", username="a:b", password=Secret("p@/?#%+"))),
        ("redis://:p@w@cache", Address(host="cache", password=Secret("p@w"))),
        ("redis://cache?username=a&password=p%40", Address(host="cache", username="a", password=Secret("p@"))),
        ("redis://[::1]", Address(host="::1")),
        ("redis://[::1]:7000/1", Address(host="::1", port=7000, db=1)),
        ("redis://[fe80::1%25eth0]:7000", Address(host="fe80::1%eth0", port=7000)),
        ("redis://127.0.0.1:7000", Address(host="127.0.0.1", port=7000)),
        ("REDIS://Cache", Address(host="Cache")),
        ("  redis://cache\n", Address(host="cache")),
        ("valkey://cache", Address(host="cache")),
        ("rediss://cache", Address(kind="tls", host="cache", tls=TlsFiles())),
        ("valkeys://cache", Address(kind="tls", host="cache", tls=TlsFiles())),
        (
            "rediss://cache?tls_ca_file=/etc/ca%20x.pem&tls_cert_file=c&tls_key_file=k&tls_verify=no",
            Address(kind="tls", host="cache", tls=TlsFiles("/etc/ca x.pem", "c", "k", verify=False)),
        ),
        ("unix:///run/redis.sock", Address(kind="unix", path="/run/redis.sock")),
        ("unix:///run/my%20redis.sock?db=1", Address(kind="unix", path="/run/my redis.sock", db=1)),
        ("unix:///run/user@1/redis.sock", Address(kind="unix", path="/run/user@1/redis.sock")),
        ("unix://a:pw@/run/r.sock", Address(kind="unix", path="/run/r.sock", username="a", password=Secret("pw"))),
        (
            "redis+sentinel://h1/mymaster",
            Address(kind="sentinel", hosts=(("h1", 26379),), sentinel=Sentinels("mymaster")),
        ),
        (
            "redis+sentinel://a:p%40@h1:1,[::1]:2,[::2],h4/my-master.1/3",
            Address(
                kind="sentinel",
                hosts=(("h1", 1), ("::1", 2), ("::2", 26379), ("h4", 26379)),
                sentinel=Sentinels("my-master.1"),
                username="a",
                password=Secret("p@"),
                db=3,
            ),
        ),
        (
            "valkeys+sentinel://h1/m?db=2&sentinel_username=bob&sentinel_password=p%2C&tls_ca_file=ca",
            Address(
                kind="sentinel",
                hosts=(("h1", 26379),),
                sentinel=Sentinels("m", "bob", Secret("p,")),
                db=2,
                tls=TlsFiles("ca"),
            ),
        ),
        ("redis+sentinel://h1,h1:26379/m/", Address(kind="sentinel", hosts=(("h1", 26379),), sentinel=Sentinels("m"))),
        ("redis+cluster://h1", Address(kind="cluster", hosts=(("h1", 6379),))),
        ("valkey+cluster://h1,h2:7000/0", Address(kind="cluster", hosts=(("h1", 6379), ("h2", 7000)))),
        (
            "rediss+cluster://:p,w@[::1]:7000,h2/",
            Address(kind="cluster", hosts=(("::1", 7000), ("h2", 6379)), password=Secret("p,w"), tls=TlsFiles()),
        ),
        ("memory://", Address(kind="memory")),
        ("embedded://", Address(kind="embedded")),
    ],
)
def test_urls_name_addresses(url: str, address: Address) -> None:
    assert parse_url(url) == address


@given(st.text(min_size=1), st.text(min_size=1), st.integers(1, 65535), st.integers(0, 2**31 - 1))
def test_percent_encoded_credentials_come_back(username: str, password: str, port: int, db: int) -> None:
    address = parse_url(f"redis://{quote(username, safe='')}:{quote(password, safe='')}@cache:{port}/{db}")
    assert address == Address(host="cache", port=port, username=username, password=Secret(password), db=db)


def test_an_embedded_servers_url_is_understood(server: EmbeddedServer) -> None:
    address = parse_url(server.url)
    assert (address.host, address.port, address.kind) == (server.host, server.port, "tcp")


@pytest.mark.parametrize(
    ("url", "stated"),
    [
        ("redis://", set[str]()),
        ("redis://cache/", {"host"}),
        ("redis://a:b@cache:1/0", {"host", "port", "username", "password", "db"}),
        ("rediss://cache?tls_verify=1", {"host", "tls", "tls_verify"}),
        ("unix:///x?db=0", {"path", "db"}),
        ("redis+sentinel://h/m/1?sentinel_password=x", {"hosts", "sentinel", "sentinel_password", "db"}),
    ],
)
def test_an_address_knows_which_parts_its_url_spelled_out(url: str, stated: set[str]) -> None:
    assert parse_url(url).stated == stated


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("cache:6379", "must begin with one of redis://"),
        ("", "must begin with one of redis://"),
        ("redis", "must begin with one of redis://"),
        ("http://cache", "scheme 'http' is unknown"),
        ("redis:/cache", "no readable scheme"),
        ("redis+sentinels://cache/m", "no readable scheme"),
        ("valkeyx://cache", "no readable scheme"),
        ("redis+sentinel://h1,h2", "must name the master that the sentinels watch"),
        ("redis+sentinel://h1,h2/?db=1", "must name the master that the sentinels watch"),
        ("redis+sentinel:///mymaster", "must name its hosts"),
        ("redis+sentinel://h1,,h2/mymaster", "must name its hosts"),
        ("redis+sentinel://h1:0/mymaster", "port of the server URL must be from 1 to 65535"),
        ("redis+sentinel://h1:x/mymaster", "the port a number"),
        ("redis+sentinel://h1%2C/mymaster", "host must be a name"),
        ("redis+sentinel://h1/my%20master", "letters, digits"),
        ("redis+sentinel://h1/" + "m" * 129, "1 to 128 letters"),
        ("redis+sentinel://h1/m/x", "db of the server URL must be a number from 0"),
        ("redis+sentinel://h1/m/1/2", "db of the server URL must be a number from 0"),
        ("redis+sentinel://h1/m?tls_verify=no", "needs rediss://"),
        ("redis+cluster://h1,h2/1", "db of the URL of a cluster must be 0"),
        ("redis+cluster://h1,h2?db=1", "db of the URL of a cluster must be 0"),
        ("redis+cluster://", "must name its hosts"),
        ("redis+cluster://h1,", "must name its hosts"),
        ("redis+cluster://h1?sentinel_username=a", r"option 'sentinel_username' .* needs redis\+sentinel://"),
        ("redis://h1?sentinel_password=a", r"option 'sentinel_password' .* needs redis\+sentinel://"),
        ("redis://h1,h2", r"several hosts .* need redis\+sentinel:// or redis\+cluster://"),
        ("redis://cache:0", "port of the server URL must be from 1 to 65535"),
        ("redis://cache:65536", "port of the server URL must be from 1 to 65535"),
        ("redis://cache:" + "9" * 10_000, "port of the server URL must be from 1 to 65535"),
        ("redis://cache:port", "the port a number"),
        ("redis://[::1", r"\[IPv6\]:port"),
        ("redis://[cache]", r"\[IPv6\]:port"),
        ("redis://::1", r"\[IPv6\]:port"),
        ("redis://cache/first", "db of the server URL must be a number from 0"),
        ("redis://cache/-1", "db of the server URL must be a number from 0"),
        ("redis://cache/2147483648", "db of the server URL must be a number from 0"),
        ("redis://cache/" + "9" * 5000, "db of the server URL must be a number from 0"),
        ("redis://cache/\u0661", "db of the server URL must be a number from 0"),
        ("redis://cache/1/2", "db of the server URL must be a number from 0"),
        ("redis://cache/1?db=2", "two different db numbers"),
        ("redis://cache?db=1&db=1", "option 'db' of the server URL is given twice"),
        ("redis://cache?timeout=1", "option 1 of the server URL is unknown; allowed are db, username"),
        ("redis://cache?db=1&db", "option 2 of the server URL is unknown"),
        ("redis://cache%2F", "host must be a name"),
        ("redis://[::1%25a%20b]", r"\[IPv6\]:port"),
        ("redis://cache?tls_verify=no", "option 'tls_verify' of the server URL needs rediss://"),
        ("rediss://cache?tls_verify=maybe", "tls_verify of the server URL must be one of true"),
        ("rediss://cache?tls_key_file=k", "tls_key_file needs tls_cert_file"),
        ("redis://a:b@cache?password=c", "gives the password twice"),
        ("redis://a:%ff@cache", "password of the server URL must be UTF-8"),
        ("redis://ca che", "white space"),
        ("redis://cache#1", "percent-encode"),
        ("unix://run/redis.sock", "unix:///run/redis.sock"),
        ("unix://", "unix:///run/redis.sock"),
        ("memory://cache", "memory:// takes nothing after it"),
        ("embedded://?db=1", "embedded:// takes nothing after it"),
    ],
)
def test_a_bad_url_is_refused_with_the_part_and_what_is_allowed(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        parse_url(url)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://a:{PASSWORD}",
        f"redis://a:{PASSWORD}:6379",
        f"redis://:{PASSWORD}@cache:port",
        f"redis://:{PASSWORD}@[cache]",
        f"redis://:{PASSWORD}@cache:99999",
        f"redis://:{PASSWORD}@cache/first",
        f"redis://:x/{PASSWORD}@cache",
        f"redis://:12/{PASSWORD}@cache",
        f"redis://:{PASSWORD}/x@cache",
        f"redis://:x?{PASSWORD}@cache",
        f"redis://:12?{PASSWORD}=1@cache",
        f"redis://:x#{PASSWORD}@cache",
        f"redis://:%ff{PASSWORD}@cache",
        f"redis://:{PASSWORD} @cache",
        f"redis://cache?password={PASSWORD}&password=x",
        f"redis://cache?pasword={PASSWORD}",
        f"redis://cache?{PASSWORD}",
        f"redis://cache?password=x&{PASSWORD}",
        f"redis://cache?password=x&{PASSWORD.lower()}",
        f"redis://cache?password=x&{PASSWORD.lower()}=y",
        f"redis://user%3A{PASSWORD}%40cache",
        f"redis://user:{PASSWORD}%40cache",
        f"{PASSWORD.lower()}://cache",
        f"redis://cache/{PASSWORD}",
        f"redis://cache?db={PASSWORD}",
        f"rediss://cache?tls_verify={PASSWORD}",
        f"unix://:{PASSWORD}@",
        f"unix://:{PASSWORD}/x@/run/redis.sock",
        f"memory://{PASSWORD}",
        f"redis+sentinel://:{PASSWORD}@cache",
        f"redis+sentinel://:{PASSWORD}@cache:x,other/m",
        f"redis+sentinel://user:{PASSWORD},h2/m",
        f"redis+sentinel://user:12/+{PASSWORD}",
        f"redis+sentinel://h1/m/{PASSWORD}",
        f"redis+sentinel://h1/m?sentinel_pasword={PASSWORD}",
        f"redis+sentinel://h1/m?sentinel_password=x&{PASSWORD}",
        f"redis+sentinel://h1/m?sentinel_password=%ff{PASSWORD}",
        f"redis+sentinel://h1/m?sentinel_password={PASSWORD}&sentinel_password=x",
        f"redis://h1?sentinel_password={PASSWORD}",
        f"redis+cluster://:{PASSWORD}@h1,h2/1",
        f"redis+cluster://user:{PASSWORD},h2",
        f"redis+cluster://h1/{PASSWORD}",
        f"http://:{PASSWORD}@cache",
        f":{PASSWORD}@cache",
        f":{PASSWORD}@cache://",
    ],
)
def test_no_error_shows_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    error: BaseException | None = caught.value
    assert error is not None
    assert PASSWORD.lower() not in "".join(traceback.format_exception(error)).lower()
    while error is not None:  # the chain that an error tracker walks
        assert PASSWORD.lower() not in repr(error).lower()
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "rest", ["ab&sesame", "ab&sesame_open", "ab&db=1&sesame=open", "ab&sesame&sesame", "ab&db&sesame"]
)
def test_what_follows_an_ampersand_in_a_password_is_not_shown(rest: str) -> None:
    with pytest.raises(ConfigurationError, match="'&' must be percent-encoded: %26") as caught:
        parse_url(f"redis://cache?password={rest}")
    assert "sesame" not in "".join(traceback.format_exception(caught.value))


def test_an_address_never_shows_its_password() -> None:
    address = parse_url(f"redis://alice:{PASSWORD}@cache:7000/2")
    shown = f"{address} {address!r} {dataclasses.asdict(address)} {copy.deepcopy(address)} {vars(type(address))}"
    assert PASSWORD not in shown
    assert str(address) == "redis://alice:***@cache:7000/2"
    with pytest.raises(TypeError):
        pickle.dumps(address)
    assert address.password is not None
    assert address.password.reveal() == PASSWORD
    sentinel = parse_url(f"redis+sentinel://:{PASSWORD}@h1/m?sentinel_password={PASSWORD}")
    assert PASSWORD not in f"{sentinel} {sentinel!r} {dataclasses.asdict(sentinel)} {copy.deepcopy(sentinel)}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://", "redis://localhost:6379/0"),
        ("rediss://:pw@[::1]", "rediss://:***@[::1]:6379/0"),
        ("unix://a@/run/x?db=2", "unix://a@/run/x?db=2"),
        ("valkey+sentinel://a:b@h1,[::1]:1/m/2", "redis+sentinel://a:***@h1:26379,[::1]:1/m/2"),
        ("valkeys+sentinel://h1/m", "rediss+sentinel://h1:26379/m/0"),
        ("redis+cluster://:pw@h1,h2:1", "redis+cluster://:***@h1:6379,h2:1/0"),
        ("rediss+cluster://h1", "rediss+cluster://h1:6379/0"),
        ("memory://", "memory://"),
        ("embedded://", "embedded://"),
    ],
)
def test_an_address_reads_as_a_url(url: str, shown: str) -> None:
    assert str(parse_url(url)) == shown


@pytest.mark.parametrize(
    ("parts", "error", "problem"),
    [
        ({"host": ""}, ConfigurationError, "host must be a name"),
        ({"host": "a b"}, ConfigurationError, "host must be a name"),
        ({"host": f"redis://:{PASSWORD}@cache"}, ConfigurationError, "host must be a name"),
        ({"host": f"{PASSWORD}@cache"}, ConfigurationError, "host must be a name"),
        ({"host": f"cache:{PASSWORD}"}, ConfigurationError, "host must be a name"),
        ({"host": "cache:6379"}, ConfigurationError, "host must be a name"),
        ({"host": "\ud800"}, ConfigurationError, "host must be encodable as UTF-8"),
        ({"username": "\ud800"}, ConfigurationError, "username must be encodable as UTF-8"),
        ({"password": Secret("\ud800" + PASSWORD)}, ConfigurationError, "password must be encodable as UTF-8"),
        ({"db": True}, ArgumentTypeError, "db must be an int, not bool"),
        ({"host": None}, ArgumentTypeError, "host must be a str, not NoneType"),
        ({"port": "6379"}, ArgumentTypeError, "port must be an int, not str"),
        ({"port": True}, ArgumentTypeError, "port must be an int, not bool"),
        ({"port": 0}, ConfigurationError, "port must be from 1 to 65535, not 0"),
        ({"db": -1}, ConfigurationError, "db must be from 0 to 2147483647, not -1"),
        ({"username": b"a"}, ArgumentTypeError, "username must be a str, not bytes"),
        ({"password": PASSWORD}, ArgumentTypeError, "password must be a Secret here, not str"),
        ({"kind": "tls"}, ConfigurationError, "this one is 'tls'"),
        ({"kind": "unix"}, ConfigurationError, "this one is 'unix'"),
        ({"path": "/x"}, ConfigurationError, "this one is 'tcp'"),
        ({"tls": TlsFiles()}, ConfigurationError, "this one is 'tcp'"),
        ({"hosts": (("h", 1),)}, ConfigurationError, "this one is 'tcp'"),
        ({"sentinel": Sentinels("m")}, ConfigurationError, "this one is 'tcp'"),
        ({"kind": "sentinel", "hosts": (("h", 1),)}, ConfigurationError, "this one is 'sentinel'"),
        ({"kind": "sentinel", "sentinel": Sentinels("m")}, ConfigurationError, "this one is 'sentinel'"),
        ({"kind": "cluster"}, ConfigurationError, "this one is 'cluster'"),
        ({"kind": "cluster", "hosts": (("h", 1),), "db": 1}, ConfigurationError, "a cluster has the db 0 alone, not 1"),
        ({"kind": "cluster", "hosts": ((f"{PASSWORD}@h", 1),)}, ConfigurationError, "host must be a name"),
        ({"kind": "cluster", "hosts": (("h", 0),)}, ConfigurationError, "port must be from 1 to 65535, not 0"),
    ],
)
def test_an_address_checks_its_parts(parts: dict[str, object], error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem) as caught:
        Address(**parts)  # type: ignore[arg-type]
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (("",), "name of the master"),
        (("my master",), "name of the master"),
        (("m", b"a"), "sentinel_username must be a str, not bytes"),
        (("m", "a", PASSWORD), "sentinel_password must be a Secret here, not str"),
        (("m", "a", Secret("\ud800" + PASSWORD)), "sentinel_password must be encodable as UTF-8"),
    ],
)
def test_what_sentinels_are_asked_for_is_checked(parts: tuple[object, ...], problem: str) -> None:
    with pytest.raises((ConfigurationError, ArgumentTypeError), match=problem) as caught:
        Sentinels(*parts)  # type: ignore[arg-type]
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


class Number(enum.IntEnum):
    ONE = 1


def test_numbers_of_an_address_are_plain() -> None:
    address = Address(port=Number.ONE, db=Number.ONE)
    assert (type(address.port), type(address.db)) == (int, int)
    assert str(address) == "redis://localhost:1/1"


@pytest.mark.parametrize(
    "host", ["::1", "fe80::1%eth0", "::ffff:1.2.3.4", "cache-1.example_x.org", "пример", "10.0.0.1"]
)
def test_a_name_or_an_address_of_either_kind_is_a_host(host: str) -> None:
    assert Address(host=host).host == host


def test_an_address_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Address().host = "other"  # type: ignore[misc]


def test_only_text_is_a_url() -> None:
    with pytest.raises(ArgumentTypeError, match="must be a str, not int"):
        parse_url(6379)  # type: ignore[arg-type]
