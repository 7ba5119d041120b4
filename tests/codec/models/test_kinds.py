"""Models come back exactly as they were, and nothing of theirs runs on the way."""

from __future__ import annotations

import dataclasses
import enum
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import pydantic
import pytest
from tests.ids import shown

from pika_redis.codec import Codec, Undecodable
from pika_redis.errors import SerializationError

from .. import samples
from ..samples import assert_kept

T = TypeVar("T")


@pytest.mark.parametrize(
    "value",
    [
        samples.Point(1, 2),
        samples.Frozen("a", datetime(2024, 1, 1, tzinfo=UTC)),
        samples.Slotted(1),
        samples.Strict(key=1, value=[2]),
        samples.Mixed(1, 2),
        samples.One([1]),
        samples.Empty(),
        samples.Pair(1),
        samples.Loose(1, 2),
        samples.Tagged(1, 2),
        samples.Struct(1, [2]),
        samples.Checked(a=1),
        samples.Open(1),
        samples.Model(a=1),
        samples.Model(a=1, b=2),
        samples.Extra(),
        samples.extra(a=1, more=[2], other={}),
        samples.Secretive(a=1),
        samples.Root([1, 2]),
        samples.Page[int](items=[1]),
        samples.Page[samples.Extra](items=[samples.extra(x=1)]),
        samples.Validated(1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_model_comes_back_alone_and_nested(value: Any) -> None:
    codec = Codec()
    back = assert_kept(value, codec)
    assert back == value
    assert back is not value
    assert_kept([value, {"k": (value,)}, samples.Point(value)], codec)


def test_post_init_and_init_do_not_run() -> None:
    calls: list[str] = []

    class Loud:
        def __init__(self) -> None:
            calls.append("init")

        def __post_init__(self) -> None:
            calls.append("post_init")

        def __setstate__(self, state: object) -> None:
            calls.append("setstate")

        def __setattr__(self, name: str, value: object) -> None:
            calls.append("setattr")
            object.__setattr__(self, name, value)

    class LoudData(Loud):
        a: int = 1

    data = dataclass(LoudData)()
    codec = Codec()
    payload = codec.encode(data)
    calls.clear()
    assert codec.decode(*payload) == data
    assert calls == []


def test_a_struct_is_built_without_its_post_init_and_has_its_own_class() -> None:
    bad = samples.Checked(a=1)
    msgspec.structs.force_setattr(bad, "a", "bad")
    back = assert_kept(bad)
    assert type(back) is samples.Checked


def test_a_pydantic_model_is_not_validated_again() -> None:
    bad = samples.Secretive.model_construct(a=-1)
    assert_kept(bad)
    hidden = samples.Secretive(a=1)
    hidden._hidden = {"changed": True}
    back = assert_kept(hidden)
    assert isinstance(back, samples.Secretive)
    assert back._hidden == {"changed": True}


def test_a_field_without_a_value_stays_without() -> None:
    value = samples.Derived(1)
    back = assert_kept(value)
    assert not hasattr(back, "unset")
    slotted = object.__new__(samples.Slotted)
    slotted.b = 1
    back = assert_kept(slotted)
    assert not hasattr(back, "a")
    partly = samples.Model.model_construct()
    assert "a" not in partly.__dict__
    assert_kept(partly)


def test_attributes_beyond_the_fields_come_back() -> None:
    point = samples.Point(1)
    point.note = [1]  # type: ignore[attr-defined]
    mixed = samples.Mixed(1, 2)
    mixed.note = "x"  # type: ignore[attr-defined]
    tagged = samples.Tagged(1, 2)
    tagged.note = "x"  # type: ignore[attr-defined]
    struct = samples.Open(1)
    struct.note = "x"  # type: ignore[attr-defined]
    values: list[Any] = [point, mixed, tagged, struct]
    for value in values:
        back: Any = assert_kept(value)
        assert back.note == value.note


def test_a_cached_property_is_computed_again() -> None:
    for value in (samples.Derived(1), samples.Model(a=1)):
        first = value.expensive if isinstance(value, samples.Derived) else value.lazy
        back: Any = assert_kept(value)
        again = back.expensive if isinstance(value, samples.Derived) else back.lazy
        assert again is not first


def test_which_fields_were_given_comes_back() -> None:
    for value in (samples.Model(a=1), samples.Model(a=1, b=2), samples.Model.model_construct(b=1), samples.extra(z=1)):
        back: Any = assert_kept(value)
        assert back.model_fields_set == value.model_fields_set
        assert back.model_dump(exclude_unset=True) == value.model_dump(exclude_unset=True)


def test_frozen_models_come_back_frozen() -> None:
    for value in (samples.Frozen("a"), samples.Strict(key=1), samples.Checked(a=1), samples.Extra(a=1)):
        back: Any = assert_kept(value)
        name = next(iter(getattr(value, "__annotations__", ())))
        with pytest.raises((AttributeError, pydantic.ValidationError)):
            setattr(back, name, 2)
    assert {assert_kept(samples.Checked(a=1)): 1}[samples.Checked(a=1)] == 1


def test_an_enum_member_comes_back_as_the_member() -> None:
    codec = Codec()
    for member in (*samples.Color, *samples.Level, *samples.Size, *samples.Access):
        assert codec.decode(*codec.encode(member)) is member
    assert_kept({samples.Level.LOW: samples.Size.L, samples.Color.RED: [samples.Access(5)]}, codec)


def test_an_alias_of_a_member_is_the_member() -> None:
    class Alias(enum.Enum):
        A = 1
        B = 1  # noqa: PIE796 - an alias is what is tested

    assert Codec().encode(Alias.B) == Codec().encode(Alias.A)


def test_the_own_missing_of_a_flag_does_not_run() -> None:
    class Picky(enum.Flag):
        A = 1
        B = 2

        @classmethod
        def _missing_(cls, value: object) -> Any:
            raise AssertionError("ran")

    codec = Codec()
    codec.register(Picky)
    payload, _ = codec.encode(Picky.A)
    assert codec.decode(payload[:-1] + b"\x02", False) is Picky.B
    back: Any = codec.decode(payload[:-1] + b"\x03", False)
    assert (type(back), back.value) == (Picky, 3)


def test_a_model_of_odd_make_is_refused_with_the_reason() -> None:
    @dataclass
    class Error(Exception):
        a: int

    @dataclass
    class Table(dict[str, int]):
        a: int = 0

    class Slots(pydantic.BaseModel):
        __slots__ = ("extra_slot",)

    for value, reason in [(Error(1), "inherits from Exception"), (Table(), "inherits from dict"), (Slots(), "slots")]:
        with pytest.raises(SerializationError, match=reason):
            Codec().encode([value])


def test_a_tuple_of_another_length_than_its_class_is_refused() -> None:
    short = tuple.__new__(samples.Pair, [1])
    with pytest.raises(SerializationError, match="1 items for 2 fields"):
        Codec().encode(short)


def test_a_struct_without_a_value_is_refused() -> None:
    struct = samples.Struct(1)
    del struct.b
    with pytest.raises(SerializationError, match="no value"):
        Codec().encode(struct)


@pytest.mark.parametrize(
    "options",
    [
        {"frozen": True},
        {"kw_only": True},
        {"gc": False},
        {"weakref": True},
        {"array_like": True, "tag": True},
        {"omit_defaults": True, "rename": "camel", "forbid_unknown_fields": True},
        {"order": True, "frozen": True, "cache_hash": True},
    ],
    ids=shown,
)
@pytest.mark.parametrize("with_post_init", [False, True])
def test_structs_of_every_make_come_back(options: dict[str, Any], with_post_init: bool) -> None:
    def fail(self: object) -> None:
        if armed:
            raise AssertionError("ran")

    armed = False
    namespace = {"__post_init__": fail} if with_post_init else {}
    cls = msgspec.defstruct("Made", [("first_field", int), ("b", list[int], [])], namespace=namespace, **options)
    value = cls(first_field=1, b=[2])
    armed = True
    codec = Codec()
    back = codec.decode(*codec.encode(value))
    assert type(back) is cls
    assert msgspec.structs.asdict(back) == {"first_field": 1, "b": [2]}


def test_a_generic_struct_and_dataclass_come_back() -> None:
    class Box(msgspec.Struct, Generic[T]):
        item: T

    @dataclass
    class Crate(Generic[T]):
        item: T

    for value in (Box[int](1), Crate[str]("x")):
        codec = Codec()
        back = codec.decode(*codec.encode(value))
        assert (type(back), back) == (type(value), value)


def test_a_dataclass_over_a_protocol_or_abstract_base_comes_back() -> None:
    import abc
    from typing import Protocol

    class Abstract(abc.ABC):
        @abc.abstractmethod
        def area(self) -> int: ...

    class Speaks(Protocol):
        def name(self) -> str: ...

    @dataclass
    class Square(Abstract, Speaks):
        side: int

        def area(self) -> int:
            return self.side**2

        def name(self) -> str:
            return "square"

    assert_kept(Square(3))


def test_a_private_slot_of_a_base_comes_back() -> None:
    class Hidden:
        __slots__ = ("__secret",)

        def keep(self, secret: object) -> None:
            self.__secret = secret

        def tell(self) -> object:
            return self.__secret

    @dataclass(slots=True)
    class Visible(Hidden):
        a: int

    value = Visible(1)
    value.keep([7])
    back: Any = assert_kept(value)
    assert back.tell() == [7]


def test_a_dataclass_without_slots_over_init_only_and_class_variables() -> None:
    @dataclass
    class Configured:
        a: int
        scale: dataclasses.InitVar[int]
        kind: Any = "k"

        def __post_init__(self, scale: int) -> None:
            self.a *= scale

    value = Configured(2, 3)
    back: Any = assert_kept(value)
    assert back.a == 6


def test_orm_state_is_refused_with_its_path() -> None:
    class State:
        """As an object mapper hangs on its rows."""

    for value in (samples.Point(1), samples.Model(a=1)):
        value.__dict__["_sa_instance_state"] = State()
        with pytest.raises(SerializationError) as caught:
            Codec().encode({"row": value})
        assert caught.value.path == "$.row._sa_instance_state"


def test_neither_msgspec_nor_pydantic_is_needed_to_tell_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("msgspec", "pydantic.main"):
        monkeypatch.delitem(sys.modules, name)

    class Row(NamedTuple):
        a: int

    codec = Codec()
    assert codec.decode(*codec.encode([Row(1), samples.Point(1)])) == [Row(1), samples.Point(1)]


def test_another_codec_needs_the_class_registered() -> None:
    payload = Codec().encode(samples.Point(1, samples.Pair(2)))
    reader = Codec()
    with pytest.raises(Undecodable):
        reader.decode(*payload)
    reader.register(samples.Point, samples.Pair)
    assert reader.decode(*payload) == samples.Point(1, samples.Pair(2))
