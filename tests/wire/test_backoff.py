"""How long to wait before trying again, and how often one may."""

from __future__ import annotations

import pytest

from pika_redis.wire.backoff import LONGEST_DELAY, Bucket, RetryPolicy, reconnect_delay


def test_a_bucket_allows_so_many_at_once_and_then_so_many_a_second() -> None:
    bucket = Bucket(3, per_second=2)
    assert [bucket.take(100.0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take(100.4), bucket.take(100.5), bucket.take(100.6)] == [False, True, False]
    assert [bucket.take(101.0), bucket.take(101.0)] == [True, False]


def test_a_bucket_never_holds_more_than_its_most() -> None:
    bucket = Bucket(3, per_second=2)
    assert [bucket.take(1e6) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(2e6) for _ in range(4)] == [True, True, True, False]


def test_asking_in_vain_takes_nothing() -> None:
    bucket = Bucket(1, per_second=1)
    assert bucket.take(10.0)
    assert not any(bucket.take(10.0 + tenth / 10) for tenth in range(1, 10))
    assert bucket.take(11.01)


@pytest.mark.parametrize(
    ("failures", "most"), [(1, 0.1), (2, 0.2), (5, 1.6), (8, LONGEST_DELAY), (10**9, LONGEST_DELAY)]
)
def test_the_pause_before_a_connect_is_anything_up_to_a_bound_that_doubles(failures: int, most: float) -> None:
    assert reconnect_delay(failures, 1.0) == pytest.approx(most)
    assert reconnect_delay(failures, 0.0) == 0
    assert 0 <= reconnect_delay(failures) <= most


def test_the_pause_before_a_repeat_doubles_and_is_jittered_downwards() -> None:
    policy = RetryPolicy(delay=0.5)
    assert [policy.pause(attempt, 1.0) for attempt in range(3)] == [0.5, 1.0, 2.0]
    assert [policy.pause(attempt, 0.0) for attempt in range(3)] == [0.25, 0.5, 1.0]
    assert 0.25 <= policy.pause(0) <= 0.5
