"""The face: users' serializers, lazy imports, threads, and the bytes of plain values."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis.codec import Codec, Limits, Serializer, Undecodable
from pika_redis.errors import SerializationError, ValueTooLargeError

from . import samples


class Pickle:
    def dumps(self, value: object, /) -> bytes:
        return pickle.dumps(value)

    def loads(self, data: bytes, /) -> object:
        assert type(data) is bytes
        return pickle.loads(data)


class Broken:
    def dumps(self, value: object, /) -> bytes:
        raise RuntimeError("no")

    def loads(self, data: bytes, /) -> object:
        raise RuntimeError("no")


class Text(Broken):
    def dumps(self, value: object, /) -> Any:
        return "text"


def test_a_serializer_of_the_user_takes_the_place_of_the_format() -> None:
    serializer: Serializer = Pickle()
    codec = Codec(serializer=serializer, limits=Limits(max_bytes=50_000))
    for value in (Decimal(1), range(5), "long " * 5_000):
        payload, compressed = codec.encode(value)
        assert codec.decode(payload, compressed) == value
        assert codec.decode(memoryview(payload), compressed) == value
    assert codec.encode("long " * 5_000)[1]
    with pytest.raises(ValueTooLargeError):
        codec.encode("x" * 60_000)


def test_what_the_users_serializer_raises_becomes_the_codecs_error() -> None:
    with pytest.raises(SerializationError, match="the serializer can't hold int: RuntimeError") as caught:
        Codec(serializer=Broken()).encode(1)
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(SerializationError, match="gave str, not bytes"):
        Codec(serializer=Text()).encode(1)
    with pytest.raises(Undecodable, match="the serializer raised RuntimeError"):
        Codec(serializer=Broken()).decode(b"x", False)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(), st.binary()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
        max_leaves=20,
    )
)
def test_plain_data_is_plain_messagepack(value: Any) -> None:
    payload, compressed = Codec().encode(value)
    assert compressed or payload == ormsgpack.packb(value)


def test_several_threads_share_a_codec() -> None:
    codec = Codec()
    chance = random.Random(3)
    values = [
        {"rows": [(n, datetime(2024, 1, 1, tzinfo=UTC)) for n in range(chance.randrange(30))], "t": (n,), n: {n}}
        for n in range(20)
    ] + [samples.Point("long " * 5_000), {"a": samples.Model(a=1)}, {samples.Size.S: (1, "\ud800")}]
    wrong: list[object] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for _ in range(20):
            for value in values:
                if codec.decode(*codec.encode(value)) != value:
                    wrong.append(value)
                with_path = {"here": [value, object()]}
                try:
                    codec.encode(with_path)
                except SerializationError as error:
                    if error.path != "$.here[1]":
                        wrong.append(error)
                try:
                    codec.decode(b"\xc7\x01\x03\x01", False)
                except Undecodable as error:
                    if error.reason != "not a list where one belongs":
                        wrong.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


SCRIPT = """
import sys
from pika_redis.codec import Codec
heavy = ("msgspec", "pydantic", "backports.zstd", "compression.zstd", "zoneinfo", "pickle")
def loaded():
    return [name for name in heavy if name in sys.modules]
before = loaded()
codec = Codec()
codec.decode(*codec.encode({"a": [1, (2, 3), {4}], 5: b"x"}))
print(before, loaded())
"""


def test_heavy_modules_are_imported_when_first_needed() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    assert done.stdout.strip() == "[] []"
