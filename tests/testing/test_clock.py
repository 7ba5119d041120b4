"""The clock that tests move by hand."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest

from pika_redis.testing import FakeClock, refuses


def test_time_stands_still_until_it_is_told_to_pass() -> None:
    clock = FakeClock()
    assert clock.monotonic() == clock.monotonic() == 1000.0
    clock.advance(1.5)
    clock.advance(0)
    clock.advance(dt.timedelta(minutes=1))
    clock.advance("1h30m")
    assert clock.monotonic() == 1000 + 1.5 + 60 + 5400
    assert FakeClock(5.0).monotonic() == 5.0


@pytest.mark.parametrize(
    ("duration", "error"),
    [
        (-1, ValueError),
        (math.inf, ValueError),
        (math.nan, ValueError),
        ("soon", ValueError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_time_does_not_go_back_and_never_ends(duration: Any, error: type[Exception]) -> None:
    clock = FakeClock()
    with refuses(error, "duration"):
        clock.advance(duration)
    assert clock.monotonic() == 1000.0
