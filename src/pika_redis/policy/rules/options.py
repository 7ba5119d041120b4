"""What a caller may choose about one cached thing, and how the choices of service, decorator and call combine.

Options are resolved once, where they are given, into a frozen `Options` in plain seconds. Below the public face
nobody sees a keyword argument.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, TypedDict, cast

from ...errors import ArgumentTypeError, ConfigurationError
from ...model.duration import Duration, to_seconds, to_ttl
from .freshness import Windows

__all__ = [
    "KEY_OPTIONS",
    "OPTION_NAMES",
    "CacheOptions",
    "Consistency",
    "LoadOptions",
    "OnUnavailable",
    "Options",
    "ServiceOptions",
    "check_consistency",
    "check_on_unavailable",
    "resolve",
]

_LONGEST_BARE_TIMEOUT = 300.0
Consistency: TypeAlias = Literal["eventual", "strict"]
OnUnavailable: TypeAlias = Literal["degrade", "raise"]


class LoadOptions(TypedDict, total=False):
    """The keyword options of `get_or_load` beside `ttl` and `tags`. Durations: seconds, timedelta or "10m"."""

    ttl_jitter: float
    """Share by which a loaded value's ttl is shortened at random, 0 to 1. Default 0.05."""
    none_ttl: Duration
    """The ttl of a loaded None; 0 = don't store None. Default: the ttl."""
    refresh_ahead: Duration
    """How long before expiry a read triggers a load in the background. Default 0, never."""
    stale_while_revalidate: Duration
    """How long after expiry a value is served while it is loaded again in the background. Default 0, not at all."""
    stale_if_error: Duration
    """How long after expiry a value is served when the load fails or takes longer than `soft_timeout`. Default 0."""
    soft_timeout: Duration | None
    """How long callers wait for a load when there is a value to serve instead; the load goes on. Default: no limit."""
    error_backoff: Duration
    """How long after a failed load the next one waits while there is something to serve instead. Default 1."""
    lease: Duration
    """After how long without a sign of life another process takes over a load. Default 5."""
    hard_timeout: Duration | None
    """How long a load may take before its callers get LoadTimeoutError; None = as long as it likes. Default 30."""
    store_if: Callable[[Any], bool] | None
    """Whether a loaded value is stored. Default: always."""
    consistency: Consistency
    """"strict" asks the server whatever this process holds. Default "eventual"."""
    context: Literal["caller", "clean"]
    """Whether a load sees a copy of its caller's context variables or none. Default "caller"."""
    on_unavailable: OnUnavailable
    """Without the server: "degrade" answers from this process's memory, "raise" raises. Default "degrade"."""
    degraded_ttl: Duration
    """The longest life of a value in this process's memory while the server is gone. Default 30."""
    share: bool
    """Give all readers in this process the same object, even a mutable one. Default False."""
    enabled: bool
    """False: always load, store nothing. Default True."""


class ServiceOptions(LoadOptions, total=False):
    """The keyword options of `with_options`."""

    ttl: Duration
    """How long a value is fresh. `math.inf` = no expiry. Default 3600."""


class CacheOptions(ServiceOptions, total=False):
    """The keyword options of `@cache`."""

    version: int | str
    """Part of the key: raise it when the meaning of the function's result changes. Default 0."""
    ignore: Sequence[str]
    """Parameters of the decorated function that do not enter the key."""


_LASTING: Final = frozenset((int, float, str, bool, type(None), timedelta))
"""Classes of values that may be remembered: they hold on to nothing, and their hash is their content."""
_MOST_REMEMBERED: Final = 64


@dataclass(frozen=True)
class Options:
    """Resolved options; durations in seconds."""

    ttl: float = 3600.0
    ttl_jitter: float = 0.05
    none_ttl: float | None = None
    refresh_ahead: float = 0.0
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    soft_timeout: float = math.inf
    error_backoff: float = 1.0
    lease: float = 5.0
    hard_timeout: float = 30.0
    store_if: Callable[[Any], bool] | None = None
    consistency: Consistency = "eventual"
    context: Literal["caller", "clean"] = "caller"
    on_unavailable: OnUnavailable = "degrade"
    degraded_ttl: float = 30.0
    share: bool = False
    enabled: bool = True

    @property
    def extra(self) -> float:
        """Seconds for which an entry is kept after its expiry."""
        return max(self.stale_while_revalidate, self.stale_if_error)

    @cached_property
    def strict(self) -> bool:
        """Whether the server has to be asked, whatever this process holds."""
        return self.consistency == "strict"

    @property
    def raises(self) -> bool:
        """Whether the want of a server is an error to the caller."""
        return self.on_unavailable == "raise"

    @cached_property
    def windows(self) -> Windows:
        """The times around expiry, as the rule for freshness takes them."""
        return Windows(self.refresh_ahead * 1000, self.stale_while_revalidate * 1000, self.stale_if_error * 1000)

    @cached_property
    def remembered(self) -> dict[object, Options]:
        """What was resolved over these: a service is asked for the same few again and again."""
        return {}

    def ttl_of(self, value: object) -> float:
        """The time to live of a loaded value; 0 = it is not to be stored."""
        return self.none_ttl if value is None and self.none_ttl is not None else self.ttl


def resolve(base: Options, given: Mapping[str, object]) -> Options:
    """`base` with what is given laid over it.

    Raises ArgumentTypeError for an unknown name or a wrong type, ArgumentError or ConfigurationError (ValueErrors)
    for values and combinations that make no sense.
    """
    if not given:
        return base
    kinds = tuple(map(type, given.values()))
    try:
        lasting = _LASTING.issuperset(kinds)
    except TypeError:  # a metaclass left its class without a hash
        lasting = False
    if not lasting:
        return _laid_over(base, given)
    asked = (*given, *given.values(), *kinds)  # the kinds too: 1 == True
    options = base.remembered.get(asked)
    if options is None:
        options = _laid_over(base, given)
        if len(base.remembered) >= _MOST_REMEMBERED:
            base.remembered.clear()
        base.remembered[asked] = options
    return options


def _laid_over(base: Options, given: Mapping[str, object]) -> Options:
    changes: dict[str, Any] = {}
    for name, value in given.items():
        check = _CHECKS.get(name)
        if check is None:
            raise ArgumentTypeError(_unknown(name))
        changes[name] = check(name, value)
    options = dataclasses.replace(base, **changes)
    if "soft_timeout" in given and options.hard_timeout <= options.soft_timeout < math.inf:
        raise ConfigurationError(
            f"soft_timeout ({options.soft_timeout:g} s) must be shorter than hard_timeout ({options.hard_timeout:g} s)"
        )
    if options.refresh_ahead and options.refresh_ahead >= options.ttl:
        if "refresh_ahead" in given:
            raise ConfigurationError(
                f"refresh_ahead ({options.refresh_ahead:g} s) must be shorter than ttl ({options.ttl:g} s)"
            )
        return dataclasses.replace(options, refresh_ahead=0.0)  # meant for the longer ttl of the level above
    return options


def _unknown(name: str) -> str:
    if name in KEY_OPTIONS:
        return f"{name} belongs to @cache(...), whose keys it shapes; here whoever writes the key decides what is in it"
    near = difflib.get_close_matches(name, [*_CHECKS, *KEY_OPTIONS], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    allowed = f"{', '.join(sorted(_CHECKS))}; @cache takes {', '.join(sorted(KEY_OPTIONS))} too"
    return f"unknown option {name!r}{hint} (allowed: {allowed})"


def _share_of(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentTypeError(f"{name} must be a number from 0 to 1, not {type(value).__name__}")
    if not 0 <= value <= 1:
        raise ConfigurationError(f"{name} must be from 0 to 1, not {value!r}")
    return float(value)


def _zero_or_more(name: str, value: object) -> float:
    seconds = to_seconds(cast("Duration", value), name)
    if seconds < 0:
        raise ConfigurationError(f"{name} must not be negative, but is {value!r}")
    return seconds


def _window(name: str, value: object) -> float:
    seconds = _zero_or_more(name, value)
    if math.isinf(seconds):
        raise ConfigurationError(
            f"{name} must be finite: an entry that is kept for ever has no expiry to be stale after"
        )
    return seconds


def _ttl(name: str, value: object) -> float:
    return to_ttl(cast("Duration", value), name)


def _timeout(name: str, value: object) -> float:
    if value is None:
        return math.inf
    if isinstance(value, int | float) and not isinstance(value, bool) and _LONGEST_BARE_TIMEOUT < value < math.inf:
        raise ConfigurationError(
            f"{name}={value!r} is in seconds and above {_LONGEST_BARE_TIMEOUT:g}; "
            f"if that is meant write '{value}s', if milliseconds '{value}ms'"
        )
    return to_ttl(cast("Duration", value), name)


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def _predicate(name: str, value: object) -> object:
    if value is not None and not callable(value):
        raise ArgumentTypeError(f"{name} must be a function of the result, not {type(value).__name__}")
    if inspect.iscoroutinefunction(value):
        raise ArgumentTypeError(f"{name} must be a plain function: what an async one gives is always true")
    return value


def check_consistency(name: str, value: object) -> Consistency:
    """One of the two. Raises ConfigurationError for anything else."""
    if value not in ("eventual", "strict"):
        raise ConfigurationError(f"{name} must be 'eventual' or 'strict', not {value!r}")
    return value


def _context(name: str, value: object) -> object:
    if value not in ("caller", "clean"):
        raise ConfigurationError(f"{name} must be 'caller' or 'clean', not {value!r}")
    return value


def check_on_unavailable(name: str, value: object) -> OnUnavailable:
    """One of the two. Raises ConfigurationError for anything else."""
    if value not in ("degrade", "raise"):
        raise ConfigurationError(f"{name} must be 'degrade' or 'raise', not {value!r}")
    return value


_CHECKS: Mapping[str, Callable[[str, object], object]] = {
    "ttl": _ttl,
    "ttl_jitter": _share_of,
    "none_ttl": _zero_or_more,
    "refresh_ahead": _zero_or_more,
    "stale_while_revalidate": _window,
    "stale_if_error": _window,
    "soft_timeout": _timeout,
    "error_backoff": _ttl,
    "lease": _ttl,
    "hard_timeout": _timeout,
    "store_if": _predicate,
    "consistency": check_consistency,
    "context": _context,
    "on_unavailable": check_on_unavailable,
    "degraded_ttl": _ttl,
    "share": _boolean,
    "enabled": _boolean,
}
OPTION_NAMES = frozenset(_CHECKS)
KEY_OPTIONS = frozenset(("ignore", "version"))
"""What `@cache` takes beside them: it shapes the key."""
