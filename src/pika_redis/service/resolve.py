"""What a service was called with, settled into one `RedisConfig`.

Keywords are the variables' names without REDIS_ or CACHE_ in front, in lower case. Their durations are in seconds (or
a `timedelta`, or text with a unit), unlike the environment's: so a bare timeout above 300 is refused, since it was
most likely meant in milliseconds.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from ..errors import ConfigurationError
from ..model.duration import Duration, to_seconds, to_ttl
from ..model.secret import Secret
from ..policy.rules.options import KEY_OPTIONS, OPTION_NAMES
from ..wire.address import Address, TlsFiles, parse_url
from .redis_config import RedisConfig, check_host, tls_with, to_secret
from .settings import CacheSettings

__all__ = ["SETTING_NAMES", "resolve", "unknown_keyword"]

_LONGEST_BARE_TIMEOUT = 300
_TIMEOUTS = frozenset({"connect_timeout", "command_timeout", "stall_timeout", "retry_delay", "degraded_ttl"})
_FILES = ("tls_ca_file", "tls_cert_file", "tls_key_file")
_PLACE = ("host", "port")
_ADDRESS = frozenset({*_PLACE, "username", "password", "db", *_FILES, "tls_verify"})

SETTING_NAMES = (
    _ADDRESS
    | _TIMEOUTS
    | {
        "url",
        "key_prefix",
        "retry_attempts",
        "ttl",
        "default_cache_ttl",
        "max_cache_key_length",
        "compression_enabled",
        "enabled",
        "l1_max_bytes",
        "max_value_bytes",
        "on_unavailable",
        "degraded_ttl",
        "on_restart",
        "lazy_connect",
    }
)
"""The keywords of `resolve`. `ttl` is short for `default_cache_ttl`; `lazy_connect` has no variable."""


def resolve(
    config: str | Secret | RedisConfig | None,
    settings: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
) -> RedisConfig:
    """The configuration of a service: a URL, a `RedisConfig` or None for the environment, then keywords on top.

    A keyword that is None counts as not given. With a URL or a `RedisConfig` the environment is not read. Raises
    ConfigurationError for an unknown keyword, a value that is not allowed, and a keyword that contradicts the URL;
    ArgumentTypeError for a wrong type.
    """
    for name in settings:
        if name not in SETTING_NAMES:
            raise unknown_keyword(name, SETTING_NAMES)
    given = _merged({name: value for name, value in settings.items() if value is not None})
    if "url" in given:
        if config is not None:
            raise ConfigurationError("the server is given twice: as the first argument and as url=")
        config = cast("str", given.pop("url"))
    if config is None:
        base = CacheSettings.from_env(environ).to_config()
    elif isinstance(config, RedisConfig):
        base = config
    else:
        base = RedisConfig(address=parse_url(config.reveal() if isinstance(config, Secret) else config))
        _refuse_contradiction(base.address, given)
    changes: dict[str, Any] = {name: _value(name, given[name]) for name in given if name not in _ADDRESS}
    return replace(base, address=_with_keywords(base.address, given), **changes)


def unknown_keyword(name: str, known: Iterable[str]) -> ConfigurationError:
    """The error for a keyword that is no setting, with the likeliest ones that are, or what it is instead."""
    if name in OPTION_NAMES:
        return ConfigurationError(
            f"{name} is an option, not a setting of the service: service.with_options({name}=...) gives it to all its "
            f"loads, @cache and get_or_load take it too"
        )
    if name in KEY_OPTIONS:
        return ConfigurationError(f"{name} is an option of @cache(...) alone, not a setting of the service")
    near = difflib.get_close_matches(name, sorted(known), n=2)
    meant = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(sorted(known))}"
    return ConfigurationError(f"unknown setting {name!r}; {meant}")


def _merged(given: dict[str, object]) -> dict[str, object]:
    """With `default_cache_ttl` under its short name."""
    if "default_cache_ttl" in given:
        long = given.pop("default_cache_ttl")
        if given.setdefault("ttl", long) != long:
            raise ConfigurationError("ttl and default_cache_ttl are two names of one setting; give one of them")
    return given


def _value(name: str, value: object) -> object:
    if name == "ttl":
        return to_ttl(cast("Duration", value), name)
    if name not in _TIMEOUTS:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and value > _LONGEST_BARE_TIMEOUT:
        raise ConfigurationError(
            f"{name}={value} is in seconds here; for milliseconds write '{value}ms', for so many seconds '{value}s'"
        )
    return to_seconds(cast("Duration", value), name)


def _refuse_contradiction(address: Address, given: Mapping[str, object]) -> None:
    """A keyword may add to a URL; it may not say otherwise."""
    if address.kind == "tcp" and any(name in given for name in (*_FILES, "tls_verify")):
        raise ConfigurationError("tls_* keywords need a URL that begins with rediss://; this one is without TLS")
    for name in sorted(_ADDRESS & given.keys()):
        wanted = to_secret(given[name]) if name == "password" else given[name]
        has_part = name not in _PLACE or address.kind in ("tcp", "tls")
        if not has_part or (name in address.stated and wanted != _part(address, name)):
            raise ConfigurationError(f"{name}= contradicts the URL; give it in one of the two places")


def _part(address: Address, name: str) -> object:
    return getattr(address.tls, name.removeprefix("tls_")) if name.startswith("tls_") else getattr(address, name)


def _with_keywords(address: Address, given: Mapping[str, object]) -> Address:
    """The address with the keywords' parts; a host or port makes it one of the network."""
    changes: dict[str, Any] = {name: given[name] for name in (*_PLACE, "username", "db") if name in given}
    if "host" in changes:
        check_host(changes["host"], "host")
    if "password" in given:
        changes["password"] = to_secret(given["password"])
    if (changes.keys() & set(_PLACE)) and address.kind not in ("tcp", "tls"):
        address = replace(address, kind="tcp", path=None)
    files = {name.removeprefix("tls_"): given[name] for name in _FILES if name in given}
    verify = given.get("tls_verify")
    if files or verify is not None:
        if address.tls is None and not files:
            raise ConfigurationError("tls_verify needs TLS: a URL that begins with rediss://, or tls_ca_file")
        changes |= {"kind": "tls", "path": None, "tls": tls_with(address.tls or TlsFiles(), files, verify)}
    return replace(address, **changes)
