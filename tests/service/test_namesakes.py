"""Functions that share a name, and so the keys that are made of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pika_redis import MemoryCacheService, cache
from pika_redis.service import namesakes

service = MemoryCacheService()


@pytest.fixture(autouse=True)
def nobody_known(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    monkeypatch.setattr(namesakes, "_known", {})
    with caplog.at_level(logging.WARNING, "pika_redis"):
        yield


def adder(number: int, **options: Any) -> Any:
    @cache(service=service, **options)
    async def add(to: int) -> int:
        return to + number

    return add


def test_closures_of_one_factory_are_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    one = adder(1)
    assert caplog.text == ""
    assert one.key_for(1) == adder(2).key_for(1) == adder(3).key_for(1)
    (warning,) = caplog.messages
    assert f"{__name__}.adder.<locals>.add" in warning
    assert "prefix=" in warning


def test_other_lambdas_of_one_place_are_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    cache(lambda x: x + 1)
    cache(lambda x: x + 2)
    cache(lambda x: x + 3)
    (warning,) = caplog.messages
    assert "<lambda>" in warning
    assert "def" in warning


def test_a_function_whose_forerunner_is_gone_is_warned_about_too(caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        adder(number)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    "options",
    [
        lambda number: {"prefix": f"add{number}"},
        lambda number: {"version": number},
        lambda number: {"key_generator": lambda to: f"{number}:{to}"},
        lambda _: {"key_generator": "http_request"},
    ],
    ids=["prefix", "version", "callable", "http_request"],
)
def test_who_has_other_keys_is_left_in_peace(
    options: Callable[[int], dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        adder(number, **options(number))
    assert caplog.text == ""


def test_one_function_may_be_decorated_twice(caplog: pytest.LogCaptureFixture) -> None:
    number = 5

    def add(to: int) -> int:
        return to + number

    short: Callable[[int], int] = lambda to: to + 1  # noqa: E731
    for function in (add, short):
        for ttl in (10, 20):
            cache(ttl=ttl)(function)
    assert caplog.text == ""


def test_what_its_arguments_tell_apart_is_left_in_peace(caplog: pytest.LogCaptureFixture) -> None:
    lambdas = [cache(lambda x, n=n: x + n) for n in range(3)]
    assert len({one.key_for(1) for one in lambdas}) == 3
    for _ in range(2):

        @cache
        def plain(x: int) -> int:
            return x

    assert caplog.text == ""


def test_a_method_that_names_its_class_is_no_closure(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):

        class Base:
            def get(self, x: int) -> int:
                return x

        class Derived(Base):
            @cache
            def get(self, x: int) -> int:
                return super().get(x)

    assert caplog.text == ""


def test_the_memory_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(namesakes, "_MOST", 5)
    for number in range(20):
        adder(number, prefix=f"add{number}")
    assert len(namesakes._known) <= 5
    assert caplog.text == ""
