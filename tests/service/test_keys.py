from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import logging
import math
import uuid
from collections.abc import Iterator
from typing import Any, Self

import pytest
from fastapi import Depends
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from pika_redis.errors import (
    ArgumentError,
    ArgumentTypeError,
    CacheError,
    ConfigurationError,
    UnstableArgumentError,
)
from pika_redis.model.glob import compile_glob, escape_glob
from pika_redis.service import keys
from pika_redis.service.arguments import Receiver
from pika_redis.service.http_key import RequestFacts, current_request
from pika_redis.service.keys import KeyMaker, KeyRules


def maker(function: Any, receiver: Receiver | None = None, **rules: Any) -> KeyMaker:
    return KeyMaker(function, KeyRules(**rules), receiver)


def key_of(function: Any, *args: object, **kwargs: object) -> str | None:
    return maker(function).key(args, kwargs)


def find(id: object, deep: object = False, *, language: object = "en") -> None: ...
def find_other(id: object, deep: object = False, *, language: object = "en") -> None: ...
def gather(*ids: object, **filters: object) -> None: ...
def load(session: object, id: object) -> None: ...


class Sessions:
    def get(self, id: object) -> None: ...
    def pair(self, owner: object, id: object) -> None: ...
    @classmethod
    def of(cls, id: object) -> None: ...
    @staticmethod
    def static(id: object) -> None: ...


class MobileSessions(Sessions):
    pass


class Tenant:
    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, id: object) -> None: ...
    def __cache_key__(self) -> object:
        return self.name


# --- the shape of a default key


def test_a_default_key_reads_prefix_name_arguments_digest() -> None:
    key = maker(find, prefix="sessions").key((42,), {"language": "a b"})
    assert key is not None
    assert compile_glob("sessions:find:42:False:a%20b:*")(key)
    assert len(key.rpartition(":")[2]) == 32


def test_without_a_prefix_it_begins_with_the_callables_name() -> None:
    assert (key_of(find, 1) or "").startswith("find:1:False:en:")
    assert (key_of(Sessions.get, Sessions(), 1) or "").startswith("Sessions.get:1:")


def test_the_place_of_a_local_function_is_not_shown() -> None:
    def local(a: object) -> None: ...

    class Local:
        def method(self) -> None: ...

    assert (key_of(local, 1) or "").startswith("local:1:")
    assert (key_of(Local.method, Local()) or "").startswith("Local.method:")


@pytest.mark.parametrize("id", [42, "42"])
def test_the_ancestors_glob_finds_the_argument_among_the_others(id: object) -> None:
    matches = compile_glob("sessions:*:42:*")
    rules: dict[str, Any] = {"prefix": "sessions"}
    assert matches(maker(Sessions.get, **rules).key((Sessions(), id), {}) or "")
    assert matches(maker(Sessions.pair, **rules).key((Sessions(), 7, id), {}) or "")
    assert matches(maker(Sessions.pair, **rules).key((Sessions(), id, 7), {}) or "")
    assert not matches(maker(Sessions.get, **rules).key((Sessions(), 421), {}) or "")


def test_variable_arguments_each_show() -> None:
    assert (key_of(gather, 1, "a", z=2, b="x:y") or "").startswith("gather:1:a:b=x%3Ay:z=2:")
    assert (key_of(gather) or "").startswith("gather:")


@given(st.text(), st.text())
def test_no_argument_can_imitate_another_part_of_the_key(one: str, other: str) -> None:
    key = key_of(load, one, other) or ""
    assert key.count(":") == 3
    assert compile_glob(f"{escape_glob('load')}:*:*:*")(key)


def test_keys_stay_what_they_are_from_release_to_release() -> None:
    def total(customer: object, currency: object = "EUR") -> None: ...

    total.__module__, total.__qualname__ = "shop.orders", "Orders.total"
    made = maker(total, prefix="orders", version=2).key((7,), {})
    assert made == "orders:Orders.total:7:EUR:88679436c645a68000e69842beb41e12"


# --- what makes a key the same


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1,), {}), ((), {"id": 1}), ((1, False), {}), ((1,), {"language": "en"}), ((), {"deep": False, "id": 1})],
)
def test_a_call_has_one_key_however_it_is_written(args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    assert maker(find).key(args, kwargs) == key_of(find, 1)


def test_keyword_order_does_not_matter() -> None:
    assert key_of(gather, a=1, b=2) == key_of(gather, b=2, a=1)


@pytest.mark.parametrize("ask_twice", [False, True])
def test_types_are_told_apart_whatever_was_asked_before(ask_twice: bool) -> None:
    class Text(str):
        __slots__ = ()

    confusable = [1, True, 1.0, "1", b"1", Text("1"), 0, False, 0.0, -0.0, None, "None", "", b"", (1,), (True,), [1]]
    one = maker(find)
    first = [one.key((value,), {}) for value in confusable]
    assert len(set(first)) == len(confusable)
    again = [one.key((), {"id": value}) for value in reversed(confusable)]
    assert again == first[::-1]


def test_neighbouring_arguments_do_not_run_into_each_other() -> None:
    assert key_of(load, "a", "b:c") != key_of(load, "a:b", "c")
    assert key_of(gather, "a", "b") != key_of(gather, ("a", "b"))
    assert key_of(gather, "a") != key_of(gather, a="a")


def test_functions_are_told_apart_by_module_and_name() -> None:
    def same_name(id: object) -> None: ...

    keys_of_three = set()
    for module, name in (("shop", "find"), ("shop", "Orders.find"), ("depot", "find")):
        same_name.__module__, same_name.__qualname__ = module, name
        keys_of_three.add((maker(same_name, Receiver.NONE, prefix="p").key((1,), {}) or "")[-32:])
    assert len(keys_of_three) == 3


def test_a_version_makes_other_keys() -> None:
    versions: list[object] = [0, 1, 2, "1"]
    assert len({maker(find, version=version).key((1,), {}) for version in versions}) == len(versions)
    assert maker(find, version=0).key((1,), {}) == key_of(find, 1)


def test_ignored_arguments_are_left_out_of_text_and_digest() -> None:
    one = maker(load, ignore=("session",))
    assert one.key((object(), 1), {}) == one.key((), {"id": 1, "session": None})
    assert (one.key((object(), 1), {}) or "").startswith("load:1:")
    assert one.key((object(), 1), {}) != one.key((object(), 2), {})


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        "\ud800",
        {"a": [1, {2}]},
        pytest.param(10**5000, id="too many digits"),
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    ],
)
def test_content_is_digested_and_never_raises(value: object) -> None:
    key = key_of(find, value)
    assert key is not None
    assert key.encode()
    assert len(key) < 120
    assert key != key_of(find, [value])


# --- receivers


def test_a_method_has_one_key_for_all_instances_and_another_a_subclass() -> None:
    assert key_of(Sessions.get, Sessions(), 1) == key_of(Sessions.get, Sessions(), 1)
    assert key_of(Sessions.get, Sessions(), 1) != key_of(Sessions.get, MobileSessions(), 1)
    one = maker(Sessions.get)
    assert one.key((Sessions(), 1), {}) != one.key((MobileSessions(), 1), {})
    assert one.key((Sessions(), 1), {}) == key_of(Sessions.get, Sessions(), 1)


def test_a_classmethod_has_a_key_for_each_class() -> None:
    function = Sessions.__dict__["of"].__func__
    one = maker(function)
    first = [one.key((kind, 1), {}) for kind in (Sessions, MobileSessions)]
    assert len(set(first)) == 2
    assert [one.key((kind, 1), {}) for kind in (Sessions, MobileSessions)] == first
    assert all((key or "").startswith("Sessions.of:1:") for key in first)


def test_the_caller_may_know_better_what_the_first_argument_is() -> None:
    def method(this: object, id: object) -> None: ...

    one = maker(method, Receiver.INSTANCE)
    assert one.receiver is Receiver.INSTANCE
    assert one.key((Sessions(), 1), {}) == one.key((Sessions(), 1), {})
    assert maker(Sessions.get, Receiver.NONE).receiver is Receiver.NONE
    with pytest.raises(UnstableArgumentError, match="argument 'self'"):
        maker(Sessions.get, Receiver.NONE).key((Sessions(), 1), {})


def test_self_may_be_ignored_in_words_and_changes_nothing() -> None:
    assert maker(Sessions.get, ignore=["self"]).key((Sessions(), 1), {}) == key_of(Sessions.get, Sessions(), 1)


def test_a_function_has_no_self_to_ignore() -> None:
    with pytest.raises(ConfigurationError, match="ignore names 'self'"):
        maker(find, ignore=["self"])


def test_a_staticmethod_is_a_function() -> None:
    assert maker(Sessions.static).receiver is Receiver.NONE
    assert (key_of(Sessions.static, 1) or "").startswith("Sessions.static:1:")


@pytest.mark.parametrize("key_generator", [None, "http_request"])
def test_a_receiver_given_by_name_is_refused(key_generator: Any, in_request: Any) -> None:
    in_request(facts())
    with pytest.raises(TypeError, match=r"Tenant.get\(\) needs self by position"):
        maker(Tenant.get, key_generator=key_generator).key((), {"self": Tenant("red"), "id": 1})


def test_a_cache_key_of_the_instance_is_part_of_the_key() -> None:
    one = maker(Tenant.get)
    red, blue = Tenant("red"), Tenant("blue")
    assert one.key((red, 1), {}) != one.key((blue, 1), {})
    assert one.key((red, 1), {}) == one.key((Tenant("red"), 1), {})
    red.name = "blue"
    assert one.key((red, 1), {}) == one.key((blue, 1), {})


def test_a_cache_key_without_identity_is_refused() -> None:
    with pytest.raises(UnstableArgumentError, match=r"argument 'self' of .*Tenant.get holds an object of class object"):
        maker(Tenant.get).key((Tenant(object()), 1), {})  # type: ignore[arg-type]


def test_an_instance_with_state_is_warned_about_once_a_function(caplog: pytest.LogCaptureFixture) -> None:
    class Repository:
        def __init__(self) -> None:
            self.tenant = 1

        def get(self, id: object) -> None: ...
        def find(self, id: object) -> None: ...

    one = maker(Repository.get)
    for number in range(3):
        one.key((Repository(), number), {})
    maker(Repository.find).key((Repository(), 1), {})
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "Repository.get is cached without regard to the state of self" in messages[0]
    assert "Repository.find" in messages[1]


def test_slots_are_state_too(caplog: pytest.LogCaptureFixture) -> None:
    @dataclasses.dataclass(slots=True)
    class Repository:
        tenant: int

        def get(self) -> None: ...

    maker(Repository.get).key((Repository(1),), {})
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_there_is_no_warning_without_state_with_a_cache_key_or_for_the_service_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sessions = Sessions()
    sessions.cache_service = object()  # type: ignore[attr-defined]
    maker(Sessions.get).key((sessions, 1), {})
    maker(Tenant.get).key((Tenant("red"), 1), {})
    maker(Sessions.__dict__["of"].__func__).key((Sessions, 1), {})
    assert caplog.records == []


# --- refusals


def test_an_argument_without_identity_is_refused_by_name() -> None:
    class Session: ...

    with pytest.raises(UnstableArgumentError) as caught:
        key_of(load, Session(), 1)
    assert "argument 'session' of" in str(caught.value)
    assert "ignore=('session',)" in str(caught.value)
    assert "Session a __cache_key__() method" in str(caught.value)


def test_a_request_is_refused_with_the_way_out() -> None:
    def handler(request: Request, id: object) -> None: ...

    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []})
    with pytest.raises(UnstableArgumentError, match=r"'request' of .* is a request: use key_generator='http_request'"):
        key_of(handler, request, 1)
    with pytest.raises(UnstableArgumentError, match=r"leave it out of the key with ignore=\('request',\)"):
        key_of(handler, request, 1)
    assert maker(handler, ignore=["request"]).key((request, 1), {}) is not None


def test_a_call_that_does_not_fit_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'id'"):
        key_of(find)


@pytest.mark.parametrize(
    ("rules", "error", "problem"),
    [
        ({"ignore": "session"}, ArgumentTypeError, "ignore must be a sequence of parameter names"),
        ({"ignore": ["sesion"]}, ConfigurationError, "ignore names 'sesion', which .*load has no parameter for"),
        ({"request_scoped": ["x"]}, ConfigurationError, "request_scoped names 'x'"),
        ({"tags": "user"}, ArgumentTypeError, "tags must be a sequence of tags"),
        ({"tags": ["user:{user}"]}, ConfigurationError, "names 'user', which .*load has no parameter for"),
        ({"tags": lambda nobody: []}, ConfigurationError, "tags asks for 'nobody'"),
        ({"key_generator": lambda nobody: ""}, ConfigurationError, "key_generator asks for 'nobody'"),
        ({"key_generator": "http"}, ConfigurationError, "must be 'http_request', a callable or None, not 'http'"),
        ({"key_generator": 1}, ConfigurationError, "must be 'http_request', a callable or None, not 1"),
        ({"prefix": None}, ArgumentTypeError, "prefix must be a str, not NoneType"),
        ({"prefix": "#a"}, ArgumentError, "must not begin with '#'"),
        ({"version": None}, ArgumentTypeError, "version must be an int or a str, not NoneType"),
        ({"version": True}, ArgumentTypeError, "version must be an int or a str, not bool"),
    ],
)
def test_wrong_rules_raise_at_decoration(rules: dict[str, Any], error: type[CacheError], problem: str) -> None:
    with pytest.raises(error, match=problem):
        maker(load, **rules)


# --- key callables


def user_key(id: object) -> str:
    return f"user:{id}"


def test_a_callables_key_is_exactly_prefix_and_what_it_returned() -> None:
    assert maker(find, prefix="users", key_generator=user_key).key((123,), {}) == "users:user:123"
    assert maker(find, key_generator=user_key).key((), {"id": 123}) == "user:123"
    assert maker(Sessions.get, prefix="users", key_generator=user_key).key((Sessions(), 1), {}) == "users:user:1"


def test_a_callable_gets_defaults_too_and_is_asked_every_time() -> None:
    asked: list[object] = []

    def by_all(**arguments: object) -> str:
        asked.append(arguments)
        return "k"

    one = maker(find, key_generator=by_all)
    assert [one.key((1,), {}), one.key((1,), {})] == ["k", "k"]
    assert asked == [{"id": 1, "deep": False, "language": "en"}] * 2


class Tenants:
    def __init__(self, tenant: str) -> None:
        self.tenant = tenant

    @property
    def __cache_key__(self) -> str:
        return self.tenant

    def get(self, id: int, other: object = None) -> str:
        return f"{self.tenant}{id}{other}"


class Constant:
    __cache_key__ = "always"

    def get(self, id: int) -> int:
        return id


def test_an_own_key_may_be_a_property_or_a_plain_attribute() -> None:
    keys = maker(Tenants.get)
    one, same, other = Tenants("a"), Tenants("a"), Tenants("b")
    assert keys.key((one, 1), {}) == keys.key((same, 1), {}) != keys.key((other, 1), {})
    assert keys.key((one, 1, same), {}) == keys.key((same, 1, one), {}) != keys.key((one, 1, other), {})
    assert maker(Constant.get).key((Constant(), 1), {}) == maker(Constant.get).key((Constant(), 1), {})


def test_a_callable_may_name_an_ignored_argument() -> None:
    assert maker(load, ignore=["session"], key_generator=lambda session, id: f"{session}{id}").key(("s", 1), {}) == "s1"


def test_a_version_is_told_in_a_callables_key() -> None:
    assert maker(find, prefix="users", key_generator=user_key, version=2).key((1,), {}) == "users:user:1:v2"
    assert maker(find, prefix="users", key_generator=user_key, version="a:b").key((1,), {}) == "users:user:1:va%3Ab"


@pytest.mark.parametrize(
    ("returned", "error", "problem"),
    [
        ("", ArgumentError, "key_generator of .*find must return a non-empty str, not an empty one"),
        (None, ArgumentTypeError, "must return a non-empty str, not NoneType"),
        (1, ArgumentTypeError, "must return a non-empty str, not int"),
        ("#t:user", ArgumentError, "must not begin with '#'"),
        ("\ud800", ArgumentError, "lone surrogate"),
    ],
)
def test_what_a_callable_returns_is_checked(returned: object, error: type[CacheError], problem: str) -> None:
    with pytest.raises(error, match=problem):
        maker(find, key_generator=lambda: returned).key((1,), {})


# --- tags


def test_tags_are_filled_from_the_bound_arguments() -> None:
    one = maker(find, tags=["find", "find:{id}:{language}"])
    assert one.tags((1,), {}) == ("find", "find:1:en")
    assert one.tags((), {"id": 2, "language": "de"}) == ("find", "find:2:de")
    assert maker(Sessions.get, tags=lambda id: [f"s:{id}"]).tags((Sessions(), 3), {}) == ("s:3",)
    assert maker(find).tags((1,), {}) == ()


def test_tags_may_name_an_ignored_argument() -> None:
    assert maker(load, ignore=["session"], tags=["s:{session}"]).tags(("x", 1), {}) == ("s:x",)


# --- requests


def facts(method: str = "GET", **parts: Any) -> RequestFacts:
    return RequestFacts(method, "/api/users/123", parts.pop("query", "include=profile"), {"id": "123"}, **parts)


@pytest.fixture
def in_request() -> Iterator[Any]:
    tokens = []

    def enter(request: RequestFacts) -> None:
        tokens.append(current_request.set(request))

    yield enter
    for token in reversed(tokens):
        current_request.reset(token)


def get_user(id: int, include: str | None = None, session: object = None) -> None: ...


def test_the_ancestors_request_key_comes_from_the_current_request(in_request: Any) -> None:
    in_request(facts())
    one = maker(get_user, prefix="users", key_generator="http_request")
    assert one.key((123, "profile"), {}) == "users:GET:/api/users/123?include=profile"


def test_a_request_among_the_arguments_goes_before_the_current_one(in_request: Any) -> None:
    async def handler(request: Request, id: int) -> None: ...

    in_request(facts(query="from=context"))
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/users/123",
        "query_string": b"include=profile",
        "path_params": {"id": 123},
        "headers": [],
    }
    one = maker(handler, prefix="users", key_generator="http_request")
    assert one.key((), {"request": Request(scope), "id": 123}) == "users:GET:/api/users/123?include=profile"
    assert one.is_request_scoped((), {"request": Request(scope), "id": 123})


def test_without_a_request_it_is_the_default_key() -> None:
    one = maker(get_user, prefix="users", key_generator="http_request")
    assert one.key((123,), {}) == maker(get_user, prefix="users").key((123,), {})


def test_other_methods_are_not_cached(in_request: Any) -> None:
    in_request(facts("POST"))
    assert maker(get_user, key_generator="http_request").key((123,), {}) is None


def test_arguments_that_the_url_does_not_give_make_other_keys(in_request: Any) -> None:
    in_request(facts())
    one = maker(get_user, prefix="users", key_generator="http_request")
    plain = one.key((123, "profile"), {})
    asked = [
        plain,
        one.key((124, "profile"), {}),
        one.key((125, "profile"), {}),
        one.key((123, "other"), {}),
        one.key((123, None), {}),
        one.key((123, "profile"), {"session": 1}),
        one.key((123, "profile"), {"session": "1"}),
    ]
    assert len(set(asked)) == len(asked)
    assert all((key or "").startswith(f"{plain}#") for key in asked[1:])
    assert (
        maker(get_user, prefix="users", key_generator="http_request", ignore=["session"]).key(
            (123, "profile", object()), {}
        )
        == plain
    )


def test_functions_differ_where_their_request_keys_have_a_digest(in_request: Any) -> None:
    def other(id: int, include: str | None = None, session: object = None) -> None: ...

    in_request(facts())
    both = [maker(f, prefix="users", key_generator="http_request").key((124, "profile"), {}) for f in (get_user, other)]
    assert both[0] != both[1]


def test_a_dependency_without_identity_is_refused_by_name(in_request: Any) -> None:
    class Session: ...

    def handler(id: int, session: Any = Depends(Session)) -> None: ...  # noqa: B008

    in_request(facts())
    with pytest.raises(UnstableArgumentError, match=r"argument 'session'.*ignore=\('session',\)"):
        maker(handler, key_generator="http_request").key((), {"id": 123, "session": Session()})


def test_version_and_cache_key_make_other_request_keys(in_request: Any) -> None:
    in_request(facts(query=""))
    made = {maker(Tenant.get, key_generator="http_request").key((Tenant(n), 123), {}) for n in ("red", "blue")}
    assert len(made) == 2
    made = {maker(get_user, key_generator="http_request", version=v).key((123,), {}) for v in (0, 1, 2)}
    assert len(made) == 3


def test_credentials_make_other_request_keys_unless_declared_public(in_request: Any) -> None:
    in_request(facts(header={"authorization": "Bearer a"}.get))
    plain = "users:GET:/api/users/123?include=profile"
    private = maker(get_user, prefix="users", key_generator="http_request").key((123, "profile"), {})
    assert (private or "").startswith(f"{plain}#")
    assert "Bearer" not in (private or "")
    assert maker(get_user, prefix="users", key_generator="http_request", public=True).key((123, "profile"), {}) == plain


@pytest.mark.parametrize(
    ("function", "args", "scoped"),
    [(load, (1, 2), False), (get_user, (1,), False), (load, (Request({"type": "http"}), 1), True)],
)
def test_a_request_among_the_arguments_makes_the_call_request_scoped(
    function: Any, args: tuple[object, ...], scoped: bool
) -> None:
    assert maker(function).is_request_scoped(args, {}) is scoped
    assert maker(function).is_request_scoped((), {str(at): value for at, value in enumerate(args)}) is scoped


def test_declared_parameters_make_every_call_request_scoped() -> None:
    assert maker(load, request_scoped=["session"]).is_request_scoped((1, 2), {})
    assert maker(load, request_scoped=["session"]).request_scoped == {"session"}


# --- the memo


class Word(enum.StrEnum):
    A = "a"
    B = "b"


class OtherWord(enum.StrEnum):
    A = "a"


class Figure(enum.IntEnum):
    ONE = 1


class Labelled(str, enum.Enum):  # noqa: UP042 (a StrEnum has other rules)
    """Two members, one text."""

    def __new__(cls, code: int, label: str) -> Self:
        made = str.__new__(cls, label)
        made._value_ = code
        return made

    SMALL = (1, "standard")
    LARGE = (2, "standard")


class Counted(int, enum.Enum):
    """Two members, one number."""

    def __new__(cls, number: int, label: str) -> Self:
        made = int.__new__(cls, number)
        made._value_ = label
        return made

    ONE = (1, "one")
    UNO = (1, "uno")


class Guessing(enum.StrEnum):
    """Makes a member of whatever it is asked for."""

    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Self:
        made = str.__new__(cls, "unknown")
        made._name_ = "UNKNOWN"
        made._value_ = str(value)
        return made


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


class Compared(enum.Enum):
    """All are equal."""

    ONE = 1
    TWO = 2

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Compared)

    def __hash__(self) -> int:
        return 1


class Keyed(enum.Enum):
    ONE = 1

    def __cache_key__(self) -> int:
        return 7


def refuse(*_args: object) -> str:
    raise AssertionError("the key was made anew")


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (find, ("a",), {}),
        (find, (1, True), {}),
        (find, (1.5,), {}),
        (find, (), {"id": None, "language": b"x"}),
        (find, (dt.date(2026, 1, 1), Receiver.NONE), {}),
        (find, (Word.A, Figure.ONE), {}),
        (find, (Permission.READ | Permission.WRITE,), {}),
        (Sessions.get, (Sessions(), "a"), {}),
        (Sessions.pair, (Sessions(), "a", 1), {}),
        (Sessions.get, (Sessions(),), {"id": 1}),
        (Sessions.__dict__["of"].__func__, (Sessions, "a"), {}),
    ],
)
def test_a_key_of_plain_arguments_is_made_once(
    function: Any, args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    one = maker(function)
    first = one.key(args, kwargs)
    one._make = refuse
    assert one.key(args, kwargs) == first


@pytest.mark.parametrize(
    "value",
    [
        "x" * 257,
        b"x" * 257,
        2**61,
        uuid.UUID(int=5),
        Labelled.SMALL,
        Guessing.UNKNOWN,
        Counted.ONE,
        0.0,
        -0.0,
        math.nan,
        (1,),
        [1],
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        decimal.Decimal("1.0"),
        type("S", (str,), {})("a"),
        type("D", (dt.date,), {})(2026, 1, 1),
        Compared.ONE,
        Keyed.ONE,
    ],
)
def test_other_arguments_are_not_remembered(value: object) -> None:
    one = maker(find)
    one.key((value,), {})
    assert one.memo == {}


def test_remembered_keys_tell_numbers_of_other_types_apart() -> None:
    one = maker(find)
    calls = [(1,), (1.0,), (True,), (0,), (0.0,), (-0.0,), (False,)]
    first = [one.key(call, {}) for call in calls]
    assert len(set(first)) == len(calls)
    assert [one.key(call, {}) for call in calls] == first


def test_remembered_keys_tell_members_of_enums_from_their_values() -> None:
    one = maker(find)
    values = (Word.A, "a", Figure.ONE, 1, True, Receiver.NONE, Receiver.NONE.value, OtherWord.A, Word.B, dt.date.min)
    calls: list[tuple[object, ...]] = [(value,) for value in values]
    first = [one.key(call, {}) for call in calls]
    assert len(set(first)) == len(calls)
    assert [one.key(call, {}) for call in calls] == first
    assert [maker(find).key(call, {}) for call in calls] == first


def test_remembered_keys_tell_members_apart_that_are_equal() -> None:
    one = maker(find)
    values = (Labelled.SMALL, Labelled.LARGE, Counted.ONE, Counted.UNO, Guessing.UNKNOWN, Guessing("a"), Guessing("b"))
    calls: list[tuple[object, ...]] = [(value,) for value in values]
    assert len({one.key(call, {}) for call in calls}) == len(calls)


def test_remembered_keys_tell_keywords_apart() -> None:
    one = maker(find)
    calls: list[tuple[tuple[object, ...], dict[str, object]]] = [
        (("a",), {}),
        (("a",), {"language": "de"}),
        (("a",), {"deep": "de"}),
        (("a", "de"), {}),
        (("a", "b"), {"language": "de"}),
    ]
    first = [one.key(*call) for call in calls]
    assert len(set(first)) == 4  # the third and the fourth are one call
    assert [one.key(*call) for call in calls] == first
    assert [maker(find).key(*call) for call in calls] == first


def test_remembered_keys_of_a_method_tell_every_argument_apart() -> None:
    one = maker(Sessions.pair)
    calls: list[tuple[object, ...]] = [
        (Sessions(), "a", 1),
        (Sessions(), "b", 1),
        (Sessions(), "a", 2),
        (Sessions(), [1], 1),
    ]
    first = [one.key(call, {}) for call in calls]
    assert len(set(first)) == 4
    assert [one.key(call, {}) for call in calls] == first


def test_an_argument_that_cannot_be_remembered_is_never_hashed() -> None:
    class Unhashable(str):
        __slots__ = ()
        __hash__ = None  # type: ignore[assignment]

    one = maker(find)
    one.key(("a",), {})
    assert one.key((Unhashable("a"),), {}) != one.key(("a",), {})
    assert one.key((Unhashable("a"), 1), {}) == one.key((), {"id": Unhashable("a"), "deep": 1})


def test_a_receiver_with_a_cache_key_is_not_remembered() -> None:
    one = maker(Tenant.get)
    one.key((Tenant("red"), 1), {})
    assert one.memo == {}


def test_a_caller_in_a_hurry_finds_single_arguments_in_the_memo() -> None:
    one = maker(find)
    assert one.memo.get(str) is None
    key = one.key(("a",), {})
    assert one.memo[str]["a"] == key
    method = maker(Sessions.get)
    key = method.key((Sessions(), "a"), {})
    assert method.memo[Sessions, str]["a"] == key


def test_the_memo_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MEMO_ENTRIES", 10)
    monkeypatch.setattr(keys, "MEMO_SHAPES", 3)
    one = maker(gather)
    for number in range(25):
        assert one.key((number,), {}) == key_of(gather, number)
        assert len(one.memo[int]) <= 10
    for count in range(20):
        assert one.key(("a",) * count, {}) == key_of(gather, *("a",) * count)
        assert len(one.memo) <= 3


# --- classes that compare as they like


class Equal(type):  # noqa: PLW1641 - that is the point
    """Its classes have no hash."""

    def __eq__(cls, other: object) -> bool:
        return cls is other


class Alike(type):
    """Its classes are all equal."""

    def __eq__(cls, other: object) -> bool:
        return isinstance(other, Alike)

    def __hash__(cls) -> int:
        return 7


class Unhashed(metaclass=Equal):
    def get(self, id: object) -> None: ...
    @classmethod
    def of(cls, id: object) -> None: ...


class Left(metaclass=Alike):
    def get(self, id: object) -> None: ...
    @classmethod
    def of(cls, id: object) -> None: ...


class Right(Left):
    pass


def test_a_class_without_a_hash_has_methods_to_cache() -> None:
    for function, receiver in ((Unhashed.of.__func__, Unhashed), (Unhashed.get, Unhashed())):  # type: ignore[attr-defined]
        made = maker(function)
        assert made.key((receiver, 1), {}) == made.key((receiver, 1), {})
        assert made.key((receiver, 1), {}) != made.key((receiver, 2), {})


def test_classes_that_call_themselves_equal_have_keys_of_their_own() -> None:
    for function, one, other in ((Left.of.__func__, Left, Right), (Left.get, Left(), Right())):  # type: ignore[attr-defined]
        made = maker(function)
        assert made.key((one, 1), {}) != made.key((other, 1), {})
        assert made.key((one, 1), {}) == made.key((one, 1), {})


def test_an_argument_that_cannot_be_compared_is_not_given_by_the_url() -> None:
    class Number(int):
        def __str__(self) -> str:
            raise ZeroDivisionError

    made = maker(find, key_generator="http_request")
    token = current_request.set(RequestFacts("GET", "/find", "id=7"))
    try:
        assert made.key((Number(7),), {}) != made.key((7,), {})
    finally:
        current_request.reset(token)
