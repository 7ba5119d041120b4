"""What can't be held is refused with the exact path; what looks odd to native code is packed all the same."""

from __future__ import annotations

import array
import collections
import dataclasses
import io
import re
import sys
import types
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pika_redis import CacheError
from pika_redis.codec import Codec, Limits, scalars
from pika_redis.errors import SerializationError, ValueTooLargeError

from . import samples, strategies

CODEC = Codec()


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Moment(datetime):
    pass


class Zone(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, moment: datetime | None) -> None:
        return None

    def tzname(self, moment: datetime | None) -> str:
        return "zone"


class Thing:
    """No model."""


def generate() -> Any:
    yield 1


UNHELD: list[Callable[[], Any]] = [
    lambda: bytearray(b"x"),
    lambda: memoryview(b"x"),
    lambda: memoryview(b"abcdef")[::2],
    generate,
    Thing,
    lambda: Thing,
    lambda: len,
    lambda: ...,
    lambda: 1j,
    lambda: range(3),
    lambda: Text("x"),
    lambda: Number(1),
    lambda: Moment(2024, 1, 1),
    lambda: collections.OrderedDict(a=1),
    lambda: collections.defaultdict(list),
    lambda: collections.Counter("a"),
    lambda: collections.deque([1]),
    lambda: types.MappingProxyType({}),
    lambda: array.array("b"),
    {}.keys,
    lambda: iter([]),
    lambda: Fraction(1, 2),
    io.BytesIO,
    lambda: ValueError("x"),
    lambda: ZoneInfo("UTC"),
    lambda: UTC,
    lambda: datetime(2024, 1, 1, tzinfo=Zone()),
    lambda: time(1, tzinfo=Zone()),
    lambda: sys.float_info,
]

PLACES: list[tuple[str, Callable[[Any], Any]]] = [
    ("$", lambda bad: bad),
    ("$[1]", lambda bad: [0, bad]),
    ("$.orders[3].lines", lambda bad: {"orders": [{}, 1, 2, {"id": 1, "lines": bad}]}),
    ("$.a.b[0]", lambda bad: {"a": {"b": (bad,)}}),
    ("$['no name']", lambda bad: {"no name": bad}),
    ("$[7]", lambda bad: {7: bad}),
    ("$[None][b'k']", lambda bad: {None: {b"k": bad}}),
    ("$[<tuple>]", lambda bad: {(1, 2): bad}),
    ("$.x", samples.Point),
    ("$[0].b.y[1]", lambda bad: [samples.Slotted(1, samples.Point(1, (2, bad)))]),
    ("$.a", samples.Struct),
    ("$.a.b", lambda bad: samples.Model(a=samples.Model(a=1, b=bad))),
    ("$.more", lambda bad: samples.extra(more=bad)),
    ("$.right", lambda bad: samples.Pair(1, bad)),
    ("$.rows[5][1]", lambda bad: {"rows": [(1, 2)] * 5 + [(1, bad)] + [(1, 2)] * 20}),
    ("$[2][0]", lambda bad: [(1,), (2,), (bad,), (4,), (5,)]),
]


@pytest.mark.parametrize("make", UNHELD, ids=lambda make: type(make()).__name__)
def test_what_cannot_be_held_is_refused_by_name(make: Callable[[], Any]) -> None:
    bad = make()
    for path, wrap in PLACES:
        with pytest.raises(SerializationError) as caught:
            CODEC.encode(wrap(bad))
        assert caught.value.path == path
        assert path in str(caught.value)
        assert type(bad).__name__ in str(caught.value)


def test_a_refused_key_or_member_is_found() -> None:
    for value, path in [
        ({"a": {Thing(): 1}}, "$.a[<Thing>](key)"),
        ({"a": {(1, Thing()): 1}}, "$.a[<tuple>](key)[1]"),
        ([{1, Thing()}], "$[0]{}"),
        ({Text("k"): 1}, "$[<Text>](key)"),
    ]:
        with pytest.raises(SerializationError) as caught:
            CODEC.encode(value)
        assert caught.value.path == path


def test_a_buffer_is_found_where_native_code_would_take_it_for_bytes() -> None:
    for buffer in (bytearray(b"x" * 10), memoryview(b"x" * 70_000)):
        for around in ([b"ok", "\u0104", {"a": 1}], [b"x" * 300, {"a": [1]}]):
            with pytest.raises(SerializationError, match="use bytes") as caught:
                CODEC.encode({"fine": around, "deep": [{"here": [0, buffer]}]})
            assert caught.value.path == "$.deep[0].here[1]"


def test_a_state_beyond_the_fields_is_refused_with_its_name() -> None:
    value = samples.Derived(1)
    value.session = Thing()  # type: ignore[attr-defined]
    with pytest.raises(SerializationError) as caught:
        CODEC.encode([value])
    assert caught.value.path == "$[0].session"


def test_the_error_says_what_to_use_instead() -> None:
    with pytest.raises(SerializationError, match=r"^collections.OrderedDict at \$ can't be cached: use dict"):
        CODEC.encode(collections.OrderedDict())
    with pytest.raises(SerializationError, match="the codec holds None, bool"):
        CODEC.encode(Thing())
    assert issubclass(SerializationError, CacheError)
    assert issubclass(SerializationError, TypeError)


def test_the_error_shows_no_value() -> None:
    with pytest.raises(SerializationError) as caught:
        CODEC.encode({"password": Text("hunter2"), "x" * 300: 1})
    assert "hunter2" not in str(caught.value)


def test_a_long_key_is_cut_in_the_path() -> None:
    with pytest.raises(SerializationError) as caught:
        CODEC.encode({"key " * 100: Thing()})
    assert len(caught.value.path) < 60


def test_what_raised_while_a_value_was_read_is_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(level: object, value: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setitem(__import__("pika_redis.codec.packer", fromlist=["_"])._ENCODERS, Decimal, fail)
    for value, path in [({"a": [Decimal(1)]}, "$.a[0]"), ({"a": {1: Decimal(1)}}, "$.a[1]")]:
        with pytest.raises(SerializationError, match="ZeroDivisionError") as caught:
            CODEC.encode(value)
        assert caught.value.path == path
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_interrupt_while_packing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(level: object, value: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setitem(__import__("pika_redis.codec.packer", fromlist=["_"])._ENCODERS, Decimal, interrupt)
    with pytest.raises(KeyboardInterrupt):
        CODEC.encode([(Decimal(1),)])
    monkeypatch.undo()
    assert CODEC.decode(*CODEC.encode([(Decimal(1),)])) == [(Decimal(1),)]


def circle(close: Callable[[list[Any]], Any]) -> Any:
    inner: list[Any] = [1]
    inner.append(close(inner))
    return {"a": inner}


@pytest.mark.parametrize(
    ("close", "path", "target"),
    [
        (lambda inner: inner, "$.a[1]", "$.a"),
        (lambda inner: {"b": [inner]}, "$.a[1].b[0]", "$.a"),
        (lambda inner: (inner,), "$.a[1][0]", "$.a"),
        (lambda inner: {1: inner}, "$.a[1][1]", "$.a"),
        (samples.Point, "$.a[1].x", "$.a"),
    ],
)
def test_a_circle_is_refused_with_both_ends(close: Callable[[list[Any]], Any], path: str, target: str) -> None:
    with pytest.raises(SerializationError) as caught:
        CODEC.encode(circle(close))
    assert caught.value.path == path
    assert str(caught.value) == f"{path} refers back to {target}: a circle can't be cached"


def test_a_model_that_holds_itself_is_refused() -> None:
    value = samples.Point(1)
    value.y = [value]
    with pytest.raises(SerializationError) as caught:
        CODEC.encode({"p": value})
    assert caught.value.path == "$.p.y[0]"


def test_a_shared_part_is_no_circle() -> None:
    shared = {"a": [1]}
    samples.assert_kept([shared, shared, (shared, shared)])


def nested(levels: int, wrap: Callable[[Any], Any], inner: Any = 0) -> Any:
    for _ in range(levels):
        inner = wrap(inner)
    return inner


@pytest.mark.parametrize("depth", [1, 10, 64])
def test_values_other_than_plain_data_nest_as_deep_as_the_limit(depth: int) -> None:
    codec = Codec(limits=Limits(depth=depth))
    samples.assert_kept(nested(depth, lambda inner: (inner,)), codec)
    with pytest.raises(SerializationError, match="nested too deep") as caught:
        codec.encode(nested(depth + 1, lambda inner: (inner,)))
    assert caught.value.path == "$" + "[0]" * depth


def test_plain_data_nests_as_deep_as_native_code_allows() -> None:
    for wrap, step in [(lambda inner: [inner], "[0]"), (lambda inner: {"k": inner}, ".k")]:
        value = nested(255, wrap)
        assert CODEC.decode(*CODEC.encode(value)) == value
        with pytest.raises(SerializationError, match="nested too deep") as caught:
            CODEC.encode(nested(256, wrap))
        assert caught.value.path == "$" + step * 255
        with pytest.raises(SerializationError, match="nested too deep"):
            CODEC.encode(nested(20_000, wrap))


def test_plain_data_deep_inside_extensions_nests_less_deep() -> None:
    for plain, fits in [(1, True), (63, True), (64, False), (200, False)]:
        value = nested(10, samples.Point, nested(plain, lambda inner: [inner]))
        if fits:
            samples.assert_kept(value)
        else:
            with pytest.raises(SerializationError, match="nested too deep"):
                CODEC.encode(value)


@given(
    st.sampled_from([(1, 1), (8, 1), (30, 1)]).flatmap(
        lambda odds: st.lists(
            st.sampled_from(["list", "dict"] * odds[0] + ["tuple", "odd", "model"]), min_size=40, max_size=330
        )
    )
)
@settings(max_examples=100)
def test_what_can_be_encoded_can_be_decoded_at_any_depth(kinds: list[str]) -> None:
    wraps: dict[str, Callable[[Any], Any]] = {
        "list": lambda inner: [inner],
        "dict": lambda inner: {"k": inner},
        "tuple": lambda inner: (inner,),
        "odd": lambda inner: {1: inner},
        "model": samples.Point,
    }
    value: Any = None
    for kind in kinds:
        value = wraps[kind](value)
    try:
        payload, compressed = CODEC.encode(value)
    except SerializationError as error:
        if "too deep" in str(error):
            return
        raise
    back = CODEC.decode(payload, compressed)
    for _ in kinds:
        assert type(back) is type(value)
        value, back = only_child(value), only_child(back)
    assert back is None


def only_child(value: Any) -> Any:
    if isinstance(value, samples.Point):
        return value.x
    (child,) = value.values() if isinstance(value, dict) else value
    return child


def test_a_value_near_the_recursion_limit_is_refused_not_crashed() -> None:
    value = nested(60, lambda inner: (inner,))

    def dive(left: int) -> str:
        if left:
            return dive(left - 1)
        try:
            CODEC.encode(value)
        except SerializationError as error:
            return str(error)
        return "held"

    outcomes = set()
    for depth in range(0, sys.getrecursionlimit(), 40):
        try:
            outcomes.add(dive(depth)[:28])
        except RecursionError:  # of `dive` itself, or while the path was looked for
            break
    assert outcomes == {"held", "the value is nested too deep"}


def test_the_same_value_gives_the_same_bytes() -> None:
    values = [{"rows": [(n, n) for n in range(count)], "lone": (1, 2)} for count in range(20)]
    first = [CODEC.encode(value) for value in values]
    assert [CODEC.encode(value) for value in reversed(values)] == first[::-1]


@pytest.mark.parametrize("size", [100, 258, 259, 300, 65_540, 70_000])
def test_bytes_of_any_size_pass_beside_a_search_for_buffers(size: int) -> None:
    codec = Codec(limits=Limits(compress_from=None))
    samples.assert_kept({"data": b"x" * size, "text": "ĄĘ", "more": [b""]}, codec)
    with pytest.raises(SerializationError):
        codec.encode({"data": bytearray(b"x" * size)})


@given(strategies.values)
@settings(max_examples=60)
def test_one_odd_thing_anywhere_is_always_found(value: Any) -> None:
    bad = Thing()
    with pytest.raises(SerializationError) as caught:
        CODEC.encode({"before": value, "here": [value, (bad, value)], "after": value})
    assert caught.value.path == "$.here[1][0]"


def test_too_many_parts_are_refused_alike_on_both_sides() -> None:
    roomy, narrow = Codec(limits=Limits(max_objects=10_000)), Codec(limits=Limits(max_objects=1_000))
    many = [[{}] * 1_001, ["ab"] * 1_001, list(range(200, 1_300)), [(n, "x") for n in range(2_000)], [(1,)] * 9_000]
    for value in many:
        payload, compressed = roomy.encode(value)
        assert roomy.decode(payload, compressed) == value
        with pytest.raises(ValueTooLargeError, match="more than 1000 parts"):
            narrow.encode(value)
        with pytest.raises(CacheError, match="more than 1000 parts"):
            narrow.decode(payload, compressed)
    for value in ([{}] * 900, [1] * 5_000, ["x" * 20_000], [b"\xff" * 20_000], [True, None] * 3_000):
        samples.assert_kept(value, narrow)


def test_a_large_value_deep_inside_others_is_refused_alike_on_both_sides() -> None:
    codec = Codec(limits=Limits(max_bytes=64_000, compress_from=None))
    samples.assert_kept(nested(2, lambda inner: (inner,), "x" * 31_000), codec)
    with pytest.raises(SerializationError, match=r"too many for a value nested 3 deep") as caught:
        codec.encode(nested(3, lambda inner: (inner,), "x" * 31_000))
    assert caught.value.path == "$[0][0]"
    assert re.search(r"\d+ bytes", str(caught.value))


def test_int_to_bytes_is_as_short_as_it_goes() -> None:
    assert [len(scalars.int_to_bytes(number)) for number in (0, 127, 128, -128, -129, 2**64)] == [1, 1, 2, 2, 2, 9]


def test_a_class_that_only_looks_like_a_model_is_refused() -> None:
    @dataclasses.dataclass
    class Odd(dict[str, int]):
        a: int = 1

    with pytest.raises(SerializationError, match="inherits from dict"):
        CODEC.encode(Odd())


class Poor:
    """A name whose hash says nothing."""

    def __hash__(self) -> int:
        return 7


@dataclasses.dataclass(frozen=True)
class PoorKey(Poor):
    number: int

    __hash__ = Poor.__hash__


def test_a_set_that_could_not_be_built_again_in_time_is_refused_with_its_path() -> None:
    for value in ({PoorKey(number) for number in range(1_600)}, dict.fromkeys(map(PoorKey, range(1_600)))):
        with pytest.raises(SerializationError, match="too many of its members have the same hash") as caught:
            CODEC.encode([0, {"all": value}])
        assert caught.value.path == "$[1].all"


def test_what_one_value_spent_is_not_charged_to_the_next() -> None:
    codec = Codec()
    few, many = ({PoorKey(number) for number in range(count)} for count in (900, 1_600))
    for _ in range(4):
        with pytest.raises(SerializationError):
            codec.encode([few, many])
        assert codec.decode(*codec.encode(few)) == few
        with pytest.raises(SerializationError):
            codec.encode([few, few, few, few])


def test_some_hundred_members_may_hash_alike_in_each_of_many_values() -> None:
    value = {PoorKey(number) for number in range(300)}
    for _ in range(40):
        assert CODEC.decode(*CODEC.encode(value)) == value
