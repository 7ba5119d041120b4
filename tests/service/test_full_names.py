"""What keys are called on the server, and that this is remembered within bounds."""

from __future__ import annotations

from enum import StrEnum

import pytest

from pika_redis import ArgumentError, ArgumentTypeError
from pika_redis.service import full_names as room
from pika_redis.service.full_names import FullNames


class Letter(StrEnum):
    A = "a"


class Odd(str):
    """Equal to everything, in the place of everything."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("a")


def test_a_name_is_the_key_behind_the_prefix_and_is_made_once() -> None:
    names = FullNames("p:", 100)
    assert names["a"] == names.of("a") == "p:a"
    assert names["a"] is names.of("a")
    assert names.within("q:")["a"] == "q:a"


def test_a_key_of_another_class_is_read_as_text_and_finds_nothing_by_equality() -> None:
    names = FullNames("p:", 100)
    assert names["a"] == "p:a"
    assert names.of(Odd("b")) == "p:b"
    assert names.of(Letter.A) == "p:a"
    assert dict(names) == {"a": "p:a"}


@pytest.mark.parametrize(("key", "error"), [(["a"], ArgumentTypeError), (7, ArgumentTypeError), ("", ArgumentError)])
def test_what_is_no_key_is_refused_each_time(key: object, error: type[Exception]) -> None:
    names = FullNames("p:", 100)
    for _ in range(2):
        with pytest.raises(error):
            names.of(key)
    assert not names


def test_a_long_key_keeps_its_name() -> None:
    names = FullNames("p:", 40)
    long = "x" * 1000
    assert names[long] == names[long] == names.of(long)
    assert len(names[long]) < 100


def test_not_more_than_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MOST", 3)
    names = FullNames("p:", 100)
    for number in range(10):
        assert names[str(number)] == f"p:{number}"
        assert len(names) <= 3
