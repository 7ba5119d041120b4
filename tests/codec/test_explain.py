"""The path of a refused object, in structures of any shape."""

from __future__ import annotations

from typing import Any

import pytest

from pika_redis.codec.explain import TOO_DEEP, Refused, explain


def no_members(value: object) -> None:
    return None


def test_an_object_behind_a_circle_is_found() -> None:
    culprit = object()
    circle: list[Any] = []
    circle += [circle, {"again": circle}, (circle, culprit)]
    error = explain({"a": circle}, Refused("no", culprit), no_members)
    assert error.path == "$.a[2][1]"


def test_parts_that_are_shared_are_walked_once() -> None:
    culprit = object()
    shared: list[Any] = [1]
    for _ in range(200):
        shared = [shared, shared]
    error = explain([shared, culprit], Refused("no", culprit), no_members)
    assert error.path == "$[1]"


@pytest.mark.parametrize("reason", ["no", TOO_DEEP])
def test_an_object_that_is_not_met_is_looked_for_in_vain(reason: str) -> None:
    assert explain({"a": [1]}, Refused(reason, object()), no_members).path == "$"


def test_a_long_path_is_cut_in_the_message_alone() -> None:
    culprit = object()
    value: Any = culprit
    for _ in range(100):
        value = {"some_name": [value]}
    error = explain(value, Refused("no", culprit), no_members)
    assert error.path == "$" + ".some_name[0]" * 100
    assert len(str(error)) < 300
    assert "…" in str(error)


def test_the_first_culprit_stays_the_one_to_blame() -> None:
    inner, outer = object(), object()
    refused = Refused("no")
    refused.blame(inner)
    refused.blame(outer)
    assert refused.culprit is inner
