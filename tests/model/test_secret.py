from __future__ import annotations

import copy
import json
import pickle

import pytest

from pika_redis.errors import ArgumentTypeError
from pika_redis.model.secret import Secret

TEXT = "hunter2"


@pytest.mark.parametrize("shown", ["{!r}", "{!s}", "{}", "{:>20}", "{!a}"])
def test_a_secret_prints_as_stars(shown: str) -> None:
    assert shown.format(Secret(TEXT)) == "***"


def test_a_container_of_secrets_prints_stars() -> None:
    assert str({"password": [Secret(TEXT)]}) == "{'password': [***]}"


def test_the_percent_operator_shows_stars() -> None:
    assert "%s %r" % (Secret(TEXT), Secret(TEXT)) == "*** ***"  # noqa: UP031 (what old logging calls do)


def test_it_tells_when_asked_by_name() -> None:
    assert Secret(TEXT).reveal() == TEXT


def test_equality_is_by_text() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))
    assert hash(Secret(TEXT)) != hash(TEXT)
    assert Secret("\ud800") == Secret("\ud800")


def test_copies_are_the_object_itself() -> None:
    secret = Secret(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol: int) -> None:
    with pytest.raises(ArgumentTypeError, match="can't be pickled"):
        pickle.dumps(Secret(TEXT), protocol)


def test_it_has_no_attributes_to_dump() -> None:
    assert not hasattr(Secret(TEXT), "__dict__")
    with pytest.raises(TypeError):
        json.dumps(Secret(TEXT))


def test_only_text_is_a_secret() -> None:
    with pytest.raises(ArgumentTypeError, match="not bytes"):
        Secret(b"x")  # type: ignore[arg-type]
