"""The parts of a server's address as keywords give them, alone or on top of a URL."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import ArgumentTypeError, ConfigurationError
from ..model.secret import Secret
from ..wire.address import Address, TlsFiles

__all__ = ["ADDRESS_NAMES", "check_host", "refuse_contradiction", "to_secret", "with_parts"]

_NO_HOST = re.compile(r"[\x00-\x20\x7f#]")
_PLACE = ("host", "port")
_FILES = ("tls_ca_file", "tls_cert_file", "tls_key_file")
_SENTINEL = ("sentinel_username", "sentinel_password")
ADDRESS_NAMES = frozenset({*_PLACE, "username", "password", "db", *_FILES, "tls_verify", *_SENTINEL})


def refuse_contradiction(address: Address, given: Mapping[str, object]) -> None:
    """A keyword may add to the address that a URL names; it may not say otherwise. Raises ConfigurationError."""
    without_tls = address.tls is None and address.kind in ("tcp", "sentinel", "cluster")
    if without_tls and any(name in given for name in (*_FILES, "tls_verify")):
        raise ConfigurationError("tls_* keywords need a URL that begins with rediss://; this one is without TLS")
    for name in sorted(ADDRESS_NAMES & given.keys()):
        wanted = to_secret(given[name], name) if name.endswith("password") else given[name]
        has_part = name not in _PLACE or address.kind in ("tcp", "tls")
        if not has_part or (name in address.stated and wanted != _part(address, name)):
            raise ConfigurationError(f"{name}= contradicts the URL; give it in one of the two places")


def with_parts(address: Address, given: Mapping[str, object]) -> Address:
    """The address with these parts; a host or port makes it that of one server on the network.

    Raises ConfigurationError, ArgumentTypeError.
    """
    changes: dict[str, Any] = {name: given[name] for name in (*_PLACE, "username", "db") if name in given}
    if "host" in changes:
        check_host(changes["host"], "host")
    if "password" in given:
        changes["password"] = to_secret(given["password"])
    if (changes.keys() & set(_PLACE)) and address.kind not in ("tcp", "tls"):
        kind = "tcp" if address.tls is None else "tls"
        address = replace(address, kind=kind, path=None, hosts=(), sentinel=None)  # type: ignore[arg-type]
    return replace(address, **changes, **_tls_parts(address, given), **_sentinel_parts(address, given))


def _part(address: Address, name: str) -> object:
    room, _, part = name.partition("_")
    return getattr(getattr(address, room), part) if part else getattr(address, name)


def _tls_parts(address: Address, given: Mapping[str, object]) -> dict[str, Any]:
    files = {name.removeprefix("tls_"): given[name] for name in _FILES if name in given}
    verify = given.get("tls_verify")
    if not files and verify is None:
        return {}
    if address.tls is None and not files:
        raise ConfigurationError("tls_verify needs TLS: a URL that begins with rediss://, or one of the tls_* files")
    tls = _tls_with(address.tls or TlsFiles(), files, verify)
    return {"tls": tls} if address.hosts else {"kind": "tls", "path": None, "tls": tls}


def _tls_with(tls: TlsFiles, files: Mapping[str, object], verify: object) -> TlsFiles:
    """`tls` with these files, by its field names, and `verify` unless that is None."""
    for name, file in files.items():
        if not isinstance(file, str):
            raise ArgumentTypeError(f"tls_{name} must be the path of a file, not {type(file).__name__}")
    if not (verify is None or isinstance(verify, bool)):
        raise ArgumentTypeError(f"tls_verify must be True or False, not {verify!r}")
    parts: dict[str, Any] = dict(files)
    return replace(tls, **parts) if verify is None else replace(tls, **parts, verify=verify)


def _sentinel_parts(address: Address, given: Mapping[str, object]) -> dict[str, Any]:
    parts: dict[str, Any] = {name.removeprefix("sentinel_"): given[name] for name in _SENTINEL if name in given}
    if not parts:
        return {}
    if address.sentinel is None:
        raise ConfigurationError("sentinel_* keywords need a URL that begins with redis+sentinel://")
    if "password" in parts:
        parts["password"] = to_secret(parts["password"], "sentinel_password")
    return {"sentinel": replace(address.sentinel, **parts)}


def to_secret(password: object, name: str = "password") -> Secret | None:
    """The password wrapped; None for none and for an empty one. Raises ArgumentTypeError for what is no text."""
    if password is None or password == "":
        return None
    if isinstance(password, Secret):
        return password
    if not isinstance(password, str):
        raise ArgumentTypeError(f"{name} must be a str, not {type(password).__name__}")
    return Secret(password)


def check_host(host: object, name: str) -> str:
    """The host itself. Raises ArgumentTypeError or ConfigurationError, which calls it `name`.

    What is more than a host may hold a password, and is not shown.
    """
    if not isinstance(host, str):
        raise ArgumentTypeError(f"{name} must be a str, not {type(host).__name__}")
    wanted = f"{name} must be a name or an IP address"
    if "/" in host or "@" in host:
        raise ConfigurationError(f"{wanted}; a URL goes into REDIS_URL, url= or RedisService(url)")
    if host.startswith("[") and host.endswith("]"):
        raise ConfigurationError(f"{wanted}; an IPv6 address stands here without brackets")
    if ":" in host and not _is_ipv6(host):
        raise ConfigurationError(f"{wanted}; a port goes into REDIS_PORT, port= or a URL")
    if not host or _NO_HOST.search(host):
        raise ConfigurationError(f"{wanted}, not {host[:40]!r}")
    return host


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
