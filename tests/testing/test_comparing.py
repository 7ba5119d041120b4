"""Comparing long lists without a diff of all of them."""

from __future__ import annotations

import pytest

from pika_redis.testing.conformance.comparing import unlike


@pytest.mark.parametrize(
    ("got", "wanted", "places"),
    [
        ([1, 2], [1, 2], []),
        ([1, 3], [1, 2], [1]),
        ([1], [1, 2], [1]),
        ([1, 2, 3], [1], [1, 2]),
        (["<nothing>"], [], [0]),
        ([None], [], [0]),
        (range(9), range(1, 10), [0, 1, 2]),
    ],
)
def test_the_first_three_differences_are_told(got: list[object], wanted: list[object], places: list[int]) -> None:
    assert [place for place, _, _ in unlike(got, wanted)] == places


def test_what_is_there_and_what_should_be_is_shown() -> None:
    assert repr(unlike(["a"], ["b", "c"])) == "[(0, 'a', 'b'), (1, <nothing>, 'c')]"
