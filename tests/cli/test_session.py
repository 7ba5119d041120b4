from __future__ import annotations

import threading

import pytest

from pika_redis.cli.session import _LookUps


def test_a_look_up_gives_its_result_or_its_error() -> None:
    look_ups = _LookUps()
    assert look_ups.submit(divmod, 7, 2).result(timeout=10) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        look_ups.submit(divmod, 7, 0).result(timeout=10)


def test_a_look_up_that_nobody_waits_for_any_more_ends_without_a_word() -> None:
    look_ups = _LookUps()
    answered = threading.Event()
    look_up = look_ups.submit(answered.wait)
    look_ups.shutdown(wait=True)  # returns although the look-up is under way
    assert not look_up.cancel()
    answered.set()
    assert look_up.result(timeout=10) is True
