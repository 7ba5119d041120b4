"""Where a server is and how to log in, and the URLs that say so. Pure: nothing is opened here.

Forms: ``redis://[[user]:password@]host[:port][/db]``, ``rediss://`` for TLS, ``valkey://`` and ``valkeys://`` as other
names of the two, ``unix://[[user]:password@]/path``, ``memory://`` and ``embedded://``. Options after ``?`` are those
of `OPTIONS`.

A URL may hold a password anywhere once it is mistyped: a ``/`` in it ends the host, a ``:`` makes it a port, a ``&``
begins an option. So an error says which part is wrong and what is allowed, and quotes nothing of the URL but names that
are known here; none is raised while another one that quotes is being handled. For the same reason a host is only what
can be one.
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

__all__ = ["Address", "AddressKind", "TlsFiles", "parse_url"]

AddressKind: TypeAlias = Literal["tcp", "tls", "unix", "memory", "embedded"]

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 6379
MAX_DB = 2**31 - 1

_KINDS: Mapping[str, AddressKind] = {
    "redis": "tcp",
    "valkey": "tcp",
    "rediss": "tls",
    "valkeys": "tls",
    "unix": "unix",
    "memory": "memory",
    "embedded": "embedded",
}
_SHOWN: Mapping[AddressKind, str] = {"tcp": "redis", "tls": "rediss", "unix": "unix"}
_TLS_OPTIONS = ("tls_ca_file", "tls_cert_file", "tls_key_file", "tls_verify")
OPTIONS = ("db", "username", "password", *_TLS_OPTIONS)
_OTHER_SCHEMES = ("http", "https", "tcp", "tls", "socket", "redis+socket", "redis+unix", "redis+tls")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[0-9]*))?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f#]")
_ZONE = re.compile(r"[A-Za-z0-9._~-]{1,32}")
_NO_HOST = re.compile(r"[\x00-\x20\x7f#@/?:%\\]|\A\Z")


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
class Address:
    """One server, or one of the stores that need none (`memory`, and `embedded` until it is started).

    Raises ConfigurationError or ArgumentTypeError for a part that makes no sense. Never shows its password.
    """

    kind: AddressKind = "tcp"
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    path: str | None = None
    """The unix socket."""
    username: str | None = None
    password: Secret | None = None
    db: int = 0
    tls: TlsFiles | None = None
    """Set if and only if `kind` is ``tls``."""
    stated: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    """The parts and options that a URL spelled out, by the names of these fields and of `OPTIONS`."""

    def __post_init__(self) -> None:
        if not (self.password is None or isinstance(self.password, Secret)):
            raise ArgumentTypeError(f"password must be a Secret here, not {type(self.password).__name__}")
        _check_text("host", self.host)
        for name in ("username", "path"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        if self.password is not None:
            _check_text("password", self.password.reveal())
        if _NO_HOST.search(self.host) and not _is_ipv6(self.host):
            raise ConfigurationError(
                "host must be a name or an IP address and nothing else: user, password and port have their own places"
            )
        object.__setattr__(self, "port", _checked_number("port", self.port, 1, 65535))
        object.__setattr__(self, "db", _checked_number("db", self.db, 0, MAX_DB))
        if (self.tls is not None) != (self.kind == "tls") or (self.path is not None) != (self.kind == "unix"):
            raise ConfigurationError(f"path is for kind 'unix' and tls for kind 'tls'; this one is {self.kind!r}")

    def __str__(self) -> str:
        scheme = _SHOWN.get(self.kind)
        if scheme is None:
            return f"{self.kind}://"
        login = f"{self.username or ''}{':***' if self.password else ''}"
        at = f"{login}@" if login else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"{self.path}?db={self.db}" if self.kind == "unix" else f"{host}:{self.port}/{self.db}"
        return f"{scheme}://{at}{place}"


def parse_url(url: str) -> Address:
    """The address that a URL names.

    Raises ConfigurationError, which names the wrong part and what is allowed and quotes nothing that may be secret.
    """
    if not isinstance(url, str):
        raise ArgumentTypeError(f"the server URL must be a str, not {type(url).__name__}")
    scheme, mark, rest = url.strip().partition("://")
    kind = _kind(scheme.lower() if mark else "")
    if _FORBIDDEN.search(rest):
        raise ConfigurationError(
            "the server URL must not hold white space, control characters or '#'; percent-encode them (%23 is '#')"
        )
    place, _, query = rest.partition("?")
    options = _options(query, kind)
    if kind in ("memory", "embedded"):
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
    else:
        parts |= _host_and_port(location)
    parts |= _db(path.removesuffix("/"), options.get("db"))
    if kind == "tls":
        parts["tls"] = _tls(options)
    return Address(kind=kind, stated=frozenset({*parts, *options}), **parts)  # type: ignore[arg-type]


def _kind(scheme: str) -> AddressKind:
    kind = _KINDS.get(scheme)
    if kind is not None:
        return kind
    allowed = ", ".join(f"{name}://" for name in _KINDS)
    if scheme in ("redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"):
        raise ConfigurationError(f"{scheme}:// is not spoken by this version, which knows {allowed}")
    shown = f"scheme {scheme!r} is unknown" if scheme in _OTHER_SCHEMES else "it has no readable scheme"
    raise ConfigurationError(f"the server URL must begin with one of {allowed}; {shown}")


def _options(query: str, kind: AddressKind) -> dict[str, str]:
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
        if name in _TLS_OPTIONS and kind != "tls":
            raise ConfigurationError(f"option {name!r} of the server URL needs rediss://")
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


def _host_and_port(location: str) -> dict[str, object]:
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
