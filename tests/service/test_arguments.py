from __future__ import annotations

import functools
import inspect
from typing import Annotated, Any

import fastapi
import pytest
import starlette.requests
from fastapi import Depends, Security

from pika_redis.errors import ArgumentTypeError, CacheError, ConfigurationError
from pika_redis.service.arguments import (
    Binder,
    NamedCall,
    Receiver,
    guess_receiver,
    is_request,
    known_names,
    request_scoped_parameters,
)


class Shop:
    def method(self, a: int) -> None: ...
    def unbound(this, a: int) -> None: ...  # noqa: N805
    @classmethod
    def of_class(cls, a: int) -> None: ...
    @staticmethod
    def static(a: int) -> None: ...

    class Inner:
        def method(self) -> None: ...


def function(self: int, a: int) -> None: ...


def test_a_receiver_is_guessed_by_place_and_name() -> None:
    def local(self: int) -> None: ...

    class Local:
        def method(self) -> None: ...

    assert guess_receiver(Shop.method) is Receiver.INSTANCE
    assert guess_receiver(Shop.Inner.method) is Receiver.INSTANCE
    assert guess_receiver(Local.method) is Receiver.INSTANCE
    assert guess_receiver(Shop.__dict__["of_class"].__func__) is Receiver.CLASS
    for plain in (Shop.static, Shop.unbound, function, local, lambda self: self, lambda: None):
        assert guess_receiver(plain) is Receiver.NONE


def plain(a: int, b: int = 2, *, c: int = 3) -> None: ...
def by_position(a: int, /) -> None: ...
def rich(a: int, /, b: int = 2, *many: int, c: int = 3, **named: int) -> None: ...
def none() -> None: ...


@pytest.mark.parametrize(
    ("target", "args", "kwargs", "expected"),
    [
        (plain, (1,), {}, {"a": 1, "b": 2, "c": 3}),
        (plain, (), {"c": 0, "a": 1}, {"a": 1, "b": 2, "c": 0}),
        (plain, (1, 5), {"c": 0}, {"a": 1, "b": 5, "c": 0}),
        (rich, (1,), {}, {"a": 1, "b": 2, "many": (), "c": 3, "named": {}}),
        (
            rich,
            (1, 5, 6, 7),
            {"c": 0, "x": 9, "a": 8},
            {"a": 1, "b": 5, "many": (6, 7), "c": 0, "named": {"x": 9, "a": 8}},
        ),
        (none, (), {}, {}),
    ],
)
def test_arguments_are_bound_by_name_with_defaults_in_the_order_of_the_signature(
    target: Any, args: tuple[object, ...], kwargs: dict[str, object], expected: dict[str, object]
) -> None:
    bound = Binder(target, Receiver.NONE).bind(args, kwargs)
    assert bound == expected
    assert list(bound) == list(expected)


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"a": 1}, "multiple values for argument 'a'"),
        ((1,), {"d": 1}, "unexpected keyword argument 'd'"),
        ((), {"b": 1, "c": 1, "d": 1}, "missing a required argument: 'a'"),
    ],
)
def test_a_call_that_does_not_fit_is_a_type_error(args: Any, kwargs: Any, problem: str) -> None:
    with pytest.raises(ArgumentTypeError, match=rf"plain\(\): .*{problem}"):
        Binder(plain, Receiver.NONE).bind(args, kwargs)


def test_a_positional_argument_given_by_name_is_a_type_error() -> None:
    assert Binder(by_position, Receiver.NONE).bind((1,), {}) == {"a": 1}
    with pytest.raises(ArgumentTypeError, match=r"by_position\(\)"):
        Binder(by_position, Receiver.NONE).bind((), {"a": 1})


def test_the_receiver_is_left_out() -> None:
    binder = Binder(Shop.method, Receiver.INSTANCE)
    assert list(binder.parameters) == ["a"]
    assert binder.bind((Shop(), 1), {}) == {"a": 1}
    assert binder.bind((Shop(),), {"a": 1}) == {"a": 1}

    def spread(self: object, *many: int) -> None: ...

    assert Binder(spread, Receiver.INSTANCE).bind((Shop(), 1, 2), {}) == {"many": (1, 2)}


@pytest.mark.parametrize("target", [none, lambda *many: many, lambda *, a: a])
def test_a_method_needs_a_receiver(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="takes no self"):
        Binder(target, Receiver.INSTANCE)


@pytest.mark.parametrize(
    ("names", "error", "problem"),
    [
        (
            "session",
            ArgumentTypeError,
            r"ignore must be a sequence of parameter names such as \('session',\), not 'session'",
        ),
        (None, ArgumentTypeError, "ignore must be a sequence"),
        ([1], ArgumentTypeError, "ignore must hold parameter names, not 1"),
        (["x"], ConfigurationError, "ignore names 'x', which f has no parameter for; it has a, b"),
    ],
)
def test_names_must_be_parameters(names: Any, error: type[CacheError], problem: str) -> None:
    with pytest.raises(error, match=problem):
        known_names(names, ["a", "b"], "ignore", "f")


def test_known_names_are_taken_from_any_iterable() -> None:
    assert known_names(iter(["a", "a"]), ["a", "b"], "ignore", "f") == {"a"}


def called(target: Any) -> object:
    return NamedCall(target, ["a", "b"], "key_generator", "f")({"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (lambda: "x", "x"),
        (lambda b: b, 2),
        (lambda b, a: (a, b), (1, 2)),
        (lambda *, b: b, 2),
        (lambda a, /, b: (a, b), (1, 2)),
        (lambda a, **rest: (a, rest), (1, {"b": 2})),
        (lambda a, /, **rest: (a, rest), (1, {"b": 2})),
        (lambda **everything: everything, {"a": 1, "b": 2}),
        (lambda b, other=5: (b, other), (2, 5)),
        (functools.partial(lambda x, a: (x, a), 0), (0, 1)),
    ],
)
def test_a_callable_gets_the_arguments_that_it_names(target: Any, expected: object) -> None:
    assert called(target) == expected


async def asynchronous(a: int) -> str:
    return str(a)


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (lambda self: self, r"asks for 'self', which f has no parameter for; it gets .*\(never self or cls\): a, b"),
        (lambda a, c: a, "asks for 'c'"),
        (lambda *a: a, "asks for 'a'"),
        (lambda other=5, /, a=0: a, "asks for 'other'"),
        (int, "no readable signature"),
        (asynchronous, "must be a plain function, not an async one"),
    ],
)
def test_a_callable_that_cannot_be_served_raises_at_decoration(target: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=f"key_generator .*{problem}"):
        called(target)


# --- what belongs to one request


class Session: ...


class Request:
    """Of nobody's framework."""


def get_session() -> Session:
    return Session()


SessionDep = Annotated[Session, Depends(get_session)]


def by_default(id: int, session: Session = Depends(get_session), user: Session = Security(get_session)) -> None: ...  # noqa: B008
def by_annotation(
    id: Annotated[int, "x"], session: Annotated[Session, Depends(get_session)], alias: SessionDep
) -> None: ...
def by_class(id: int, request: starlette.requests.Request, other: fastapi.Request | None, own: Request) -> None: ...
def by_name(id: int, tenant: str, tasks: fastapi.BackgroundTasks, settings: fastapi.FastAPI) -> None: ...
def in_alternatives(id: int, socket: fastapi.WebSocket | None = None) -> None: ...


@pytest.mark.parametrize(
    ("target", "scoped"),
    [
        (by_default, {"session", "user"}),
        (by_annotation, {"session", "alias"}),
        (by_class, {"request", "other"}),
        (in_alternatives, {"socket"}),
        (by_name, set[str]()),
    ],
)
def test_request_scoped_parameters_are_found_in_the_signature(target: Any, scoped: set[str]) -> None:
    assert request_scoped_parameters(target) == scoped


def test_request_scoped_parameters_may_be_named() -> None:
    assert request_scoped_parameters(by_name, ["tenant"]) == {"tenant"}
    with pytest.raises(ConfigurationError, match="request_scoped names 'x'"):
        request_scoped_parameters(by_name, ["x"])
    with pytest.raises(ArgumentTypeError, match="request_scoped must be a sequence"):
        request_scoped_parameters(by_name, "tenant")


def test_annotations_that_lead_nowhere_are_judged_by_their_text() -> None:
    def handler(
        id: Missing,  # type: ignore[name-defined]  # noqa: F821
        request: missing.Request,  # type: ignore[name-defined]  # noqa: F821
        session: Annotated[Missing, Depends(get_session)],  # type: ignore[name-defined]  # noqa: F821
        requests: MissingRequests,  # type: ignore[name-defined]  # noqa: F821
    ) -> None: ...

    assert request_scoped_parameters(handler) == {"request", "session"}


def test_an_annotation_that_raises_is_judged_by_its_text() -> None:
    def handler(id: int, request: "1 / 0 and Request") -> None: ...  # type: ignore[valid-type]  # noqa: UP037

    assert request_scoped_parameters(handler) == {"request"}


def test_a_wrapper_is_judged_by_what_it_wraps() -> None:
    @functools.wraps(by_annotation)
    def wrapper(*args: object, **kwargs: object) -> None: ...

    assert inspect.signature(wrapper) == inspect.signature(by_annotation)
    assert request_scoped_parameters(wrapper) == {"session", "alias"}


def test_requests_are_known_by_their_class() -> None:
    class Derived(starlette.requests.Request): ...

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    assert is_request(starlette.requests.Request(scope))
    assert is_request(Derived(scope))
    assert not is_request(Request())
    assert not is_request("Request")
