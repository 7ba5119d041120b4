"""When an entry is fresh, due for a refresh, or stale."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis.model.entry import Entry
from pika_redis.policy.rules.freshness import Verdict, Windows, jittered, judge

FRESH, REFRESH, REVALIDATE, SPARE, STALE = Verdict


def entry(fresh_ms: int, born_ms: int = 0, *, marked: bool = False) -> Entry:
    return Entry(b"V12345678", born_ms, fresh_ms, marked, None)


@pytest.mark.parametrize(
    ("fresh_ms", "born_ms", "now_ms", "window_ms", "verdict"),
    [
        (100, 0, 0, 0, FRESH),
        (100, 0, 99, 0, FRESH),
        (100, 0, 100, 0, STALE),
        (100, 0, 10_000, 0, STALE),
        (100, 0, 69, 30, FRESH),
        (100, 0, 70, 30, REFRESH),
        (100, 0, 99, 30, REFRESH),
        (100, 0, 100, 30, STALE),
        (100, 1000, 0, 0, FRESH),  # born in the future: a clock is wrong, the entry is new
        (100, 1000, 0, 30, FRESH),
        (100, 1000, 1100, 30, STALE),
        (100, 0, 49, 100, FRESH),  # the window is as long as the life: its last half
        (100, 0, 50, 100, REFRESH),
        (100, 0, 49, math.inf, FRESH),
        (1, 0, 0, 30, FRESH),
        (1, 0, 1, 30, STALE),
        (0, 0, 10**15, 0, FRESH),  # no expiry
        (0, 0, 10**15, 30, FRESH),
    ],
)
def test_the_verdict_on_an_entry(fresh_ms: int, born_ms: int, now_ms: int, window_ms: float, verdict: Verdict) -> None:
    assert judge(entry(fresh_ms, born_ms), now_ms, Windows(window_ms)) is verdict


@pytest.mark.parametrize("fresh_ms", [0, 100])
def test_an_entry_that_was_marked_stale_is_stale_at_any_age(fresh_ms: int) -> None:
    assert judge(entry(fresh_ms, marked=True), 0, Windows()) is STALE


@pytest.mark.parametrize(
    ("now_ms", "verdict"),
    [(99, FRESH), (100, REVALIDATE), (149, REVALIDATE), (150, SPARE), (299, SPARE), (300, STALE)],
)
def test_the_verdict_on_an_entry_past_its_time(now_ms: int, verdict: Verdict) -> None:
    assert judge(entry(100), now_ms, Windows(revalidate_ms=50, spare_ms=200)) is verdict


def test_an_entry_that_was_marked_stale_is_treated_as_if_it_had_expired_just_now() -> None:
    assert judge(entry(100, marked=True), 30, Windows(revalidate_ms=50)) is REVALIDATE
    assert judge(entry(100, marked=True), 30, Windows(spare_ms=50)) is SPARE
    assert judge(entry(0, marked=True), 10**9, Windows(spare_ms=50)) is SPARE
    assert judge(entry(100, marked=True), 149, Windows(revalidate_ms=50)) is REVALIDATE
    assert judge(entry(100, marked=True), 150, Windows(revalidate_ms=50)) is STALE


MS = st.integers(0, 10**12)


@given(fresh_ms=st.integers(1, 10**12), born_ms=MS, now_ms=MS, later=MS, window_ms=st.floats(0, 1e12))
def test_a_verdict_never_gets_better_with_time(
    fresh_ms: int, born_ms: int, now_ms: int, later: int, window_ms: float
) -> None:
    order = [FRESH, REFRESH, REVALIDATE, SPARE, STALE]
    now, then = (
        order.index(judge(entry(fresh_ms, born_ms), at, Windows(window_ms, window_ms, window_ms * 2)))
        for at in (now_ms, now_ms + later)
    )
    assert now <= then


@given(fresh_ms=st.integers(2, 10**9), window_ms=st.floats(0, 1e12))
def test_an_entry_is_never_due_for_a_refresh_when_it_is_new(fresh_ms: int, window_ms: float) -> None:
    assert judge(entry(fresh_ms), 0, Windows(window_ms)) is FRESH


@given(ttl=st.floats(0.001, 1e9), share=st.floats(0, 1), roll=st.floats(0, 1, exclude_max=True))
def test_jitter_shortens_by_at_most_its_share_and_never_lengthens(ttl: float, share: float, roll: float) -> None:
    life = jittered(ttl, share, roll)
    assert ttl * (1 - share) * (1 - 1e-9) <= life <= ttl


@pytest.mark.parametrize(
    ("share", "roll", "life"), [(0.0, 0.9, 100.0), (0.05, 0.0, 100.0), (0.05, 0.5, 97.5), (1.0, 0.25, 75.0)]
)
def test_jitter_by_example(share: float, roll: float, life: float) -> None:
    assert jittered(100.0, share, roll) == pytest.approx(life)


def test_no_expiry_stays_no_expiry() -> None:
    assert jittered(math.inf, 1.0, 0.99) == math.inf
