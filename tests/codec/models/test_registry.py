"""Only registered classes are rebuilt, and only from the schema they have now."""

from __future__ import annotations

import dataclasses
import enum
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import msgspec
import pydantic
import pytest
from tests.ids import shown

from pika_redis.codec import Codec, ModelRegistry, Undecodable
from pika_redis.errors import ArgumentError, ArgumentTypeError, SerializationError

from .. import samples


def version(cls: Any, module: str = "shop.models", name: str = "Order") -> Any:
    """The class under the name that it has in every version of a program."""
    cls.__module__, cls.__qualname__, cls.__name__ = module, name, name
    return cls


def reason(writer: Codec, reader: Codec, value: object) -> str:
    payload, compressed = writer.encode(value)
    with pytest.raises(Undecodable) as caught:
        reader.decode(payload, compressed)
    return caught.value.reason


def test_an_unregistered_class_is_undecodable() -> None:
    reader = Codec()
    assert reason(Codec(), reader, samples.Point(1)) == "written for a class that isn't registered here"
    assert reason(Codec(), reader, samples.Color.RED) == "written for a class that isn't registered here"


def test_encoding_an_instance_registers_its_class() -> None:
    codec = Codec()
    payload, _ = codec.encode(samples.Point(1))
    other, _ = Codec().encode(samples.Point(2))
    assert payload != other
    assert codec.decode(other, False) == samples.Point(2)


def test_a_registry_can_be_shared() -> None:
    registry = ModelRegistry()
    Codec(registry=registry).register(samples.Point)
    payload, _ = Codec().encode(samples.Point(1))
    assert Codec(registry=registry).decode(payload, False) == samples.Point(1)


make = dataclasses.make_dataclass


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (make("Order", ["a"]), make("Order", ["a", "b"])),
        (make("Order", ["a", "b"]), make("Order", ["b", "a"])),
        (make("Order", [("a", int)]), make("Order", [("a", str)])),
        (make("Order", [("a", int)]), make("Order", [("a", "int | None")])),
        (make("Order", [("a", list[int])]), make("Order", [("a", list[str])])),
        (make("Order", [("a", int)]), msgspec.defstruct("Order", [("a", int)])),
        (pydantic.create_model("Order", a=(int, ...)), pydantic.create_model("Order", a=(float, ...))),
        (pydantic.create_model("Order", a=(int, ...)), pydantic.create_model("Order", a=(int, ...), b=(int, 1))),
    ],
)
def test_an_entry_of_another_schema_is_undecodable(old: Any, new: Any) -> None:
    reader = Codec()
    reader.register(version(new))
    value = version(old)(**dict.fromkeys(old.__annotations__, 1))
    assert reason(Codec(), reader, value) == "written by another schema of shop.models:Order"


def test_the_same_schema_made_again_reads_the_entry() -> None:
    payload, _ = Codec().encode(version(make("Order", [("a", int)]))(1))
    reader, again = Codec(), version(make("Order", [("a", int)]))
    reader.register(again)
    assert type(reader.decode(payload, False)) is again


def test_an_enum_keeps_what_did_not_change() -> None:
    old = version(enum.Enum("Order", {"OPEN": 1, "PAID": 2, "LOST": 3}))
    new = version(enum.Enum("Order", {"NEW": 9, "OPEN": 1, "PAID": 20}))
    reader = Codec()
    reader.register(new)
    writer = Codec()
    assert reader.decode(*writer.encode(old["OPEN"])) is new["OPEN"]
    for name in ("PAID", "LOST"):
        assert reason(writer, reader, old[name]) == "written by another schema of shop.models:Order"


def test_a_flag_with_other_members_is_undecodable() -> None:
    old = version(enum.Flag("Order", {"A": 1, "B": 2}))
    reader = Codec()
    reader.register(version(enum.Flag("Order", {"A": 1, "B": 4})))
    assert "another schema" in reason(Codec(), reader, old["A"])


def local(fields: list[str]) -> Any:
    return make("Local", fields, namespace={})


def test_two_classes_of_one_name_are_not_taken_for_each_other() -> None:
    first, second = (version(local(["a"]), "shop", "make.<locals>.Local") for _ in range(2))
    codec = Codec()
    payload, _ = codec.encode(first(1))
    with pytest.raises(SerializationError, match=r"another class named shop:make.<locals>.Local") as caught:
        codec.encode({"x": second(2)})
    assert caught.value.path == "$.x"
    with pytest.raises(ArgumentError, match="another class named"):
        codec.register(second)
    codec.register_annotation(list.__class_getitem__(second))
    assert isinstance(codec.decode(payload, False), first)
    assert isinstance(codec.decode(*codec.encode(first(3))), first)


def test_a_reloaded_class_takes_the_place_of_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("shop_of_test")
    monkeypatch.setitem(sys.modules, "shop_of_test", module)
    old, new = (version(local(["a"]), "shop_of_test", "Local") for _ in range(2))
    codec = Codec()
    module.Local = old
    payload, _ = codec.encode(old(1))
    module.Local = new
    codec.register(new)
    assert type(codec.decode(payload, False)) is new
    with pytest.raises(SerializationError, match="another class named"):
        codec.encode(old(1))


@pytest.mark.parametrize("wrong", [int, dict, object, type("Plain", (), {})])
def test_only_models_can_be_registered(wrong: type) -> None:
    with pytest.raises(ArgumentTypeError, match="is no dataclass, pydantic model"):
        Codec().register(samples.Point, wrong)


def test_an_instance_is_no_class() -> None:
    with pytest.raises(ArgumentTypeError, match="register takes classes"):
        Codec().register(samples.Point(1))  # type: ignore[arg-type]


def test_a_model_of_odd_make_cannot_be_registered() -> None:
    class Odd(Exception):
        a: int = 1

    with pytest.raises(ArgumentError, match="inherits from Exception"):
        Codec().register(dataclasses.dataclass(Odd))


def test_threads_may_register_the_same_class_at_once() -> None:
    classes: list[Any] = [version(make("C", ["a"]), "many", f"C{number}") for number in range(50)]
    codec = Codec()
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    def work() -> None:
        for cls in classes:
            assert codec.decode(*codec.encode([cls(1)])) == [cls(1)]

    threads = [threading.Thread(target=run, args=(work,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@dataclasses.dataclass
class Part:
    name: str


@dataclasses.dataclass
class Whole:
    parts: list[Part]


def test_registering_a_class_registers_those_of_its_fields() -> None:
    codec = Codec()
    codec.register(Whole)
    payload, compressed = Codec().encode(Whole([Part("lid")]))
    assert codec.decode(payload, compressed) == Whole([Part("lid")])


def test_expecting_a_type_registers_what_it_reaches() -> None:
    for expected, value in ((Whole, Whole([Part("lid")])), (list[Whole], [Whole([])]), (Part | None, Part("lid"))):
        codec = Codec()
        payload, compressed = Codec().encode(value)
        codec.expect(expected)
        assert codec.decode(payload, compressed) == value


@pytest.mark.parametrize("wrong", [5, "Part", (int, str), len, [Part]], ids=shown)
def test_what_is_no_type_cannot_be_expected(wrong: object) -> None:
    with pytest.raises(ArgumentTypeError, match="type="):
        Codec().expect(wrong)
