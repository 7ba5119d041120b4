"""What a service was called with, settled into one `RedisConfig`.

Keywords are the variables' names without REDIS_ or CACHE_ in front, in lower case. Their durations are in seconds (or
a `timedelta`, or text with a unit), unlike the environment's: so a bare timeout above 300 is refused, since it was
most likely meant in milliseconds.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from ..errors import ConfigurationError
from ..model.duration import Duration, to_seconds, to_ttl
from ..model.secret import Secret
from ..policy.rules.options import KEY_OPTIONS, OPTION_NAMES
from ..wire.address import parse_url
from .address_parts import ADDRESS_NAMES, refuse_contradiction, with_parts
from .redis_config import RedisConfig
from .settings import CacheSettings

__all__ = ["SETTING_NAMES", "resolve", "unknown_keyword"]

_LONGEST_BARE_TIMEOUT = 300
_TIMEOUTS = frozenset({"connect_timeout", "command_timeout", "stall_timeout", "retry_delay", "degraded_ttl"})

SETTING_NAMES = (
    ADDRESS_NAMES
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
        "max_connection_age",
        "sentinel_proof",
        "credentials",
        "lazy_connect",
    }
)
"""The keywords of `resolve`. `ttl` is short for `default_cache_ttl`; `lazy_connect`, `credentials` have no variable."""


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
        refuse_contradiction(base.address, given)
    changes: dict[str, Any] = {name: _value(name, given[name]) for name in given if name not in ADDRESS_NAMES}
    return replace(base, address=with_parts(base.address, given), **changes)


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
    if name == "max_connection_age":
        return math.inf if value == 0 else to_seconds(cast("Duration", value), name)
    if name not in _TIMEOUTS:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and value > _LONGEST_BARE_TIMEOUT:
        raise ConfigurationError(
            f"{name}={value} is in seconds here; for milliseconds write '{value}ms', for so many seconds '{value}s'"
        )
    return to_seconds(cast("Duration", value), name)
