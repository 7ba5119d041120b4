"""`RedisConfig`: everything a service needs to know before its first command, checked, in seconds and bytes.

It is made in three ways: from the environment (`CacheSettings.from_env`), by `create_redis_config` with the ancestor's
names and milliseconds, or by `resolve` from what `RedisService(...)` was called with.
"""

from __future__ import annotations

import difflib
import inspect
import math
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Never

from ..errors import ArgumentTypeError, ConfigurationError
from ..model.duration import Duration, to_seconds
from ..model.secret import Secret
from ..policy.rules.options import OnUnavailable
from ..storage.standing import OnRestart
from ..wire.address import Address, parse_url
from ..wire.endpoint import CredentialProvider
from .address_parts import refuse_contradiction, with_parts
from .key_text import MIN_KEY_LENGTH

__all__ = [
    "LIMITS",
    "WORDS",
    "RedisConfig",
    "check_prefix",
    "create_redis_config",
]

_DAY = 86400.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
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
    "max_connection_age": (1, math.inf),
}
"""The lowest and highest value allowed of each number, in seconds, bytes or pieces."""
WORDS: dict[str, tuple[str, ...]] = {"on_unavailable": ("degrade", "raise"), "on_restart": ("epoch", "replay", "trust")}
"""What is allowed of each setting that is a word."""


_LOCAL = Address()


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
    max_connection_age: float = 600.0
    """Seconds after which, give or take a fifth, a connection is replaced; `math.inf` = never."""
    sentinel_proof: bool = True
    """False: copies in memory are served also while no sentinel confirms that the server is still the primary."""
    credentials: CredentialProvider | None = field(default=None, repr=False)
    """Asked for the password, or user and password, at every connect, in the place of those of the address."""
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
        _check_number("max_connection_age", self.max_connection_age)
        if self.credentials is not None and not callable(self.credentials):
            raise ArgumentTypeError(f"credentials must be a function, not {type(self.credentials).__name__}")
        if self.credentials is not None and (self.address.username is not None or self.address.password is not None):
            raise ConfigurationError("credentials= gives user and password; the address must have none beside it")
        for name in ("compression_enabled", "enabled", "lazy_connect", "sentinel_proof"):
            if not isinstance(getattr(self, name), bool):
                raise ArgumentTypeError(f"{name} must be True or False, not {getattr(self, name)!r}")


def create_redis_config(
    *,
    url: str | Secret | None = None,
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
    sentinel_username: str | None = None,
    sentinel_password: str | Secret | None = None,
    **unknown: Never,
) -> RedisConfig:
    """A `RedisConfig` under the ancestor's names; bare numbers of the three durations are milliseconds.

    `url` stands in the place of host and port, for sentinels and clusters too. One of the `tls_*` files turns TLS on
    where no URL says. The environment is not read. Raises ConfigurationError or ArgumentTypeError, which name the
    argument and what is allowed.
    """
    if unknown:
        raise _unknown_argument(next(iter(unknown)))
    given: dict[str, object] = {
        "username": username,
        "password": password,
        "tls_ca_file": tls_ca_file,
        "tls_cert_file": tls_cert_file,
        "tls_key_file": tls_key_file,
        "tls_verify": None if tls_verify is True else tls_verify,
        "sentinel_username": sentinel_username,
        "sentinel_password": sentinel_password,
    }
    given = {name: value for name, value in given.items() if value is not None}
    place: dict[str, object] = {"host": host, "port": port, "db": db}
    given |= {name: value for name, value in place.items() if url is None or value != getattr(_LOCAL, name)}
    _check_number("max_retries_per_request", max_retries_per_request, whole=True, limit="retry_attempts")
    if url is not None:
        address = parse_url(url.reveal() if isinstance(url, Secret) else url)
        refuse_contradiction(address, given)
    else:
        address = _LOCAL
    address = with_parts(address, given)
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
