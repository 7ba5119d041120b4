from __future__ import annotations

import enum

import pytest

from pika_redis.errors import ArgumentError, ArgumentTypeError, CacheError
from pika_redis.model.entry import MAX_TAG_BYTES, MAX_TAGS
from pika_redis.service.key_checks import check_key, check_keys, check_tags


class Name(enum.StrEnum):
    A = "a"


@pytest.mark.parametrize("key", ["a", "user:1", "é", "😀", " ", "a#", "x" * 10_000, "\x00\r\n"])
def test_any_other_string_is_a_key(key: str) -> None:
    assert check_key(key) == key


def test_a_subclass_of_str_becomes_a_plain_str() -> None:
    assert type(check_key(Name.A)) is str
    assert [type(tag) for tag in check_tags([Name.A])] == [str]


@pytest.mark.parametrize("key", [None, 1, b"a", ["a"], object()])
def test_a_key_that_is_no_string_is_a_type_error(key: object) -> None:
    with pytest.raises(ArgumentTypeError, match=f"a key must be a str, not {type(key).__name__}") as caught:
        check_key(key)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "must not be empty"),
        ("#", "must not begin with '#'"),
        ("#t:user", "must not begin with '#'.*'#t:user'"),
        ("#é", "must not begin with '#'"),
        ("a\ud800", "lone surrogate"),
    ],
)
def test_a_string_that_cannot_be_a_key_is_a_value_error(key: str, problem: str) -> None:
    with pytest.raises(ArgumentError, match=problem) as caught:
        check_key(key)
    assert isinstance(caught.value, ValueError)
    assert caught.value.__context__ is None


def test_several_keys_come_as_a_list() -> None:
    assert check_keys(["a", "b", "a"]) == ["a", "b", "a"]
    assert check_keys(key for key in ("a", "b")) == ["a", "b"]
    assert check_keys(()) == []


@pytest.mark.parametrize("check", [check_keys, check_tags])
@pytest.mark.parametrize(
    ("values", "problem"),
    [("user", r"for this one write \['user'\]"), (b"user", "not bytes"), (1, "not int"), (None, "not NoneType")],
)
def test_one_where_several_are_meant_is_a_type_error(check: object, values: object, problem: str) -> None:
    assert callable(check)
    with pytest.raises(ArgumentTypeError, match=problem):
        check(values)


def test_a_bad_one_among_several_is_refused() -> None:
    with pytest.raises(ArgumentTypeError):
        check_keys(["a", 1])
    with pytest.raises(ArgumentError):
        check_keys(["a", ""])


def test_tags_come_once_each_in_order() -> None:
    assert check_tags(["b", "a", "b"]) == ("b", "a")
    assert check_tags(()) == ()
    assert check_tags({"a"}) == ("a",)


@pytest.mark.parametrize(
    ("tags", "error", "problem"),
    [
        (["a", 1], ArgumentTypeError, "a tag must be a str, not int"),
        ([""], ArgumentError, "a tag must not be empty"),
        ([str(number) for number in range(MAX_TAGS + 1)], ArgumentError, "at most 64 tags, not 65"),
    ],
)
def test_tags_that_cannot_be_are_refused(tags: object, error: type[CacheError], problem: str) -> None:
    with pytest.raises(error, match=problem):
        check_tags(tags)


def test_the_longest_tags_and_the_most_are_taken() -> None:
    tags = tuple(f"{number:04}" + "é" * ((MAX_TAG_BYTES - 4) // 2) for number in range(MAX_TAGS))
    assert check_tags(tags) == tags
    assert check_tags(tags * 2) == tags


def test_a_tag_that_is_too_long_or_cannot_be_encoded_is_named_by_head_and_digest() -> None:
    long, other, lone = "é" * (MAX_TAG_BYTES // 2) + "a", "é" * (MAX_TAG_BYTES // 2) + "b", "a\udfff"
    tags = check_tags([long, other, lone, long])
    assert len(tags) == 3
    assert tags == check_tags([long]) + check_tags([other]) + check_tags([lone])
    assert all(len(tag.encode()) <= MAX_TAG_BYTES for tag in tags)
    assert tags[0].startswith("é" * 200)
    assert tags[2].startswith("a…")
    assert not {*tags} & {*check_tags(tags)}
