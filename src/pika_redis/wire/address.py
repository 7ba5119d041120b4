"""Where a server is and how to log in, and the URLs that say so. Pure: nothing is opened here.

Forms: ``redis://[[user]:password@]host[:port][/db]``, ``unix://[[user]:password@]/path``,
``redis+sentinel://[[user]:password@]host[:port],host.../master[/db]``,
``redis+cluster://[[user]:password@]host[:port],host...``, ``memory://`` and ``embedded://``; ``rediss`` in place of
``redis`` for TLS, ``valkey`` and ``valkeys`` as other names of the two. Options after ``?`` are those of `OPTIONS`.

A URL may hold a password anywhere once it is mistyped: a ``/`` in it ends the host, a ``:`` makes it a port, a ``&``
begins an option. So an error says which part is wrong and what is allowed, and quotes nothing of the URL but names that
are known here; none is raised while another one that quotes is being handled. For the same reason a host is only what
can be one, and a master's name only what Sentinel's documentation allows: both are shown later.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import unquote_to_bytes

from ..errors import ArgumentTypeError, ConfigurationError
from ..model.flag import FLAG_WORDS, to_flag
from ..model.secret import Secret

__all__ = ["LOGIN_KINDS", "Address", "AddressKind", "HostPort", "Sentinels", "TlsFiles", "parse_url"]

AddressKind: TypeAlias = Literal["tcp", "tls", "unix", "sentinel", "cluster", "memory", "embedded"]
HostPort: TypeAlias = tuple[str, int]

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 6379
SENTINEL_PORT = 26379
MAX_DB = 2**31 - 1
LOGIN_KINDS: frozenset[AddressKind] = frozenset({"tcp", "tls", "unix", "sentinel", "cluster"})
"""Those that have somebody to log in at."""

_SEVERAL = ("sentinel", "cluster")  # kinds that have several hosts, with TLS or without
_KINDS: Mapping[str, AddressKind] = {
    "redis": "tcp",
    "rediss": "tls",
    "unix": "unix",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
    "memory": "memory",
    "embedded": "embedded",
}
_TLS_OPTIONS = ("tls_ca_file", "tls_cert_file", "tls_key_file", "tls_verify")
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
OPTIONS = ("db", "username", "password", *_TLS_OPTIONS, *_SENTINEL_OPTIONS)
_OTHER_SCHEMES = ("http", "https", "tcp", "tls", "socket", "redis+socket", "redis+unix", "redis+tls")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[0-9]*))?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f#]")
_ZONE = re.compile(r"[A-Za-z0-9._~-]{1,32}")
_NO_HOST = re.compile(r"[\x00-\x20\x7f#@/?:%,\\]|\A\Z")
_MASTER = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What TLS is set up from: PEM files, and whether the server's certificate and name are checked."""

    ca_file: str | None = None
    """Trusted authorities; None for those of the operating system."""
    cert_file: str | None = None
    """Our own certificate, for servers that ask for one."""
    key_file: str | None = None
    """Its key; None where the certificate's file holds it."""
    verify: bool = True

    def __post_init__(self) -> None:
        if self.key_file and not self.cert_file:
            raise ConfigurationError("tls_key_file needs tls_cert_file, the certificate that the key belongs to")


@dataclass(frozen=True, slots=True)
class Sentinels:
    """What sentinels are asked for, and the login there, which has nothing to do with that at the servers."""

    master: str
    """The name under which they watch the primary and its replicas."""
    username: str | None = None
    password: Secret | None = None

    def __post_init__(self) -> None:
        _check_login(self.username, self.password, "sentinel_")
        _check_text("the master's name", self.master)
        if not _MASTER.fullmatch(self.master):
            raise ConfigurationError(
                "the name of the master that the sentinels watch must be 1 to 128 letters, digits and '.', '_', '-'"
            )


@dataclass(frozen=True, slots=True)
class Address:
    """One server, several that belong together, or a store that needs none (`memory`; `embedded` until it is started).

    Raises ConfigurationError or ArgumentTypeError for a part that makes no sense. Never shows its passwords.
    """

    kind: AddressKind = "tcp"
    host: str = DEFAULT_HOST
    """With `port` the server's, of the kinds ``tcp`` and ``tls`` alone."""
    port: int = DEFAULT_PORT
    path: str | None = None
    """The unix socket."""
    username: str | None = None
    password: Secret | None = None
    db: int = 0
    tls: TlsFiles | None = None
    """Always set for ``tls``; for ``sentinel`` and ``cluster`` set when all of it, the sentinels too, speaks TLS."""
    hosts: tuple[HostPort, ...] = ()
    """Where the sentinels, or some nodes of the cluster, listen; set if and only if `kind` is one of the two."""
    sentinel: Sentinels | None = None
    """Set if and only if `kind` is ``sentinel``."""
    stated: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    """The parts and options that a URL spelled out, by the names of these fields and of `OPTIONS`."""

    def __post_init__(self) -> None:
        _check_login(self.username, self.password)
        if self.path is not None:
            _check_text("path", self.path)
        object.__setattr__(self, "port", _checked_place(self.host, self.port)[1])
        object.__setattr__(self, "hosts", tuple(_checked_place(*place) for place in self.hosts))
        object.__setattr__(self, "db", _checked_number("db", self.db, 0, MAX_DB))
        self._check_kind()

    def _check_kind(self) -> None:
        kind = self.kind
        if (self.path is not None) != (kind == "unix") or (self.sentinel is not None) != (kind == "sentinel"):
            raise ConfigurationError(f"path is for kind 'unix' and sentinel for kind 'sentinel'; this one is {kind!r}")
        if (self.tls is None and kind == "tls") or (self.tls is not None and kind not in ("tls", *_SEVERAL)):
            raise ConfigurationError(
                f"kind 'tls' needs tls, 'sentinel' and 'cluster' may have it, no other; this one is {kind!r}"
            )
        if bool(self.hosts) != (kind in _SEVERAL):
            raise ConfigurationError(
                f"kinds 'sentinel' and 'cluster' need hosts, no other has any; this one is {kind!r}"
            )
        if kind == "cluster" and self.db:
            raise ConfigurationError(f"a cluster has the db 0 alone, not {self.db}")

    def __str__(self) -> str:
        if self.kind not in LOGIN_KINDS:
            return f"{self.kind}://"
        login = f"{self.username or ''}{':***' if self.password else ''}"
        at = f"{login}@" if login else ""
        if self.kind == "unix":
            return f"unix://{at}{self.path}?db={self.db}"
        scheme = ("redis" if self.tls is None else "rediss") + (f"+{self.kind}" if self.hosts else "")
        places = ",".join(shown_place(*place) for place in self.hosts or ((self.host, self.port),))
        master = "" if self.sentinel is None else f"/{self.sentinel.master}"
        return f"{scheme}://{at}{places}{master}/{self.db}"


def shown_place(host: str, port: int) -> str:
    """Host and port as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_url(url: str) -> Address:
    """The address that a URL names.

    Raises ConfigurationError, which names the wrong part and what is allowed and quotes nothing that may be secret.
    """
    if not isinstance(url, str):
        raise ArgumentTypeError(f"the server URL must be a str, not {type(url).__name__}")
    scheme, mark, rest = url.strip().partition("://")
    kind, secure = _kind(scheme.lower() if mark else "")
    if _FORBIDDEN.search(rest):
        raise ConfigurationError(
            "the server URL must not hold white space, control characters or '#'; percent-encode them (%23 is '#')"
        )
    place, _, query = rest.partition("?")
    options = _options(query, kind, secure)
    if kind not in LOGIN_KINDS:
        if place or options:
            raise ConfigurationError(f"{kind}:// takes nothing after it; settings are keywords or variables")
        return Address(kind=kind)
    authority, slash, path = place.partition("/")
    login, _, location = authority.rpartition("@")
    if kind != "unix" and "@" in path:
        raise ConfigurationError(
            "user and password of the server URL must be percent-encoded: %2F is '/', %3F is '?', %40 is '@'"
        )
    parts = _login(login, options)
    if kind == "unix":
        if location or not path:
            raise ConfigurationError("a unix URL needs an absolute path and no host: unix:///run/redis.sock")
        parts["path"] = _decoded(slash + path, "path")
        path = ""
    elif kind in _SEVERAL:
        parts["hosts"] = _hosts(location, SENTINEL_PORT if kind == "sentinel" else DEFAULT_PORT)
    else:
        parts |= _host_and_port(location)
    if kind == "sentinel":
        parts["sentinel"], path = _sentinels(path, options)
    parts |= _db(path.removesuffix("/"), options.get("db"))
    if kind == "cluster" and parts.get("db"):
        raise ConfigurationError("the db of the URL of a cluster must be 0: it has no other")
    if secure:
        parts["tls"] = _tls(options)
    return Address(kind=kind, stated=frozenset({*parts, *options}), **parts)  # type: ignore[arg-type]


def _kind(scheme: str) -> tuple[AddressKind, bool]:
    """Which kind of address it is, and whether it speaks TLS."""
    name = scheme.replace("valkey", "redis", 1) if scheme.startswith("valkey") else scheme
    kind = _KINDS.get(name)
    if kind is not None:
        return kind, name.startswith("rediss")
    allowed = ", ".join(f"{name}://" for name in _KINDS)
    shown = f"scheme {scheme!r} is unknown" if scheme in _OTHER_SCHEMES else "it has no readable scheme"
    raise ConfigurationError(f"the server URL must begin with one of {allowed} (or valkey for redis); {shown}")


def _options(query: str, kind: AddressKind, secure: bool) -> dict[str, str]:
    options: dict[str, str] = {}
    if "@" in query:
        raise ConfigurationError(
            "user, password and options of the server URL must be percent-encoded: %3F is '?', %40 is '@'"
        )
    for number, pair in enumerate(filter(None, query.split("&")), 1):
        name, equals, value = pair.partition("=")
        if name not in OPTIONS or not equals:
            raise ConfigurationError(
                f"option {number} of the server URL is unknown; allowed are {', '.join(OPTIONS)}, each with =value, "
                "in which '&' must be percent-encoded: %26"
            )
        if name in options:
            raise ConfigurationError(f"option {name!r} of the server URL is given twice")
        if name in _TLS_OPTIONS and not secure:
            raise ConfigurationError(f"option {name!r} of the server URL needs rediss://")
        if name in _SENTINEL_OPTIONS and kind != "sentinel":
            raise ConfigurationError(f"option {name!r} of the server URL needs redis+sentinel://")
        options[name] = _decoded(value, f"option {name!r}")
    return options


def _login(login: str, options: Mapping[str, str]) -> dict[str, object]:
    username, _, password = login.partition(":")
    found: dict[str, object] = {}
    if username:
        found["username"] = _decoded(username, "username")
    if password:
        found["password"] = Secret(_decoded(password, "password"))
    for name in ("username", "password"):
        if name in options:
            if name in found:
                raise ConfigurationError(f"the server URL gives the {name} twice: before '@' and as an option")
            found[name] = options[name] if name == "username" else Secret(options[name])
    return found


def _hosts(location: str, port: int) -> tuple[HostPort, ...]:
    """The places in a list with commas; `port` where one has none."""
    found: list[HostPort] = []
    for place in location.split(","):
        parts = _host_and_port(place)
        if "host" not in parts:
            raise ConfigurationError("the server URL must name its hosts, with commas between: host:port,host,[IPv6]")
        found.append((str(parts["host"]), int(str(parts.get("port", port)))))
    return tuple(dict.fromkeys(found))


def _sentinels(path: str, options: Mapping[str, str]) -> tuple[Sentinels, str]:
    """What the sentinels are asked for, and the rest of the path."""
    name, _, rest = path.partition("/")
    if not name:
        raise ConfigurationError(
            "the server URL must name the master that the sentinels watch: redis+sentinel://host,host/mymaster"
        )
    password = options.get("sentinel_password")
    login = options.get("sentinel_username") or None, Secret(password) if password else None
    return Sentinels(_decoded(name, "master's name"), *login), rest


def _host_and_port(location: str) -> dict[str, object]:
    if "," in location:
        raise ConfigurationError("several hosts in the server URL need redis+sentinel:// or redis+cluster://")
    match = _HOST_AND_PORT.fullmatch(location)
    if match is None or (match["v6"] is not None and not _is_ipv6(match["v6"])):
        raise ConfigurationError(
            "host and port of the server URL must be host, host:port or [IPv6]:port, the port a number; "
            "user and password before '@' must be percent-encoded"
        )
    found: dict[str, object] = {}
    host = _decoded(match["v6"] or match["host"] or "", "host")
    if host:
        found["host"] = host
    if match["port"]:
        if len(match["port"]) > 5 or not 1 <= int(match["port"]) <= 65535:
            raise ConfigurationError("the port of the server URL must be from 1 to 65535")
        found["port"] = int(match["port"])
    return found


def _db(path: str, option: str | None) -> dict[str, object]:
    texts = {text for text in (path, option) if text}
    if not texts:
        return {}
    text = texts.pop()
    if texts:
        raise ConfigurationError("the server URL gives two different db numbers: after the host and as an option")
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > MAX_DB:
        raise ConfigurationError(f"the db of the server URL must be a number from 0 to {MAX_DB}")
    return {"db": int(text)}


def _tls(options: Mapping[str, str]) -> TlsFiles:
    verify = to_flag(options.get("tls_verify", "true"))
    if verify is None:
        raise ConfigurationError(f"tls_verify of the server URL must be one of {FLAG_WORDS}")
    return TlsFiles(
        ca_file=options.get("tls_ca_file") or None,
        cert_file=options.get("tls_cert_file") or None,
        key_file=options.get("tls_key_file") or None,
        verify=verify,
    )


def _decoded(text: str, part: str) -> str:
    """Percent-decoded. The error is raised outside the handler: a UnicodeDecodeError carries what it couldn't read."""
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        pass
    raise ConfigurationError(f"the {part} of the server URL must be UTF-8, percent-encoded")


def _is_ipv6(text: str) -> bool:
    address, percent, zone = text.replace("%25", "%").partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return not percent or _ZONE.fullmatch(zone) is not None


def _check_login(username: object, password: object, prefix: str = "") -> None:
    if not (password is None or isinstance(password, Secret)):
        raise ArgumentTypeError(f"{prefix}password must be a Secret here, not {type(password).__name__}")
    if username is not None:
        _check_text(f"{prefix}username", username)
    if password is not None:
        _check_text(f"{prefix}password", password.reveal())


def _checked_place(host: str, port: object) -> HostPort:
    _check_text("host", host)
    if _NO_HOST.search(host) and not _is_ipv6(host):
        raise ConfigurationError(
            "host must be a name or an IP address and nothing else: user, password and port have their own places"
        )
    return host, _checked_number("port", port, 1, 65535)


def _check_text(name: str, value: object) -> None:
    """The errors are raised outside the handler: a UnicodeEncodeError carries what it couldn't write."""
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} must be a str, not {type(value).__name__}")
    try:
        value.encode()
        return
    except UnicodeError:
        pass
    raise ConfigurationError(f"{name} must be encodable as UTF-8; this one holds a lone surrogate")


def _checked_number(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentTypeError(f"{name} must be an int, not {type(value).__name__}")
    number = int.__index__(value)  # an IntEnum would be written by its name
    if not low <= number <= high:
        raise ConfigurationError(f"{name} must be from {low} to {high}, not {number}")
    return number
