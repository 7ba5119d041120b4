"""The seam between values and bytes, and what stands there by default."""

from __future__ import annotations

from typing import Protocol

from .limits import Limits
from .models import ModelRegistry
from .packer import Packer
from .unpacker import Unpacker

__all__ = ["MsgpackSerializer", "Serializer"]


class Serializer(Protocol):
    """Turns values into bytes and back; `RedisService(serializer=…)` takes any. Called from several threads."""

    def dumps(self, value: object, /) -> bytes:
        """The bytes of a value. Any exception means that it can't be held."""
        ...

    def loads(self, data: bytes, /) -> object:
        """The value. Any exception means that these bytes are none, and the entry counts as absent."""
        ...


class MsgpackSerializer:
    """The default: MessagePack with extension types (`docs/reference/values.md`)."""

    __slots__ = ("dumps", "loads", "loads_behind", "loads_many")

    def __init__(self, limits: Limits, registry: ModelRegistry) -> None:
        self.dumps = Packer(limits, registry).dumps
        unpacker = Unpacker(limits, registry)
        self.loads = unpacker.loads
        self.loads_many = unpacker.loads_many
        self.loads_behind = unpacker.loads_behind
