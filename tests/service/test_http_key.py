from __future__ import annotations

import datetime as dt
import decimal
import enum
import types
import uuid
from typing import Annotated, Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI, Query
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from pika_redis.service.http_key import RequestFacts, facts_of, facts_of_scope, given_by_url, http_key
from pika_redis.service.keys import KeyMaker, KeyRules


def key(path: str = "/a", query: str = "", method: str = "GET", **headers: str) -> str | None:
    return http_key("p", RequestFacts(method, path, query, header=headers.get))


def test_the_ancestors_request_key() -> None:
    facts = RequestFacts("GET", "/api/users/123", "include=profile")
    assert http_key("users", facts) == "users:GET:/api/users/123?include=profile"
    assert http_key("", facts) == "GET:/api/users/123?include=profile"


@pytest.mark.parametrize(
    ("method", "expected"), [("GET", "p:GET:/a"), ("HEAD", "p:HEAD:/a"), ("POST", None), ("", None)]
)
def test_get_and_head_have_keys_of_their_own_and_other_methods_none(method: str, expected: str | None) -> None:
    assert key(method=method) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a=1&b=2", "b=2&a=1"),
        ("a=1&&b=2&", "a=1&b=2"),
        ("a", "a="),
        ("%61=%31", "a=1"),
        ("a=x+y", "a=x%20y"),
        ("a=%c3%a9", "a=%C3%A9"),
        ("a=*", "a=%2A"),
        ("", "&"),
    ],
)
def test_one_query_has_one_key_however_it_is_written(one: str, other: str) -> None:
    assert key(query=one) == key(query=other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a=1%262", "a=1&2"),
        ("a=1%26b=2", "a=1&b=2"),
        ("a=1&a=2", "a=2&a=1"),
        ("a=1&a=1", "a=1"),
        ("a=", ""),
        ("a%3D=1", "a==1"),
        ("a=%2B", "a=+"),
        ("a=%25", "a=%2525"),
        ("a=%23x", "a=x"),
        ("a=b=c", "a=b"),
        ("a=%FF", "a=%FE"),
        ("A=1", "a=1"),
    ],
)
def test_two_queries_that_mean_different_things_have_two_keys(one: str, other: str) -> None:
    assert key(query=one) != key(query=other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/%61", "/a", True),
        ("/a%2fb", "/a%2Fb", True),
        ("/a%2Fb", "/a/b", False),
        ("/a/", "/a", False),
        ("/A", "/a", False),
        ("/a%3Fb", "/a", False),
        ("/a+b", "/a%20b", False),
        ("/caf%C3%A9", "/café", True),
        ("/a%23" + "0" * 32, "/a#" + "0" * 32, True),
    ],
)
def test_paths_are_written_in_one_way(one: str, other: str, same: bool) -> None:
    assert (key(one) == key(other)) is same


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=4), st.randoms())
def test_the_order_of_query_names_does_not_matter_and_that_of_values_does(
    pairs: list[tuple[str, str]], random: Any
) -> None:
    by_name: dict[str, list[str]] = {}
    for name, value in pairs:
        by_name.setdefault(name, []).append(value)
    names = list(by_name)
    random.shuffle(names)
    shuffled = [(name, value) for name in names for value in by_name[name]]
    spelled = [urlencode(some) for some in (pairs, shuffled)]
    assert key(query=spelled[0]) == key(query=spelled[1])


@given(st.dictionaries(st.text(), st.text(), max_size=3), st.dictionaries(st.text(), st.text(), max_size=3))
def test_different_queries_have_different_keys(one: dict[str, str], other: dict[str, str]) -> None:
    keys = [key(query=str(httpx.QueryParams(query))) for query in (one, other)]
    assert (keys[0] == keys[1]) is (one == other)


@given(st.text(), st.text())
def test_a_key_holds_one_digest_mark_at_most_and_nothing_a_pattern_reads(path: str, query: str) -> None:
    made = key(f"/{path}", query, cookie="a")
    assert made is not None
    head, mark, digest = made.rpartition("#")
    assert mark == "#"
    assert len(digest) == 32
    assert not set(head) & set("#*[]{}\\ \n\x00")
    assert head.count("?") <= 1


def test_credentials_enter_as_a_digest() -> None:
    secret = "Bearer hunter2"
    made = [
        key(),
        key(authorization=secret),
        key(authorization=""),
        key(cookie=secret),
        key(authorization="Bearer other"),
        key(authorization=secret, cookie="a"),
    ]
    assert len(set(made)) == len(made)
    assert made[0] == "p:GET:/a"
    assert not any("hunter2" in (one or "") for one in made)
    assert key(authorization=secret) == made[1]
    assert key(accept="x") == made[0]


def test_credentials_of_public_answers_do_not_enter() -> None:
    facts = RequestFacts("GET", "/a", header={"authorization": "x", "cookie": "y"}.get)
    assert http_key("p", facts, public=True) == "p:GET:/a"
    assert http_key("p", facts, b"extra", public=True) == http_key("p", RequestFacts("GET", "/a"), b"extra")


def test_what_else_the_answer_depends_on_enters_as_a_digest() -> None:
    facts = RequestFacts("GET", "/a")
    made = [http_key("p", facts), http_key("p", facts, b"1"), http_key("p", facts, b"2")]
    assert len(set(made)) == 3
    assert (made[1] or "").startswith("p:GET:/a#")


# --- reading requests


def scope(path: str = "/a b", **parts: Any) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], **parts}


def test_facts_come_from_a_scope() -> None:
    headers = [(b"Cookie", b"a=1"), (b"authorization", b"x"), (b"cookie", b"b=2")]
    facts = facts_of_scope(
        scope(raw_path=b"/a%20b", query_string=b"q=%C3%A9", path_params={"id": 1}, headers=headers, method="HEAD")
    )
    assert (facts.method, facts.path, facts.query, facts.path_params) == ("HEAD", "/a%20b", "q=%C3%A9", {"id": 1})
    assert facts.header("cookie") == "a=1; b=2"
    assert facts.header("authorization") == "x"
    assert facts.header("accept") is None


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "/a%2Fb"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb?x=1"}, "/a%2Fb"),
        ({"path": "/rewritten", "raw_path": b"/sent"}, "/rewritten"),
        ({"path": "/caf\u00e9 #?", "raw_path": None}, "/caf%C3%A9%20%23%3F"),
        ({"path": "/\ufffd", "raw_path": b"/%FF"}, "/%FF"),
    ],
)
def test_the_raw_path_counts_unless_the_path_was_rewritten(parts: dict[str, Any], path: str) -> None:
    assert facts_of_scope(scope(**parts)).path == path


def test_facts_come_from_a_request_or_its_like() -> None:
    request = Request(scope(query_string=b"q=1", path_params={"id": 1}, headers=[(b"cookie", b"a")]))
    facts = facts_of(request)
    assert (facts.method, facts.path, facts.query, facts.path_params) == ("GET", "/a%20b", "q=1", {"id": 1})
    like = types.SimpleNamespace(
        method="GET",
        url=types.SimpleNamespace(path="/a b", query="q=1"),
        headers={"cookie": "a"},
        path_params={"id": 1},
    )
    facts = facts_of(like)
    assert (facts.method, facts.path, facts.query, facts.path_params) == ("GET", "/a%20b", "q=1", {"id": 1})
    assert facts.header("cookie") == "a"


def test_a_websocket_has_no_key() -> None:
    facts = facts_of_scope({"type": "websocket", "path": "/a", "headers": []})
    assert http_key("p", facts) is None


# --- arguments that the URL gives


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "sent", "given"),
    [
        ("7", "7", True),
        (7, "7", True),
        (7, "8", False),
        (7, "07", False),
        (1.5, "1.5", True),
        (True, "true", True),
        (True, "1", False),
        (True, "false", False),
        (None, "None", False),
        (uuid.UUID(int=1), str(uuid.UUID(int=1)), True),
        (decimal.Decimal("1.50"), "1.50", True),
        (dt.date(2026, 1, 2), "2026-01-02", True),
        (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), "2026-01-02T03:00:00+00:00", True),
        (Colour.RED, "red", True),
        (Colour.RED, "RED", False),
        ("é", "é", True),
        ([], "", False),
        ({"a": 1}, "{'a': 1}", False),
    ],
)
def test_an_argument_is_given_if_path_or_query_has_its_text(value: object, sent: str, given: bool) -> None:
    in_path = RequestFacts("GET", "/", "", {"x": sent})
    in_query = RequestFacts("GET", "/", str(httpx.QueryParams({"x": sent})))
    assert given_by_url(in_path, "x", value, default=value) is given
    assert given_by_url(in_query, "x", value, default=value) is given


@pytest.mark.parametrize(
    ("value", "given"),
    [(["1", "2"], True), ((1, 2), True), (["2", "1"], False), (["1"], False), ("2", False), ([], False)],
)
def test_a_repeated_query_parameter_gives_a_list(value: object, given: bool) -> None:
    assert given_by_url(RequestFacts("GET", "/", "x=1&x=2"), "x", value, None) is given


@pytest.mark.parametrize(
    ("value", "default", "given"),
    [
        (None, None, True),
        (1, 1, True),
        (1, True, False),
        (1, 2, False),
        ([], [], True),
        ([1], [1], True),
        ((), [], False),
    ],
)
def test_an_argument_that_the_url_does_not_name_is_given_at_its_default(
    value: object, default: object, given: bool
) -> None:
    assert given_by_url(RequestFacts("GET", "/"), "x", value, default) is given


def test_objects_without_identity_equal_their_default_only_as_the_same_object() -> None:
    one = object()
    assert given_by_url(RequestFacts("GET", "/"), "x", one, one)
    assert not given_by_url(RequestFacts("GET", "/"), "x", object(), one)


async def test_the_parameters_of_a_fastapi_route_are_given_by_its_url() -> None:
    app = FastAPI()
    made: list[str | None] = []

    async def search(
        request: Request,
        owner: int,
        code: uuid.UUID,
        limit: int = 10,
        tag: Annotated[list[str] | None, Query()] = None,
        text: str | None = Query(None),
    ) -> None:
        arguments = {"owner": owner, "code": code, "limit": limit, "tag": tag, "text": text}
        made.append(maker.key((), {"request": request, **arguments}))

    maker = KeyMaker(search, KeyRules(prefix="s", key_generator="http_request"))
    app.get("/owners/{owner}/{code}")(search)
    code = uuid.UUID(int=1)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for query in ("", "?tag=b&tag=a&limit=5", "?text=a%26b", "?text=a&b"):
            (await client.get(f"/owners/7/{code}{query}")).raise_for_status()
    start = f"s:GET:/owners/7/{code}"
    assert made == [start, f"{start}?limit=5&tag=b&tag=a", f"{start}?text=a%26b", f"{start}?b=&text=a"]
