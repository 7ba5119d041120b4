"""A rebuilt pydantic model has the state that it had, and none beside it."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
from tests.ids import shown

from pika_redis.codec import Codec

from .. import samples


class Frozen(pydantic.RootModel[tuple[int, ...]]):
    model_config = pydantic.ConfigDict(frozen=True)


@pytest.mark.parametrize("value", [samples.Root([1, 2]), Frozen((1, 2)), pydantic.RootModel[int](3)], ids=shown)
def test_a_root_model_holds_its_root_and_nothing_else(value: Any) -> None:
    codec = Codec()
    back: Any = codec.decode(*codec.encode(value))
    assert vars(back) == vars(value) == {"root": value.root}
    assert back == value
    assert back.model_copy() == value
    assert back.model_dump_json() == value.model_dump_json()
    assert back.model_fields_set == {"root"}
    assert codec.encode(back) == codec.encode(value)
