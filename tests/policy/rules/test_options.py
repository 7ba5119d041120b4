"""What may be chosen, what is refused with which words, and how the choices of several levels combine."""

from __future__ import annotations

import gc
import math
import weakref
from datetime import timedelta
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis import ArgumentError, ArgumentTypeError, CacheError, ConfigurationError
from pika_redis.policy.rules.options import CacheOptions, Options, ServiceOptions, resolve

DEFAULTS = Options()


def test_the_defaults() -> None:
    expected = Options(
        ttl=3600.0,
        ttl_jitter=0.05,
        none_ttl=None,
        refresh_ahead=0.0,
        hard_timeout=30.0,
        store_if=None,
        context="caller",
        share=False,
        enabled=True,
    )
    assert expected == DEFAULTS


def test_nothing_given_changes_nothing() -> None:
    assert resolve(DEFAULTS, {}) is DEFAULTS


def is_even(value: int) -> bool:
    return value % 2 == 0


async def is_even_async(value: int) -> bool:
    return value % 2 == 0


@pytest.mark.parametrize(
    ("name", "given_value", "resolved"),
    [
        ("ttl", 60, 60.0),
        ("ttl", 0.001, 0.001),
        ("ttl", "10m", 600.0),
        ("ttl", "500ms", 0.5),
        ("ttl", timedelta(hours=1), 3600.0),
        ("ttl", math.inf, math.inf),
        ("ttl_jitter", 0, 0.0),
        ("ttl_jitter", 1, 1.0),
        ("ttl_jitter", 0.25, 0.25),
        ("none_ttl", 0, 0.0),
        ("none_ttl", "5s", 5.0),
        ("none_ttl", math.inf, math.inf),
        ("refresh_ahead", 0, 0.0),
        ("refresh_ahead", "1m", 60.0),
        ("hard_timeout", None, math.inf),
        ("hard_timeout", math.inf, math.inf),
        ("hard_timeout", 300, 300.0),
        ("hard_timeout", "301s", 301.0),
        ("hard_timeout", "500ms", 0.5),
        ("hard_timeout", timedelta(seconds=301), 301.0),
        ("stale_while_revalidate", "10m", 600.0),
        ("stale_if_error", 0, 0.0),
        ("soft_timeout", None, math.inf),
        ("soft_timeout", "500ms", 0.5),
        ("error_backoff", 2, 2.0),
        ("lease", "10s", 10.0),
        ("store_if", None, None),
        ("store_if", is_even, is_even),
        ("context", "clean", "clean"),
        ("share", True, True),
        ("enabled", False, False),
    ],
)
def test_what_may_be_given(name: str, given_value: object, resolved: object) -> None:
    assert getattr(resolve(DEFAULTS, {name: given_value}), name) == resolved


@pytest.mark.parametrize(
    ("name", "given_value", "says"),
    [
        ("ttl", "soon", "ttl='soon' is no duration"),
        ("ttl", None, "ttl must be seconds"),
        ("ttl", True, "not the bool True"),
        ("ttl", [60], "not list"),
        ("ttl_jitter", "5%", "ttl_jitter must be a number from 0 to 1, not str"),
        ("ttl_jitter", True, "not bool"),
        ("none_ttl", None, "none_ttl must be seconds"),
        ("refresh_ahead", False, "not the bool False"),
        ("hard_timeout", False, "not the bool False"),
        ("hard_timeout", b"1", "not bytes"),
        ("store_if", 1, "store_if must be a function of the result, not int"),
        ("store_if", is_even_async, "store_if must be a plain function"),
        ("version", 3, "version belongs to @cache"),
        ("ignore", ("session",), "ignore belongs to @cache"),
        ("share", 1, "share must be True or False, not int"),
        ("enabled", "no", "enabled must be True or False, not str"),
        ("enabled", None, "not NoneType"),
    ],
)
def test_a_wrong_type_is_a_type_error_that_says_what_was_meant(name: str, given_value: object, says: str) -> None:
    error = ArgumentError if says.startswith("ttl='") else ArgumentTypeError
    with pytest.raises(error, match=says):
        resolve(DEFAULTS, {name: given_value})


@pytest.mark.parametrize(
    ("given_options", "says"),
    [
        ({"ttl": 0}, "ttl must be at least 1 ms"),
        ({"ttl": -1}, "ttl must be at least 1 ms"),
        ({"ttl": math.nan}, "not NaN"),
        ({"ttl": 10**40}, "more than a hundred years"),
        ({"ttl_jitter": -0.1}, "ttl_jitter must be from 0 to 1, not -0.1"),
        ({"ttl_jitter": 5}, "ttl_jitter must be from 0 to 1, not 5"),
        ({"ttl_jitter": math.nan}, "ttl_jitter must be from 0 to 1, not nan"),
        ({"none_ttl": -1}, "none_ttl must not be negative, but is -1"),
        ({"refresh_ahead": -0.5}, "refresh_ahead must not be negative"),
        ({"refresh_ahead": 3600}, r"refresh_ahead \(3600 s\) must be shorter than ttl \(3600 s\)"),
        ({"refresh_ahead": "2h"}, r"refresh_ahead \(7200 s\) must be shorter than ttl \(3600 s\)"),
        ({"refresh_ahead": 60, "ttl": 60}, r"refresh_ahead \(60 s\) must be shorter than ttl \(60 s\)"),
        ({"refresh_ahead": math.inf, "ttl": math.inf}, "must be shorter"),
        ({"stale_while_revalidate": -1}, "stale_while_revalidate must not be negative, but is -1"),
        ({"stale_if_error": math.inf}, "stale_if_error must be finite"),
        ({"soft_timeout": 30}, r"soft_timeout \(30 s\) must be shorter than hard_timeout \(30 s\)"),
        ({"soft_timeout": 5, "hard_timeout": 4}, r"soft_timeout \(5 s\) must be shorter than hard_timeout \(4 s\)"),
        ({"soft_timeout": 500}, "soft_timeout=500 is in seconds and above 300"),
        ({"error_backoff": 0}, "error_backoff must be at least 1 ms"),
        ({"lease": 0}, "lease must be at least 1 ms"),
        ({"hard_timeout": 0}, "hard_timeout must be at least 1 ms"),
        (
            {"hard_timeout": 500},
            "hard_timeout=500 is in seconds and above 300; if that is meant write '500s', .* '500ms'",
        ),
        ({"hard_timeout": 300.5}, "above 300"),
        ({"context": "none"}, "context must be 'caller' or 'clean', not 'none'"),
        ({"context": ["clean"]}, "context must be"),
    ],
)
def test_a_value_that_makes_no_sense_is_a_value_error(given_options: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says) as caught:
        resolve(DEFAULTS, given_options)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("refresh_ahed", "refresh_ahead"),
        ("tll", "ttl"),
        ("hardtimeout", "hard_timeout"),
        ("ttl_jiter", "ttl_jitter"),
        ("verson", "version"),
    ],
)
def test_a_misspelt_option_is_refused_with_the_one_that_was_meant(wrong: str, meant: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"unknown option '{wrong}'; did you mean '{meant}'"):
        resolve(DEFAULTS, {wrong: 1})


def test_an_unknown_option_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(
        ArgumentTypeError,
        match=r"unknown option 'xyzzy' \(allowed: consistency, .*ttl_jitter; @cache takes ignore, version too\)",
    ):
        resolve(DEFAULTS, {"xyzzy": 1})


def test_the_declared_the_resolved_and_the_checked_options_are_the_same() -> None:
    declared = set(get_type_hints(ServiceOptions))
    assert set(get_type_hints(CacheOptions)) - declared == {"version", "ignore"}
    assert declared == set(get_type_hints(Options)) == set(Options.__dataclass_fields__)
    for name in declared:
        with pytest.raises(CacheError):
            resolve(DEFAULTS, {name: object()})


def test_later_levels_win_and_leave_the_rest() -> None:
    service = resolve(DEFAULTS, {"ttl": "1h", "share": True})
    decorator = resolve(service, {"ttl": 60, "refresh_ahead": 10})
    assert resolve(decorator, {"share": False}) == Options(ttl=60.0, refresh_ahead=10.0)


def test_without_a_hard_timeout_any_soft_one_will_do() -> None:
    assert resolve(DEFAULTS, {"soft_timeout": 299, "hard_timeout": None}).soft_timeout == 299


@pytest.mark.parametrize(("windows", "kept"), [((0, 0), 0), ((5, 0), 5), ((5, 60), 60), ((60, 5), 60)])
def test_an_entry_is_kept_for_the_longer_of_its_windows(windows: tuple[float, float], kept: float) -> None:
    given_options = {"stale_while_revalidate": windows[0], "stale_if_error": windows[1]}
    assert resolve(DEFAULTS, given_options).extra == kept


def test_an_inherited_window_does_not_outlast_a_shorter_ttl() -> None:
    decorator = resolve(DEFAULTS, {"refresh_ahead": 60})
    assert resolve(decorator, {"ttl": 30}) == Options(ttl=30.0, refresh_ahead=0.0)
    assert resolve(decorator, {"ttl": 90}) == Options(ttl=90.0, refresh_ahead=60.0)


@pytest.mark.parametrize(
    ("none_ttl", "value", "lives"),
    [(None, None, 60.0), (None, 0, 60.0), (5.0, None, 5.0), (0.0, None, 0.0), (5.0, 0, 60.0), (5.0, "", 60.0)],
)
def test_the_ttl_of_a_loaded_value(none_ttl: float | None, value: object, lives: float) -> None:
    assert Options(ttl=60.0, none_ttl=none_ttl).ttl_of(value) == lives


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=4),
    st.timedeltas(), st.lists(st.text(max_size=3), max_size=2), st.sampled_from([is_even, object(), Options]),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*Options.__dataclass_fields__, "unknown"]), ANYTHING, max_size=4))
def test_whatever_is_given_is_resolved_to_sense_or_refused_by_an_error_of_ours(given_options: dict[str, Any]) -> None:
    try:
        options = resolve(DEFAULTS, given_options)
    except (ArgumentError, ArgumentTypeError):
        return
    assert options.ttl > 0
    assert 0 <= options.ttl_jitter <= 1
    assert options.none_ttl is None or options.none_ttl >= 0
    assert 0 <= options.refresh_ahead < options.ttl
    assert options.hard_timeout > 0
    assert resolve(DEFAULTS, given_options) == options


def test_configuration_errors_are_told_from_single_wrong_values() -> None:
    with pytest.raises(ConfigurationError):
        resolve(DEFAULTS, {"refresh_ahead": 4000})


# -- what is asked for again ------------------------------------------------------------------------------------------


def test_what_was_resolved_once_is_not_resolved_again() -> None:
    base = Options(lease=7.0)
    first = resolve(base, {"ttl": 60, "refresh_ahead": "5s"})
    assert resolve(base, {"ttl": 60, "refresh_ahead": "5s"}) is first
    assert resolve(base, {"ttl": 61, "refresh_ahead": "5s"}).ttl == 61
    assert resolve(Options(), {"ttl": 60, "refresh_ahead": "5s"}).lease == Options().lease


def test_what_is_equal_and_of_another_type_is_judged_by_itself() -> None:
    base = Options()
    assert resolve(base, {"ttl": 1}).ttl == 1
    with pytest.raises(ArgumentTypeError):
        resolve(base, {"ttl": True})
    assert resolve(base, {"share": True}).share
    with pytest.raises(ArgumentTypeError):
        resolve(base, {"share": 1})


def test_a_function_is_not_kept_alive_by_the_options_it_was_given_for() -> None:
    base = Options()

    def store_if(value: object) -> bool:
        return value is not None

    alive = weakref.ref(store_if)
    assert resolve(base, {"store_if": store_if}).store_if is store_if
    del store_if
    gc.collect()
    assert alive() is None


def test_a_value_that_has_no_hash_is_judged_like_any_other() -> None:
    with pytest.raises(ArgumentTypeError):
        resolve(Options(), {"ttl": [60]})


def test_a_function_whose_class_has_no_hash_is_a_function_like_any_other() -> None:
    class Meta(type):
        def __eq__(cls, other: object) -> bool:
            return cls is other

        __hash__ = None  # type: ignore[assignment]

    class Wanted(metaclass=Meta):
        def __call__(self, value: object) -> bool:
            return True

    store_if = Wanted()
    assert resolve(Options(), {"store_if": store_if}).store_if is store_if


def test_endlessly_many_different_options_take_no_endless_room() -> None:
    base = Options()
    for ttl in range(1, 2_000):
        assert resolve(base, {"ttl": ttl}).ttl == ttl
    assert len(base.remembered) <= 64
