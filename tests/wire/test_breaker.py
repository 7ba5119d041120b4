"""The rule of the breaker, on times that are told."""

from __future__ import annotations

import pytest

from pika_redis.wire.breaker import LEAST, STALLS, WINDOW, Breaker


def test_a_few_refused_calls_do_not_open_it() -> None:
    breaker = Breaker()
    assert not any(breaker.refused(1.0, number) for number in range(1, LEAST))
    assert not breaker.is_open
    assert breaker.refused(1.0, LEAST)
    assert breaker.is_open


def test_it_says_once_that_it_opens() -> None:
    breaker = Breaker()
    assert [breaker.refused(1.0, number) for number in range(1, LEAST + 5)].count(True) == 1


@pytest.mark.parametrize(("asked_between", "opens"), [(1, True), (2, True), (3, False), (100, False)])
def test_what_counts_is_the_share_of_refused_calls(asked_between: int, opens: bool) -> None:
    breaker = Breaker()
    asked = 0
    for _ in range(10 * LEAST):
        asked += asked_between
        breaker.refused(1.0, asked)
    assert breaker.is_open is opens


def test_failures_of_long_ago_do_not_count() -> None:
    breaker = Breaker()
    for number in range(20 * LEAST):
        breaker.refused(number * 1.1 * WINDOW / (LEAST - 1), number)
    assert not breaker.is_open


def test_a_few_stalls_open_it_however_many_calls_went_well() -> None:
    breaker = Breaker()
    assert [breaker.stalled(1.0 + number, 10**6 * number) for number in range(STALLS)] == [False] * (STALLS - 1) + [
        True
    ]


def test_stalls_far_apart_do_not() -> None:
    breaker = Breaker()
    assert not any(breaker.stalled(number * WINDOW, number) for number in range(10))


def test_the_pauses_between_probes_grow_up_to_a_bound() -> None:
    breaker = Breaker()
    assert [breaker.pause(1.0) for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert breaker.pause(0.0) == 5.0


def test_after_a_time_of_calm_they_begin_anew() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.pause()
    breaker.close(100.0, 0)
    breaker.stalled(100.0 + 3 * WINDOW, 0)
    assert breaker.pause(1.0) == 0.5


def test_closed_again_it_counts_anew() -> None:
    breaker = Breaker()
    for number in range(1, LEAST + 1):
        breaker.refused(1.0, number)
    breaker.close(2.0, LEAST)
    assert not breaker.is_open
    assert not any(breaker.refused(2.0, LEAST + number) for number in range(1, LEAST))
