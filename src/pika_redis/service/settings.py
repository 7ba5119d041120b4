"""Settings from the environment, under the ancestor's names and in its units: milliseconds for the timeouts.

Variables of other programs that begin alike are left alone. An empty variable counts as unset, except
REDIS_KEY_PREFIX, where empty means no prefix.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..errors import ArgumentError, ConfigurationError
from ..model.duration import MAX_SECONDS, to_seconds
from ..model.flag import FLAG_WORDS, to_flag
from ..model.secret import Secret
from ..policy.rules.options import OnUnavailable
from ..storage.standing import OnRestart
from ..wire.address import LOGIN_KINDS, Address, TlsFiles, parse_url
from .address_parts import check_host
from .redis_config import LIMITS, WORDS, RedisConfig, check_prefix

__all__ = ["VARIABLES", "CacheSettings", "environment_names_a_server"]

logger = logging.getLogger("pika_redis")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """What the environment says, in the environment's units; `to_config` makes it usable."""

    url: Secret | None = None
    host: str = "localhost"
    port: int = 6379
    username: str | None = None
    password: Secret | None = None
    db: int = 0
    key_prefix: str = "pika:"
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    tls_verify: bool = True
    sentinel_username: str | None = None
    sentinel_password: Secret | None = None
    connect_timeout_ms: float = 10_000
    command_timeout_ms: float = 5_000
    stall_timeout_ms: float = 1_000
    retry_attempts: int = 3
    retry_delay_ms: float = 500
    default_cache_ttl: float = 3600
    """Seconds; `math.inf` never expires."""
    max_cache_key_length: int = 250
    compression_enabled: bool = True
    enabled: bool = True
    l1_max_bytes: int = 32 * 1024 * 1024
    max_value_bytes: int = 64 * 1024 * 1024
    on_unavailable: OnUnavailable = "degrade"
    degraded_ttl: float = 30
    """Seconds."""
    on_restart: OnRestart = "epoch"
    max_connection_age: float = 600
    """Seconds; `math.inf` never replaces a connection."""
    sentinel_proof: bool = True
    stated: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    """The fields that the environment set."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> CacheSettings:
        """The settings of the process's environment, or of a mapping like it.

        Raises ConfigurationError, which names the variable, its value (never a password or URL) and what is allowed.
        """
        variables = os.environ if environ is None else environ
        found: dict[str, Any] = {}
        for variable in VARIABLES:
            text = variables.get(variable.name)
            if text is None or (not text.strip() and variable.field != "key_prefix"):
                continue
            if variable.name == "REDIS_PORT" and text.startswith("tcp://"):
                _foreign_port(variables)
                continue
            found[variable.field] = variable.read(text, variable)
        return cls(**found, stated=frozenset(found))

    def to_config(self) -> RedisConfig:
        """The configuration for `RedisService`. Raises ConfigurationError or ArgumentTypeError as `RedisConfig` does.

        REDIS_URL wins over the single variables; logins, db and TLS files that it leaves out are taken from them. A
        single variable that contradicts it is warned about once.
        """
        return RedisConfig(
            address=_own_address(self) if self.url is None else _url_address(self, self.url),
            key_prefix=self.key_prefix,
            connect_timeout=self.connect_timeout_ms / 1000,
            command_timeout=self.command_timeout_ms / 1000,
            stall_timeout=self.stall_timeout_ms / 1000,
            retry_attempts=self.retry_attempts,
            retry_delay=self.retry_delay_ms / 1000,
            ttl=self.default_cache_ttl,
            max_cache_key_length=self.max_cache_key_length,
            compression_enabled=self.compression_enabled,
            enabled=self.enabled,
            l1_max_bytes=self.l1_max_bytes,
            max_value_bytes=self.max_value_bytes,
            on_unavailable=self.on_unavailable,
            degraded_ttl=self.degraded_ttl,
            on_restart=self.on_restart,
            max_connection_age=self.max_connection_age,
            sentinel_proof=self.sentinel_proof,
        )


def environment_names_a_server(environ: Mapping[str, str] | None = None) -> bool:
    """Whether REDIS_URL or REDIS_HOST is set; without either, the process's default service is memory."""
    variables = os.environ if environ is None else environ
    return any(variables.get(name, "").strip() for name in ("REDIS_URL", "REDIS_HOST"))


# --- reading variables ---------------------------------------------------------------------------------------------


class _Variable(NamedTuple):
    name: str
    field: str
    read: Callable[[str, _Variable], object]
    limit: str = ""
    """The key into `LIMITS`."""


def _text(text: str, _variable: _Variable) -> str:
    return text.strip()


def _host(text: str, variable: _Variable) -> str:
    return check_host(text.strip(), variable.name)


def _secret(text: str, _variable: _Variable) -> Secret:
    return Secret(text)


def _prefix(text: str, variable: _Variable) -> str:
    return check_prefix(text, variable.name)


def _shown(text: str) -> str:
    """The value, unless it may hold a password: part of a URL, say."""
    return "" if re.search(r"[@/:]", text) else f"={text[:40]!r}"


def _flag(text: str, variable: _Variable) -> bool:
    flag = to_flag(text)
    if flag is None:
        raise ConfigurationError(f"{variable.name}{_shown(text)} must be one of {FLAG_WORDS}")
    return flag


def _integer(text: str, variable: _Variable) -> int:
    low, high = LIMITS[variable.limit]
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18) or not low <= int(digits) <= high:
        raise ConfigurationError(f"{variable.name}{_shown(text)} must be an integer from {low} to {high}")
    return int(digits)


def _milliseconds(text: str, variable: _Variable) -> float:
    low, high = LIMITS[variable.limit]
    seconds = _seconds(text, 0.001, variable)
    if not low <= seconds <= high:
        raise ConfigurationError(
            f"{variable.name}{_shown(text)} must be milliseconds such as 500, or text such as '2s', "
            f"from {low * 1000:.0f} to {high * 1000:.0f} milliseconds"
        )
    return seconds * 1000


def _ttl(text: str, variable: _Variable) -> float:
    seconds = _seconds(text, 1, variable)
    if not 0.001 <= seconds <= MAX_SECONDS and seconds != float("inf"):
        raise ConfigurationError(
            f"{variable.name}{_shown(text)} must be seconds such as 3600, 'inf', or text such as '10m', "
            f"from 0.001 to {MAX_SECONDS:.0f} seconds (a hundred years)"
        )
    return seconds


def _age(text: str, variable: _Variable) -> float:
    seconds = _seconds(text, 1, variable) or float("inf")
    low, _ = LIMITS[variable.limit]
    if not seconds >= low:
        raise ConfigurationError(
            f"{variable.name}{_shown(text)} must be seconds such as 600, or text such as '10m', from {low} up; "
            "0 and 'inf' mean never"
        )
    return seconds


def _word(text: str, variable: _Variable) -> str:
    word, allowed = text.strip().lower(), WORDS[variable.limit]
    if word not in allowed:
        raise ConfigurationError(f"{variable.name}{_shown(text)} must be {' or '.join(allowed)}")
    return word


def _seconds(text: str, unit: float, variable: _Variable) -> float:
    """Of a bare number in that unit, or of text that says its unit; NaN for neither."""
    try:
        return float(text) * unit
    except ValueError:
        pass
    try:
        return to_seconds(text, variable.name)
    except ArgumentError:
        return float("nan")


def _foreign_port(variables: Mapping[str, str]) -> None:
    """Kubernetes sets REDIS_PORT to a URL for every service that is called redis."""
    if not variables.get("REDIS_URL", "").strip():
        raise ConfigurationError(
            "REDIS_PORT='tcp://...' must be an integer from 1 to 65535; Kubernetes set this one for a service called "
            "redis: set REDIS_URL, or enableServiceLinks: false in the pod"
        )


VARIABLES = (
    _Variable("REDIS_URL", "url", _secret),
    _Variable("REDIS_HOST", "host", _host),
    _Variable("REDIS_PORT", "port", _integer, "port"),
    _Variable("REDIS_USERNAME", "username", _text),
    _Variable("REDIS_PASSWORD", "password", _secret),
    _Variable("REDIS_DB", "db", _integer, "db"),
    _Variable("REDIS_KEY_PREFIX", "key_prefix", _prefix),
    _Variable("REDIS_TLS_CA_FILE", "tls_ca_file", _text),
    _Variable("REDIS_TLS_CERT_FILE", "tls_cert_file", _text),
    _Variable("REDIS_TLS_KEY_FILE", "tls_key_file", _text),
    _Variable("REDIS_TLS_VERIFY", "tls_verify", _flag),
    _Variable("REDIS_SENTINEL_USERNAME", "sentinel_username", _text),
    _Variable("REDIS_SENTINEL_PASSWORD", "sentinel_password", _secret),
    _Variable("REDIS_CONNECT_TIMEOUT", "connect_timeout_ms", _milliseconds, "connect_timeout"),
    _Variable("REDIS_COMMAND_TIMEOUT", "command_timeout_ms", _milliseconds, "command_timeout"),
    _Variable("REDIS_STALL_TIMEOUT", "stall_timeout_ms", _milliseconds, "stall_timeout"),
    _Variable("REDIS_RETRY_ATTEMPTS", "retry_attempts", _integer, "retry_attempts"),
    _Variable("REDIS_RETRY_DELAY", "retry_delay_ms", _milliseconds, "retry_delay"),
    _Variable("DEFAULT_CACHE_TTL", "default_cache_ttl", _ttl, "ttl"),
    _Variable("MAX_CACHE_KEY_LENGTH", "max_cache_key_length", _integer, "max_cache_key_length"),
    _Variable("CACHE_COMPRESSION_ENABLED", "compression_enabled", _flag),
    _Variable("CACHE_ENABLED", "enabled", _flag),
    _Variable("CACHE_L1_MAX_BYTES", "l1_max_bytes", _integer, "l1_max_bytes"),
    _Variable("CACHE_MAX_VALUE_BYTES", "max_value_bytes", _integer, "max_value_bytes"),
    _Variable("REDIS_MAX_CONNECTION_AGE", "max_connection_age", _age, "max_connection_age"),
    _Variable("REDIS_SENTINEL_PROOF", "sentinel_proof", _flag),
    _Variable("CACHE_ON_UNAVAILABLE", "on_unavailable", _word, "on_unavailable"),
    _Variable("CACHE_DEGRADED_TTL", "degraded_ttl", _ttl, "degraded_ttl"),
    _Variable("CACHE_ON_RESTART", "on_restart", _word, "on_restart"),
)


# --- the address ---------------------------------------------------------------------------------------------------

_TLS_NAMES = ("tls_ca_file", "tls_cert_file", "tls_key_file", "tls_verify")
_SENTINEL_NAMES = ("sentinel_username", "sentinel_password")
_NO_SENTINELS = "REDIS_SENTINEL_* is ignored: sentinels are asked where REDIS_URL begins with redis+sentinel://"
_warned: set[str] = set()


def _own_address(settings: CacheSettings) -> Address:
    if any(_is_set(settings, name) for name in _SENTINEL_NAMES):
        _warn_once(_NO_SENTINELS)
    check_host(settings.host, "host")  # of settings made in Python; a variable is checked where it is read
    tls = _tls_of(settings)
    return Address(
        kind="tcp" if tls is None else "tls",
        host=settings.host,
        port=settings.port,
        username=settings.username,
        password=settings.password,
        db=settings.db,
        tls=tls,
    )


def _tls_of(settings: CacheSettings) -> TlsFiles | None:
    """The files, if there is one: they turn TLS on where no URL says."""
    files = (settings.tls_ca_file, settings.tls_cert_file, settings.tls_key_file)
    if not any(files):
        return None
    _check_key_file(settings.tls_cert_file, settings.tls_key_file)
    return TlsFiles(*files, settings.tls_verify)


def _check_key_file(cert_file: str | None, key_file: str | None) -> None:
    if key_file and not cert_file:
        raise ConfigurationError(
            "REDIS_TLS_KEY_FILE needs REDIS_TLS_CERT_FILE, the certificate that the key belongs to"
        )


def _url_address(settings: CacheSettings, url: Secret) -> Address:
    try:
        address = parse_url(url.reveal())
    except ConfigurationError as error:
        raise ConfigurationError(f"REDIS_URL: {error}") from None
    filled: dict[str, Any] = {}
    for name in ("host", "port", "username", "password", "db"):
        wanted = getattr(settings, name)
        if not _is_set(settings, name) or wanted == getattr(address, name):
            continue
        has_logins = address.kind in LOGIN_KINDS
        if has_logins and name in ("username", "password", "db") and name not in address.stated:
            filled[name] = wanted
        else:
            _warn_once(f"REDIS_{name.upper()} is ignored: it contradicts REDIS_URL, which wins")
    filled |= _sentinel_parts(settings, address)
    if address.tls is not None:
        names = [name for name in _TLS_NAMES if _is_set(settings, name) and name not in address.stated]
        parts: dict[str, Any] = {name.removeprefix("tls_"): getattr(settings, name) for name in names}
        _check_key_file(parts.get("cert_file", address.tls.cert_file), parts.get("key_file"))
        filled["tls"] = replace(address.tls, **parts)
    elif _tls_of(settings) is not None:
        _warn_once("the REDIS_TLS_* files are ignored: REDIS_URL is without TLS; with TLS it begins with rediss://")
    return replace(address, **filled)


def _sentinel_parts(settings: CacheSettings, address: Address) -> dict[str, Any]:
    """The login at the sentinels, where the URL has none."""
    names = [name for name in _SENTINEL_NAMES if _is_set(settings, name)]
    if address.sentinel is None:
        if names:
            _warn_once(_NO_SENTINELS)
        return {}
    parts: dict[str, Any] = {}
    for name in names:
        wanted, field_name = getattr(settings, name), name.removeprefix("sentinel_")
        if name not in address.stated:
            parts[field_name] = wanted
        elif wanted != getattr(address.sentinel, field_name):
            _warn_once(f"REDIS_{name.upper()} is ignored: it contradicts REDIS_URL, which wins")
    return {"sentinel": replace(address.sentinel, **parts)}


def _is_set(settings: CacheSettings, name: str) -> bool:
    """By the environment, or by whoever made the object."""
    return name in settings.stated or getattr(settings, name) != CacheSettings.__dataclass_fields__[name].default


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        logger.warning(message)
