from __future__ import annotations

import abc
import array
import collections
import ctypes
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import hashlib
import io
import ipaddress
import json
import math
import pathlib
import re
import struct
import types
import typing
import uuid
import zoneinfo
from typing import Any, NamedTuple

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ids import shown

from pika_redis.errors import UnstableArgumentError
from pika_redis.service.canonical import Place, digest, encode, own_state

PLACE = Place("filters", "shop.find")
UTC = dt.UTC


def zone(key: str | None) -> zoneinfo.ZoneInfo:
    """A zone of one constant offset, so that no time zone data need be installed."""
    header = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    return zoneinfo.ZoneInfo.from_file(io.BytesIO(header + struct.pack(">lBB", 3600, 0, 0) + b"CET\0"), key=key)


PARIS, BERLIN = zone("Europe/Paris"), zone("Europe/Berlin")


def encoded(value: object) -> bytes:
    return encode(value, PLACE)


def typed(value: Any) -> Any:
    """What `encode` promises to tell apart, said another way."""
    kind = type(value)
    if kind is float:
        return kind, "nan" if math.isnan(value) else struct.pack(">d", value)
    if kind in (list, tuple):
        return kind, tuple(map(typed, value))
    if kind in (set, frozenset):
        return kind, frozenset(map(typed, value))
    if kind is dict:
        return kind, frozenset((typed(key), typed(item)) for key, item in value.items())
    if kind in (dt.datetime, dt.time):
        return kind, value, value.fold
    return kind, str(value) if kind is decimal.Decimal else value


# Few and confusable, so that equal pairs come up often.
SCALARS: list[object] = [
    *(None, False, True, 0, 1, -1, 10, 256, 0.0, -0.0, 1.0, math.nan, math.inf, 1j, 2**64, -(2**64)),
    *("", "0", "1", "i1:", "N", "s0:", "None", "\ud800", "\ufffd", "é", b"", b"1", b"N", b"s1:1"),
    *(dt.date(2026, 1, 1), dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, fold=1), dt.time(), dt.timedelta(1)),  # noqa: DTZ001
    *(decimal.Decimal(1), decimal.Decimal("1.0"), uuid.UUID(int=1), uuid.UUID(int=2)),
    *(range(3), range(0, 3, 2), range(1, 3), range(2), 2j, b"2", ..., NotImplemented),
]
scalars = st.sampled_from(SCALARS)
hashables = st.recursive(scalars, lambda inner: st.tuples(inner) | st.frozensets(inner, max_size=3), max_leaves=4)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.tuples(inner, inner),
        st.sets(hashables, max_size=3),
        st.frozensets(hashables, max_size=3),
        st.dictionaries(hashables, inner, max_size=3),
    ),
    max_leaves=6,
)


def test_scalars_are_told_apart_by_type_and_value() -> None:
    assert len({encoded(value) for value in SCALARS}) == len(SCALARS)


@settings(max_examples=400)
@given(values, values)
def test_bytes_are_equal_exactly_when_types_and_values_are(one: object, other: object) -> None:
    assert (encoded(one) == encoded(other)) is (typed(one) == typed(other))


@settings(max_examples=200)
@given(st.lists(values, max_size=4), st.lists(values, max_size=4))
def test_concatenated_encodings_never_run_into_each_other(one: list[object], other: list[object]) -> None:
    joined = [b"".join(map(encoded, many)) for many in (one, other)]
    assert (joined[0] == joined[1]) is (typed(one) == typed(other))


@given(st.dictionaries(st.integers(), values, max_size=6), st.randoms())
def test_the_order_of_a_dict_and_of_a_set_does_not_matter(items: dict[int, object], random: Any) -> None:
    names = list(items)
    random.shuffle(names)
    assert encoded({name: items[name] for name in names}) == encoded(items)
    assert encoded(set(names)) == encoded(set(items))


def test_long_members_of_a_set_are_told_apart() -> None:
    assert encoded({"a" * 1000, "b"}) == encoded({"b", "a" * 1000})
    assert encoded({"a" * 1000, "b"}) != encoded({"a" * 999, "b"})


@given(st.integers())
def test_integers_of_any_length_are_content(value: int) -> None:
    assert encoded(value) != encoded(value + 1)
    assert encoded(value << 20_000) == encoded(value << 20_000)


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Shade(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Name(enum.StrEnum):
    ONE = "1"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: int
    y: object = 0


@dataclasses.dataclass(frozen=True, slots=True)
class SlottedPoint:
    x: int
    y: object = 0


class PointTuple(NamedTuple):
    x: int
    y: object = 0


class PointStruct(msgspec.Struct):
    x: int
    y: object = 0


class PointModel(pydantic.BaseModel):
    x: int
    y: object = 0


class OpenModel(pydantic.BaseModel, extra="allow"):
    x: int


class AttrsPoint:
    __attrs_attrs__ = (types.SimpleNamespace(name="x"), types.SimpleNamespace(name="y"))

    def __init__(self, x: int, y: object = 0) -> None:
        self.x = x
        self.y = y


class Keyed:
    def __init__(self, key: object) -> None:
        self.key = key

    def __cache_key__(self) -> object:
        return self.key


class OtherKeyed(Keyed):
    pass


class UserId(int):
    shown = 0

    def __str__(self) -> str:
        UserId.shown += 1
        return f"shown {UserId.shown} times"


class Slug(str):
    __slots__ = ("language",)
    language: str


class Tags(list[str]):
    pass


class FineTime(dt.datetime):
    """A subclass that is finer than its base and hides it from Python, as pandas' Timestamp does."""

    hidden: typing.ClassVar[dict[int, int]] = {}

    def __str__(self) -> str:
        return f"{super().__str__()}+{self.hidden[id(self)]}ns"


class Window(dt.tzinfo):
    def __init__(self, name: str = "W", hours: int = 1, zone: str | None = None) -> None:
        self.name = name
        self.hours = hours
        self.zone = zone

    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=self.hours)

    def dst(self, when: dt.datetime | None) -> None:
        return None

    def tzname(self, when: dt.datetime | None) -> str:
        return self.name


def module_function(*_args: object) -> None: ...


def fine(nanosecond: int) -> FineTime:
    moment = FineTime(2026, 1, 1)
    FineTime.hidden[id(moment)] = nanosecond
    return moment


MODELS = [Point, SlottedPoint, PointTuple, PointStruct, PointModel, AttrsPoint]

DISTINCT: list[object] = [
    *(Colour.RED, Colour.GREEN, Shade.RED, Number.ONE, Name.ONE, Right.READ, Right.WRITE, Right.READ | Right.WRITE),
    *(1, "1", UserId(1), Slug("1"), Tags(["1"]), ["1"]),
    *(model(x=1) for model in MODELS),
    *(model(x=2) for model in MODELS),
    *(Point(1, Point(1)), Point(1, [Point(1)]), {"x": 1, "y": 0}, (1, 0)),
    *(OpenModel(x=1), OpenModel(x=1, z=2)),  # type: ignore[call-arg]
    *(Keyed(1), Keyed("1"), Keyed(None), Keyed((1, [2])), OtherKeyed(1)),
    *(dt.datetime(2026, 7, 1, tzinfo=zone) for zone in (None, UTC, PARIS, BERLIN, Window())),
    *(
        dt.datetime(2026, 7, 1, tzinfo=zone)
        for zone in (Window("V"), Window(hours=2), Window(zone="a"), Window(zone="b"))
    ),
    *(dt.time(1, tzinfo=zone) for zone in (None, UTC, PARIS)),
    *(fine(0), fine(1), dt.datetime(2026, 1, 1, fold=1, tzinfo=PARIS), dt.datetime(2026, 1, 1, tzinfo=PARIS)),
    *(UTC, PARIS, BERLIN, dt.timezone(dt.timedelta(hours=1)), dt.timezone(dt.timedelta(hours=1), "CET")),
    *(pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), pathlib.PurePosixPath("a/b")),
    *(ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("10.0.0.1"), ipaddress.ip_interface("10.0.0.1/8")),
    *(fractions.Fraction(1, 2), fractions.Fraction(1, 3), 0.5, decimal.Decimal("0.5")),
    *(range(3), range(0, 3, 2), slice(3), slice(0, 3), slice(None, [1])),
    *(bytearray(b"1"), memoryview(b"1"), array.array("b", b"1"), array.array("B", b"1"), b"1"),
    *(collections.deque(["1"]), collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1)),
    *({"a": 1, "b": 2}, types.MappingProxyType({"a": 1, "b": 2}), collections.Counter(a=1, b=2)),
    *(re.compile("a"), re.compile("a", re.IGNORECASE), re.compile(b"a"), re.compile("a" * 300), re.compile("a" * 301)),
    *(int, bool, type(None), Point, json.dumps, len, module_function, math.sin),
    *(functools.partial(module_function, 1), functools.partial(module_function, "1"), Keyed(1).__cache_key__),
    *(list[int], list[str], typing.List[int], dict[str, int], int | None, str | None, typing.Any, ...),  # noqa: UP006
    *(typing.Literal["a"], typing.Literal["b"], typing.Literal[1], typing.Literal[True]),
]


@pytest.mark.parametrize("position", range(len(DISTINCT)))
def test_what_is_not_the_same_has_other_bytes(position: int) -> None:
    mine = encoded(DISTINCT[position])
    assert [other for at, other in enumerate(DISTINCT) if encoded(other) == mine and at != position] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Point(1, [2]), Point(1, [2])),
        (PointModel(x=1), PointModel(x=1, y=0)),
        (Keyed({"a": 1, "b": 2}), Keyed({"b": 2, "a": 1})),
        (dt.datetime(2026, 1, 1, tzinfo=PARIS), dt.datetime(2026, 1, 1, tzinfo=zone("Europe/Paris"))),
        (int | None, None | int),
        (typing.Optional[int], typing.Union[None, int]),  # noqa: UP007, UP045
        (math.nan, -math.nan),
        (collections.defaultdict(int, a=1), collections.defaultdict(list, a=1)),  # type: ignore[arg-type]
        (Slug("a"), Slug("a")),
        (UserId(1), UserId(1)),
        (pathlib.PurePosixPath("a//b/"), pathlib.PurePosixPath("a/b")),
    ],
)
def test_what_is_the_same_has_the_same_bytes(one: object, other: object) -> None:
    assert encoded(one) == encoded(other)


def test_a_cached_property_does_not_change_a_models_bytes() -> None:
    @dataclasses.dataclass
    class Order:
        number: int

        @functools.cached_property
        def total(self) -> int:
            return self.number

    order = Order(1)
    before = encoded(order)
    assert order.total == 1
    assert encoded(order) == before


def test_classes_of_one_name_are_told_apart_by_their_modules() -> None:
    kinds = [type("Order", (Point,), {"__module__": module}) for module in ("shop", "depot")]
    assert len({encoded(kind(1)) for kind in kinds}) == 2


def test_slots_of_a_subclass_of_str_count() -> None:
    one, other = Slug("a"), Slug("a")
    other.language = "en"
    assert encoded(one) != encoded(other)


@pytest.mark.parametrize("depth", [1000, pytest.param(50_000, marks=[pytest.mark.slow, pytest.mark.ci])])
@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"a": v, "b": 0}, Keyed])
def test_deep_nesting_is_content(wrap: Any, depth: int) -> None:
    one: Any = 1
    other: Any = 2
    for _ in range(depth):
        one, other = wrap(one), wrap(other)
    assert encoded(one) != encoded(other)


def endless() -> object:
    class Endless:
        def __cache_key__(self) -> object:
            return Endless()

    return Endless()


def cyclic_list() -> object:
    cycle: list[object] = [1]
    cycle.append({"again": cycle})
    return cycle


def cyclic_model() -> object:
    point = Point(1)
    point.y = [point]
    return point


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (object, "is an object of class object, which has no stable identity"),
        (lambda: [object()], "holds an object of class object"),
        (lambda: {"a": (1, {2: object()})}, "holds an object of class object"),
        (lambda: Point(1, object()), "holds an object of class object"),
        (lambda: Keyed(object()), "holds an object of class object"),
        (lambda: lambda: None, "is the function .*<lambda>, which no import leads to"),
        (lambda: functools.partial(lambda: None), "holds the function"),
        (lambda: type("Local", (), {}), "is the class Local, which no import leads to"),
        (lambda: iter([1]), "is an object of class list_iterator, which can be read only once"),
        (lambda: (n for n in range(3)), "is an object of class generator, which can be read only once"),
        (io.StringIO, "is an object of class StringIO"),
        (cyclic_list, "contains itself"),
        (cyclic_model, "contains itself"),
        (endless, "is nested more than 100000 levels deep"),
        (lambda: zone(None), "ZoneInfo"),
        (lambda: memoryview((ctypes.py_object * 1)()), "memoryview"),
    ],
)
def test_what_has_no_identity_is_refused_by_name(make: Any, problem: str) -> None:
    with pytest.raises(UnstableArgumentError, match=problem) as caught:
        encoded(make())
    message = str(caught.value)
    assert message.startswith("argument 'filters' of shop.find ")
    assert "ignore=('filters',)" in message


class Session:
    def __repr__(self) -> str:
        return "Session()"


def test_a_repr_of_its_own_is_no_identity_but_a_cache_key_is_offered() -> None:
    with pytest.raises(UnstableArgumentError, match=r"or give Session a __cache_key__\(\) method"):
        encoded(Session())


def test_no_advice_is_given_to_change_a_builtin_or_a_metaclass() -> None:
    class Local(abc.ABC):  # noqa: B024 (a metaclass is all that it is for)
        pass

    for value in (object(), Local):
        with pytest.raises(UnstableArgumentError) as caught:
            encoded(value)
        assert "__cache_key__" not in str(caught.value)


def test_a_shared_member_is_no_cycle() -> None:
    shared = [1]
    assert encoded([shared, shared, {"a": shared}]) == encoded([[1], [1], {"a": [1]}])


def test_own_state_finds_attributes_and_slots() -> None:
    class Base:
        __slots__ = ("__hidden", "a")
        a: int

        def __init__(self) -> None:
            self.__hidden = 1

    class Derived(Base):
        pass

    derived = Derived()
    assert own_state(derived) == {"_Base__hidden": 1}
    derived.a = 2
    derived.b = 3  # type: ignore[attr-defined]
    assert own_state(derived) == {"_Base__hidden": 1, "a": 2, "b": 3}
    assert own_state(object()) == {}

    class Named:
        __slots__ = "tenant"  # noqa: PLC0205 (one name may stand alone)

        def __init__(self) -> None:
            self.tenant = 1

    assert own_state(Named()) == {"tenant": 1}


GOLDEN: list[tuple[object, bytes]] = [
    (None, b"N"),
    (True, b"T"),
    (-1, b"i1:\xff"),
    (128, b"i2:\x00\x80"),
    (1.0, b"f?\xf0\x00\x00\x00\x00\x00\x00"),
    ("é", b"s2:\xc3\xa9"),
    (b"a", b"b1:a"),
    ([1, (2,)], b"l2:i1:\x01t1:i1:\x02"),
    ({"b": 1, "a": 2}, b"d2:s1:ai1:\x02s1:bi1:\x01"),
    (frozenset({1}), b"Z1:i1:\x01"),
    (dt.date(2026, 1, 2), b"D10:2026-01-02"),
    (decimal.Decimal("1.50"), b"x4:1.50"),
    (len, b"n12:builtins:len"),
    (uuid.SafeUUID.safe, b"EC13:uuid.SafeUUID1:s4:safe"),
    (re.IGNORECASE, b"EC12:re.RegexFlag1:i1:\x02"),
    ({"a" * 60}, b"S1:s60:" + b"a" * 60),
    ({"a" * 61}, b"S1:#" + hashlib.blake2b(b"s61:" + b"a" * 61, digest_size=32).digest()),
    (pathlib.PurePosixPath("a"), b"PC21:pathlib.PurePosixPath1:s1:a"),
]


@pytest.mark.parametrize(("value", "data"), GOLDEN)
def test_the_bytes_stay_what_they_are_from_release_to_release(value: object, data: bytes) -> None:
    assert encoded(value) == data


def test_a_digest_is_128_bits_of_blake2b() -> None:
    assert digest(b"") == "cae66941d9efbd404e4d88758ea67670"


# --- values whose own methods raise, or tell something else than they hold


class Proxy:
    """Stands for something of a request, outside of any."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("working outside of request context")


class Closed:
    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


class BrokenZone(dt.tzinfo):
    def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta:
        raise ZeroDivisionError

    def dst(self, moment: dt.datetime | None) -> None: ...
    def tzname(self, moment: dt.datetime | None) -> None: ...


class BrokenDate(dt.date):
    def __str__(self) -> str:
        raise ZeroDivisionError


@dataclasses.dataclass
class BrokenPoint:
    x: int

    def __getattribute__(self, name: str) -> object:
        if name == "x":
            raise ZeroDivisionError
        return object.__getattribute__(self, name)


class Equal(type):  # noqa: PLW1641 - that is the point
    """Its classes have no hash."""

    def __eq__(cls, other: object) -> bool:
        return cls is other


class Unhashed(metaclass=Equal):
    pass


class BrokenKey:
    def __cache_key__(self) -> object:
        raise ZeroDivisionError


class AsyncKey:
    async def __cache_key__(self) -> object:
        return 1


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (Proxy, r"(is|holds) an object of class Proxy, which has no stable identity"),
        (Closed, r"RuntimeError was raised"),
        (lambda: dt.datetime(2026, 1, 1, tzinfo=BrokenZone()), r"ZeroDivisionError was raised"),
        (lambda: BrokenDate(2026, 1, 1), r"ZeroDivisionError was raised"),
        (lambda: BrokenPoint(1), r"ZeroDivisionError was raised"),
        (Unhashed, r"TypeError was raised"),
        (BrokenKey, r"__cache_key__ of class BrokenKey, .* raised ZeroDivisionError"),
        (AsyncKey, r"__cache_key__ of class AsyncKey, .* must be a plain method, not an async one"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(make: Any, problem: str) -> None:
    value = make()
    for held in (value, [value], {"a": (value,)}):
        with pytest.raises(UnstableArgumentError, match=problem) as caught:
            encoded(held)
        assert "'filters' of shop.find" in str(caught.value)


def test_a_class_without_a_hash_is_read_by_its_name() -> None:
    assert b"Unhashed" in encoded(Unhashed)


@dataclasses.dataclass
class Guarded:
    """Refuses attributes that it hasn't."""

    x: int

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


def test_what_has_declared_fields_may_refuse_other_attributes() -> None:
    assert encoded(Guarded(1)) != encoded(Guarded(2))


class Empty(list[int]):
    def __iter__(self) -> Any:
        return iter(())


class Shy(dict[str, int]):
    def items(self) -> Any:
        return []

    def keys(self) -> Any:
        raise RuntimeError


class Still(collections.deque[int]):
    def __iter__(self) -> Any:
        return iter(())


@pytest.mark.parametrize(
    ("one", "other"), [(Empty([1]), Empty([2])), (Shy(a=1), Shy(a=2)), (Still([1]), Still([2]))], ids=shown
)
def test_a_container_is_told_by_what_it_holds_not_by_what_it_shows(one: object, other: object) -> None:
    assert encoded(one) != encoded(other)


class State(enum.StrEnum):
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> State:
        made = str.__new__(cls, value)
        made._name_ = "UNKNOWN"
        made._value_ = str(value)
        return made


class Label(enum.Enum):
    FIRST = 1
    SECOND = 2

    @property
    def name(self) -> str:
        return "label"


def test_members_are_told_by_the_names_that_enum_gave_and_others_by_their_values_too() -> None:
    told = [encoded(value) for value in (State.UNKNOWN, State("open"), State("closed"), *Label)]
    assert len(set(told)) == 5
    assert encoded(State("open")) == encoded(State("open"))
    assert encoded(State("unknown")) == encoded(State.UNKNOWN)
