from __future__ import annotations

import enum
import types
import uuid
from typing import Any

import pytest

from pika_redis.errors import ArgumentError, ArgumentTypeError, CacheError, ConfigurationError, UnstableArgumentError
from pika_redis.service.tags import TagMaker

NAMES = ("id", "user", "filters")
USER = types.SimpleNamespace(id=7, team=types.SimpleNamespace(name="red"))


class Colour(enum.StrEnum):
    RED = "red"


def resolved(tags: Any, **arguments: object) -> tuple[str, ...]:
    return TagMaker(tags, NAMES, "shop.find").resolve({"id": 1, "user": USER, "filters": {"a": 1}, **arguments})


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ((), ()),
        (["user"], ("user",)),
        (["user", "user:{id}"], ("user", "user:1")),
        (["user:{user.id}", "team:{user.team.name}:{id}"], ("user:7", "team:red:1")),
        (["{{id}}", "{id}{id}"], ("{id}", "11")),
        (["user:{id}", "user:1"], ("user:1",)),
    ],
)
def test_templates_are_filled_from_the_arguments(tags: list[str], expected: tuple[str, ...]) -> None:
    assert resolved(tags) == expected


@pytest.mark.parametrize("value", ["a", 1, None, True, uuid.UUID(int=1), Colour.RED, 1.5, "a:b"])
def test_a_tag_reads_as_an_f_string_does(value: object) -> None:
    assert resolved(["user:{id}"], id=value) == (f"user:{value}",)


def test_tags_without_arguments_are_settled_at_decoration() -> None:
    assert TagMaker(["b", "a", "{{c}}"], NAMES, "f").static == ("b", "a", "{c}")
    assert TagMaker(["b", "{id}"], NAMES, "f").static is None
    assert TagMaker(lambda: ["a"], NAMES, "f").static is None


@pytest.mark.parametrize(
    ("tags", "error", "problem"),
    [
        ("user", ArgumentTypeError, r"for this one write \['user'\]"),
        (7, ArgumentTypeError, "tags must be a sequence of tags, not int"),
        ([7], ArgumentTypeError, "a tag must be a str, not int"),
        ([""], ArgumentError, "must not be empty"),
        (["{self.id}"], ConfigurationError, "names 'self', which shop.find has no parameter for; it has id, user"),
        (["{nobody}"], ConfigurationError, "names 'nobody'"),
        (["{}"], ConfigurationError, "may hold {name} and {name.attribute}"),
        (["{0}"], ConfigurationError, "may hold {name} and {name.attribute}"),
        (["{id:>5}"], ConfigurationError, "format specs"),
        (["{id!r}"], ConfigurationError, "conversions"),
        (["{filters[a]}"], ConfigurationError, "indexes"),
        (["{user.}"], ConfigurationError, "may hold"),
        (["user:{id"], ConfigurationError, "'user:{id' of shop.find doesn't parse"),
        (["user:}"], ConfigurationError, "doesn't parse"),
        (lambda self: [], ConfigurationError, "tags asks for 'self'"),
    ],
)
def test_a_wrong_template_raises_at_decoration(tags: Any, error: type[CacheError], problem: str) -> None:
    with pytest.raises(error, match=problem):
        TagMaker(tags, NAMES, "shop.find")


def test_a_callable_gets_arguments_by_the_names_it_declares() -> None:
    assert resolved(lambda id, user: (f"user:{user.id}", f"id:{id}", "id:1")) == ("user:7", "id:1")
    assert resolved(lambda **all_of_them: sorted(all_of_them)) == ("filters", "id", "user")
    assert resolved(lambda: iter(["a"])) == ("a",)


@pytest.mark.parametrize(
    ("returned", "error", "problem"),
    [
        ("user", ArgumentTypeError, "must return a sequence of strings, not str"),
        (None, ArgumentTypeError, "must return a sequence of strings, not NoneType"),
        ([1], ArgumentTypeError, "a tag must be a str, not int"),
        ([""], ArgumentError, "must not be empty"),
        (map(str, range(65)), ArgumentError, "at most 64 tags"),
    ],
)
def test_what_a_callable_returns_is_checked(returned: object, error: type[CacheError], problem: str) -> None:
    with pytest.raises(error, match=problem):
        resolved(lambda: returned)


def test_an_object_without_text_of_its_own_is_no_tag() -> None:
    with pytest.raises(UnstableArgumentError, match=r"tag 'u:{id}' of shop.find shows an object of class object"):
        resolved(["u:{id}"], id=object())


def test_any_text_of_its_own_will_do() -> None:
    class WithStr:
        def __str__(self) -> str:
            return "s"

    class WithRepr:
        def __repr__(self) -> str:
            return "r"

    class WithFormat:
        def __format__(self, spec: str) -> str:
            return "f"

    assert [resolved(["{id}"], id=value) for value in (WithStr(), WithRepr(), WithFormat())] == [("s",), ("r",), ("f",)]


@pytest.mark.parametrize("id", ["", "x" * 600, "é" * 300, "\ud800", "a" * 1_000_000])
@pytest.mark.parametrize("tags", [["{id}", "user:{id}"], lambda id: [f"user:{id}"]])
def test_no_content_of_an_argument_makes_a_tag_raise(tags: Any, id: str) -> None:
    found = resolved(tags, id=id)
    assert all(0 < len(tag.encode()) <= 512 for tag in found)
    assert found == resolved(tags, id=id)
    assert not {*found} & {*resolved(tags, id=id + "y")}


def test_a_tag_filled_with_nothing_reads_so() -> None:
    assert resolved(["{id}"], id="") == ("''",)


def test_a_key_filled_with_nothing_is_refused() -> None:
    with pytest.raises(ArgumentError, match="must not be empty"):
        TagMaker.of_keys(["{id}"], NAMES, "shop.find").resolve({"id": ""})


def test_a_long_template_is_no_long_tag() -> None:
    template = "x" * 600 + "{id}"
    assert resolved([template], id=1) != resolved([template], id=2)


class Broken:
    def __format__(self, spec: str) -> str:
        raise ZeroDivisionError


def test_what_cannot_be_shown_in_a_tag_is_refused_by_name() -> None:
    with pytest.raises(UnstableArgumentError, match=r"of shop\.find can't be filled: ZeroDivisionError"):
        resolved(["{id}"], id=Broken())


def test_an_attribute_that_is_not_there_is_named_with_tag_and_function() -> None:
    class Team:
        @property
        def name(self) -> str:
            raise AttributeError("something else is missing")

    for value, said in ((None, "NoneType has no attribute 'name'"), (Team(), "Team has no attribute 'name'")):
        with pytest.raises(ArgumentTypeError, match=rf"tag 'team:\{{id\.name\}}' of .*: an object of class .*{said}"):
            resolved(["team:{id.name}"], id=value)
