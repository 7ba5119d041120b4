"""Model classes of every kind, and a text of a value in which nothing that a round trip must keep is lost."""

from __future__ import annotations

import dataclasses
import enum
import struct
from collections import namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timezone
from decimal import Decimal
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pydantic

from pika_redis.codec import Codec

T = TypeVar("T")


class Color(enum.Enum):
    RED = 1
    GREEN = "green"
    BLUE = (0, 0, 255)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Size(enum.StrEnum):
    S = "s"
    L = "l"


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Bits(enum.IntFlag):
    A = 1
    B = 2


@dataclass
class Point:
    x: Any
    y: Any = 0


@dataclass(frozen=True)
class Frozen:
    name: Any
    at: datetime | None = None


@dataclass(slots=True)
class Slotted:
    a: Any
    b: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strict:
    key: Any
    value: Any = ()


@dataclass
class Base:
    base: Any = 1


@dataclass(slots=True)
class Mixed(Base):
    """Its base keeps a `__dict__`."""

    own: Any = 2


@dataclass
class Derived:
    """Computes on creation, which decoding must not repeat."""

    given: Any
    doubled: Any = field(init=False)
    unset: Any = field(init=False)
    runs: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.doubled = [self.given, self.given]
        self.beyond = "no field"
        self.runs.append(1)

    @cached_property
    def expensive(self) -> object:
        return object()


@dataclass
class One:
    only: Any


@dataclass
class Empty:
    pass


class Pair(NamedTuple):
    left: Any
    right: Any = None


Loose = namedtuple("Loose", ["a", "b"])  # noqa: PYI024 - the untyped maker is what is tested


class Tagged(Pair):
    """A NamedTuple whose subclass has a `__dict__`."""


class Struct(msgspec.Struct):
    a: Any
    b: Any = None


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    a: Any
    b: Any = None

    def __post_init__(self) -> None:
        if self.a == "bad":
            raise ValueError("validated on decode")


class Open(msgspec.Struct, dict=True):
    a: Any
    maybe: Any = msgspec.UNSET


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    a: Any
    b: Any = None

    @cached_property
    def lazy(self) -> object:
        return object()


class Extra(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    a: Any = 1


def extra(**values: Any) -> Extra:
    """Any keywords: the checkers know only the fields."""
    return Extra(**values)


class Secretive(pydantic.BaseModel):
    a: int
    _hidden: Any = pydantic.PrivateAttr(default="hidden")

    @pydantic.field_validator("a")
    @classmethod
    def _positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError("validated on decode")
        return value


class Root(pydantic.RootModel[list[int]]):
    pass


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]


@pydantic.dataclasses.dataclass
class Validated:
    a: int


def text(value: Any) -> str:
    """Type and content of a value and of all that lies in it; equal texts mean a perfect round trip."""
    return f"{type(value).__module__}.{type(value).__qualname__}<{_inside(value)}>"


def _inside(value: Any) -> str:  # noqa: C901 - a table
    match value:
        case enum.Enum():
            return f"{value.name} {value.value!r}"
        case float():
            return struct.pack(">d", value).hex()
        case datetime() | time():
            return f"{value.replace(tzinfo=None).isoformat()} {value.fold} {_zone(value.tzinfo)}"
        case date():
            return value.isoformat()
        case Decimal():
            return repr(value.as_tuple())
        case set() | frozenset():
            return ", ".join(sorted(map(text, value)))
        case dict():
            return ", ".join(f"{text(key)}: {text(item)}" for key, item in value.items())
        case pydantic.BaseModel():
            state = {name: item for name, item in vars(value).items() if name in type(value).model_fields}
            given = sorted(value.model_fields_set)
            return f"{text(state)} {given} {text(value.model_extra)} {text(value.__pydantic_private__)}"
        case msgspec.Struct():
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            return f"{text(fields)} {text(getattr(value, '__dict__', {}))}"
        case list():
            return ", ".join(map(text, value))
        case tuple():
            return f"{', '.join(map(text, value))} {text(getattr(value, '__dict__', {}))}"
    if dataclasses.is_dataclass(value):
        names = [f.name for f in dataclasses.fields(value)]
        state = {name: getattr(value, name) for name in names if hasattr(value, name)}
        further = {name: item for name, item in getattr(value, "__dict__", {}).items() if name not in names}
        further.pop("expensive", None)
        return f"{text(state)} {text(further)}"
    return repr(value)


def _zone(zone: Any) -> str:
    if isinstance(zone, timezone):
        return f"timezone {zone.__reduce__()[1]!r} {zone is UTC}"
    if isinstance(zone, ZoneInfo):
        return f"ZoneInfo {zone.key}"
    return f"{type(zone)} {zone!r}"


def assert_kept(value: object, codec: Codec | None = None) -> object:
    """Encodes and decodes; the outcome has the same types and content, and encodes alike."""
    codec = codec or Codec()
    payload, compressed = codec.encode(value)
    back = codec.decode(payload, compressed)
    assert text(back) == text(value)
    return back
