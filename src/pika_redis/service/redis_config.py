"""`RedisConfig`: everything a service needs to know before its first command, checked, in seconds and bytes.

It is made in three ways: from the environment (`CacheSettings.from_env`), by `create_redis_config` with the ancestor's
names and milliseconds, or by `resolve` from what `RedisService(...)` was called with.
"""

from __future__ import annotations

import difflib
import inspect
import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Never

from ..errors import ArgumentTypeError, ConfigurationError
from ..model.duration import Duration, to_seconds
from ..model.secret import Secret
from ..policy.rules.options import OnUnavailable
from ..storage.standing import OnRestart
from ..wire.address import Address, TlsFiles
from .key_text import MIN_KEY_LENGTH

__all__ = [
    "LIMITS",
    "WORDS",
    "RedisConfig",
    "check_host",
    "check_prefix",
    "create_redis_config",
    "tls_with",
    "to_secret",
]

_DAY = 86400.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NO_HOST = re.compile(r"[\x00-\x20\x7f#]")
LIMITS: dict[str, tuple[float, float]] = {
    "port": (1, 65535),
    "db": (0, 2**31 - 1),
    "connect_timeout": (0.001, _DAY),
    "command_timeout": (0.001, _DAY),
    "stall_timeout": (0.001, _DAY),
    "retry_attempts": (0, 100),
    "retry_delay": (0.001, _DAY),
    "ttl": (0.001, math.inf),
    "max_cache_key_length": (MIN_KEY_LENGTH, 1024 * 1024),
    "l1_max_bytes": (64 * 1024, 2**50),
    "max_value_bytes": (1024, 512 * 1024 * 1024),
    "degraded_ttl": (0.001, _DAY),
}
"""The lowest and highest value allowed of each number, in seconds, bytes or pieces."""
WORDS: dict[str, tuple[str, ...]] = {"on_unavailable": ("degrade", "raise"), "on_restart": ("epoch", "replay", "trust")}
"""What is allowed of each setting that is a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisConfig:
    """Where the server is and how to treat it.

    Raises ConfigurationError (a ValueError) for a value outside what is allowed, ArgumentTypeError for a wrong type.
    """

    address: Address = field(default_factory=Address)
    key_prefix: str = "pika:"
    """Stands before every key on the server; without control characters."""
    connect_timeout: float = 10.0
    """Seconds for reaching the server, TLS and log-in included."""
    command_timeout: float = 5.0
    """Seconds without an answer after which the connection counts as dead."""
    stall_timeout: float = 1.0
    """Seconds without progress after which callers stop waiting."""
    retry_attempts: int = 3
    """Repeats of a call that may be repeated."""
    retry_delay: float = 0.5
    """Seconds before the first repeat; doubled each time."""
    ttl: float = 3600.0
    """Seconds an entry lives unless its call says otherwise; `math.inf` never expires."""
    max_cache_key_length: int = 250
    """Bytes of a key beyond which its end is replaced by a digest."""
    compression_enabled: bool = True
    enabled: bool = True
    """False: reads miss, writes do nothing, counters and locks raise."""
    l1_max_bytes: int = 32 * 1024 * 1024
    """Bytes of the process's own memory for entries."""
    max_value_bytes: int = 64 * 1024 * 1024
    """Bytes of the largest value that is stored."""
    on_unavailable: OnUnavailable = "degrade"
    """Without the server: "degrade" = answer from this process's memory, "raise" = retry, then raise."""
    degraded_ttl: float = 30.0
    """Seconds a value lives at most in this process's memory while the server is gone."""
    on_restart: OnRestart = "epoch"
    """What to do about a server that was started anew with data from a file: "epoch" = end every entry, once for the
    whole fleet; "replay" = repeat the invalidations of the last minute, as after a failover; "trust" = nothing."""
    lazy_connect: bool = True
    """False: entering ``async with`` raises when the server is unreachable, instead of starting degraded."""

    def __post_init__(self) -> None:
        if not isinstance(self.address, Address):
            raise ArgumentTypeError(f"address must be an Address, not {type(self.address).__name__}")
        check_prefix(self.key_prefix, "key_prefix")
        for name in ("connect_timeout", "command_timeout", "stall_timeout", "retry_delay", "ttl", "degraded_ttl"):
            _check_number(name, getattr(self, name))
        for name in ("retry_attempts", "max_cache_key_length", "l1_max_bytes", "max_value_bytes"):
            _check_number(name, getattr(self, name), whole=True)
        for name, allowed in WORDS.items():
            if getattr(self, name) not in allowed:
                raise ConfigurationError(f"{name} must be {' or '.join(allowed)}, not {getattr(self, name)!r}")
        for name in ("compression_enabled", "enabled", "lazy_connect"):
            if not isinstance(getattr(self, name), bool):
                raise ArgumentTypeError(f"{name} must be True or False, not {getattr(self, name)!r}")


def create_redis_config(
    *,
    host: str = "localhost",
    port: int = 6379,
    password: str | Secret | None = None,
    db: int = 0,
    key_prefix: str = "pika:",
    retry_delay_on_failover: Duration = 500,
    max_retries_per_request: int = 3,
    lazy_connect: bool = True,
    username: str | None = None,
    connect_timeout: Duration = 10_000,
    command_timeout: Duration = 5_000,
    tls_ca_file: str | None = None,
    tls_cert_file: str | None = None,
    tls_key_file: str | None = None,
    tls_verify: bool = True,
    **unknown: Never,
) -> RedisConfig:
    """A `RedisConfig` under the ancestor's names; bare numbers of the three durations are milliseconds.

    One of the `tls_*` files turns TLS on. The environment is not read. Raises ConfigurationError or ArgumentTypeError,
    which name the argument and what is allowed.
    """
    if unknown:
        raise _unknown_argument(next(iter(unknown)))
    files = {"ca_file": tls_ca_file, "cert_file": tls_cert_file, "key_file": tls_key_file}
    given = {name: file for name, file in files.items() if file is not None}
    tls = tls_with(TlsFiles(), given, tls_verify) if given else None
    if tls is None and tls_verify is not True:
        raise ConfigurationError("tls_verify needs TLS: one of the tls_* files, or a URL that begins with rediss://")
    check_host(host, "host")
    _check_number("max_retries_per_request", max_retries_per_request, whole=True, limit="retry_attempts")
    address = Address(
        kind="tcp" if tls is None else "tls",
        host=host,
        port=port,
        username=username,
        password=to_secret(password),
        db=db,
        tls=tls,
    )
    return RedisConfig(
        address=address,
        key_prefix=key_prefix,
        retry_delay=_milliseconds(retry_delay_on_failover, "retry_delay_on_failover"),
        retry_attempts=max_retries_per_request,
        lazy_connect=lazy_connect,
        connect_timeout=_milliseconds(connect_timeout, "connect_timeout"),
        command_timeout=_milliseconds(command_timeout, "command_timeout"),
    )


def _unknown_argument(name: str) -> ArgumentTypeError:
    known = [one for one in inspect.signature(create_redis_config).parameters if one != "unknown"]
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    if name == "tls":
        meant = "TLS is on with tls_ca_file= or tls_cert_file=, and with RedisService('rediss://...')"
    return ArgumentTypeError(f"unknown argument {name!r}: {meant}")


def _milliseconds(value: object, name: str) -> float:
    """Seconds, from a bare number of milliseconds or from a duration that says its unit."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | timedelta):
        raise ArgumentTypeError(
            f"{name} must be milliseconds, a timedelta or text such as '500ms', not {type(value).__name__}"
        )
    low, high = (round(limit * 1000) for limit in LIMITS["connect_timeout"])
    if isinstance(value, int):
        value = max(min(value, high + 1), -1)  # beyond, it may have too many digits to be shown
    number = value if isinstance(value, int | float) else to_seconds(value, name) * 1000
    if not low <= number <= high:
        shown = repr(value[:40]) if isinstance(value, str) else value
        raise ConfigurationError(f"{name} must be from {low} to {high} milliseconds, not {shown}")
    return number / 1000


def to_secret(password: object) -> Secret | None:
    """The password wrapped; None for none and for an empty one. Raises ArgumentTypeError for what is no text."""
    if password is None or password == "":
        return None
    if isinstance(password, Secret):
        return password
    if not isinstance(password, str):
        raise ArgumentTypeError(f"password must be a str, not {type(password).__name__}")
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


def tls_with(tls: TlsFiles, files: Mapping[str, object], verify: object) -> TlsFiles:
    """`tls` with these files, by its field names, and `verify` unless that is None.

    Raises ArgumentTypeError, and ConfigurationError for a key without its certificate.
    """
    for name, file in files.items():
        if not isinstance(file, str):
            raise ArgumentTypeError(f"tls_{name} must be the path of a file, not {type(file).__name__}")
    if not (verify is None or isinstance(verify, bool)):
        raise ArgumentTypeError(f"tls_verify must be True or False, not {verify!r}")
    parts: dict[str, Any] = dict(files)
    return replace(tls, **parts) if verify is None else replace(tls, **parts, verify=verify)


def check_prefix(prefix: object, name: str) -> str:
    """The prefix itself. Raises ArgumentTypeError or ConfigurationError, which calls it `name`."""
    if not isinstance(prefix, str):
        raise ArgumentTypeError(f"{name} must be a str, not {type(prefix).__name__}")
    if _CONTROL.search(prefix):
        raise ConfigurationError(f"{name}={prefix!r} must not hold control characters or lone surrogates")
    return prefix


def _check_number(name: str, value: object, *, whole: bool = False, limit: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or (whole and isinstance(value, float)):
        wanted = "an int" if whole else "a number of seconds"
        raise ArgumentTypeError(f"{name} must be {wanted}, not {type(value).__name__}")
    low, high = LIMITS[limit or name]
    if not low <= value <= high:
        raise ConfigurationError(f"{name} must be from {low} to {high}, not {value}")
