"""The codec's face: value -> payload and back, within limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..errors import SerializationError, ValueTooLargeError
from .compression import Compression
from .convert import check_type, convert
from .immutable import is_immutable
from .limits import Limits
from .models import ModelRegistry
from .serializer import MsgpackSerializer, Serializer
from .undecodable import Undecodable

__all__ = ["Codec"]

T = TypeVar("T")


class Codec:
    """Turns values into payloads and back. Safe to use from several threads."""

    __slots__ = (
        "_compress_at", "_compression", "_dumps", "_limits", "_registry", "is_foreign", "loads", "loads_behind",
        "loads_many", "max_bytes",
    )  # fmt: skip

    def __init__(
        self,
        *,
        serializer: Serializer | None = None,
        limits: Limits | None = None,
        registry: ModelRegistry | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._registry = registry or ModelRegistry()
        chosen = MsgpackSerializer(self._limits, self._registry) if serializer is None else _Foreign(serializer)
        self.is_foreign = serializer is not None
        """Whether a serializer of the user's own does the work."""
        self._dumps = chosen.dumps
        self.loads = chosen.loads
        """As `decode`, for a payload that is not compressed and has at most `max_bytes`."""
        self.loads_many = chosen.loads_many
        """The same for several, by one call; raises Undecodable if that can't be, or any of them gives no value."""
        self.loads_behind = chosen.loads_behind
        """The same for several that stand behind something else; gives that too."""
        self._compression = Compression()
        # One comparison on the way of small values: up to here there is neither compression nor a limit.
        self.max_bytes = self._limits.max_bytes
        self._compress_at = min(self.max_bytes + 1, self._limits.compress_from or self.max_bytes + 1)

    def encode(self, value: object) -> tuple[bytes, bool]:
        """The payload and whether it is compressed.

        Raises SerializationError, with the path inside the value, for what can't be held; ValueTooLargeError.
        """
        payload = self._dumps(value)
        if len(payload) < self._compress_at:
            return payload, False
        if len(payload) > self.max_bytes:
            raise ValueTooLargeError(
                f"the value takes {len(payload)} bytes, more than max_value_bytes={self.max_bytes}"
            )
        if self._limits.compress_from is None:
            return payload, False
        packed = self._compression.compress(payload)
        return (payload, False) if packed is None else (packed, True)

    def decode(self, payload: bytes | memoryview, compressed: bool) -> object:
        """The value. Raises Undecodable for any bytes that give none, and nothing else; never runs code from them."""
        if compressed or len(payload) > self.max_bytes:
            payload = self._open(payload)
        return self.loads(payload)

    def expect(self, type_: object) -> None:
        """Before bytes are read that shall become this type: the model classes that it reaches may be rebuilt.

        Raises ArgumentTypeError for what is no type.
        """
        check_type(type_)
        self._registry.register_annotation(type_)

    def convert(self, value: object, type_: type[T]) -> T:
        """Plain data as the type that a caller asked for; what is of that type passes as it is.

        Raises Undecodable when it doesn't fit, ArgumentTypeError when nothing can be made into such a type.
        """
        return convert(value, type_)

    def register(self, *classes: type) -> None:
        """Lets instances of these model classes, and of those in their fields, be rebuilt.

        Raises ArgumentTypeError for what is no model class, ArgumentError when another class has the name already.
        """
        self._registry.register(*classes)

    def register_annotation(self, annotation: object) -> None:
        """Lets the model classes in an annotation be rebuilt, and those in their fields."""
        self._registry.register_annotation(annotation)

    def is_immutable(self, value: object) -> bool:
        """Whether the object itself may stand for what decoding its payload would give."""
        return not self.is_foreign and is_immutable(value)

    def _open(self, payload: bytes | memoryview) -> bytes:
        if len(payload) > self.max_bytes:
            raise Undecodable(f"more than {self.max_bytes} bytes")
        return self._compression.decompress(payload, self.max_bytes)


class _Foreign:
    """A user's serializer, held to the same errors."""

    __slots__ = ("_serializer",)

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer

    def dumps(self, value: object) -> bytes:
        try:
            payload = self._serializer.dumps(value)
        except SerializationError:
            raise
        except Exception as error:
            name = type(value).__qualname__
            raise SerializationError(f"the serializer can't hold {name}: {type(error).__name__}") from error
        if type(payload) is not bytes:
            raise SerializationError(f"the serializer gave {type(payload).__qualname__}, not bytes")
        return payload

    def loads(self, data: bytes | memoryview) -> object:
        try:
            return self._serializer.loads(bytes(data))
        except Undecodable:
            raise
        except Exception as error:
            raise Undecodable(f"the serializer raised {type(error).__name__}") from error

    def loads_many(self, payloads: Sequence[bytes]) -> list[object]:
        return list(map(self.loads, payloads))

    def loads_behind(self, raws: Sequence[bytes], start: int) -> tuple[list[object], bytes]:
        return self.loads_many([raw[start:] for raw in raws]), b"".join([raw[:start] for raw in raws])
