"""zstd at level 1 for large payloads, bounded when it is undone.

Compressors are reused, one a thread at a time: making one costs more than compressing 8 KiB. A decompressor serves one
frame, so it can't be reused. The frame's own claims are not believed: output stops one byte above the bound, and a
window larger than `_WINDOW_LOG` is refused before it is allocated.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from .undecodable import Undecodable

if TYPE_CHECKING:
    from backports import zstd

__all__ = ["Compression"]

_LEVEL: Final = 1
_WINDOW_LOG: Final = 23
_WORTH_WHILE: Final = 0.85
_MAX_IDLE: Final = 8


class Compression:
    """Compresses and decompresses payloads. zstd is imported when it is first needed."""

    __slots__ = ("_idle", "_module")

    def __init__(self) -> None:
        self._idle: list[zstd.ZstdCompressor] = []
        self._module: Any = None

    def compress(self, payload: bytes) -> bytes | None:
        """The compressed payload, None when it would save less than 15 %."""
        try:
            compressor = self._idle.pop()
        except IndexError:
            compressor = self._zstd().ZstdCompressor(level=_LEVEL)
        # After an exception the compressor is dropped: it may be in the middle of a frame.
        packed: bytes = compressor.compress(payload, compressor.FLUSH_FRAME)
        if len(self._idle) < _MAX_IDLE:
            self._idle.append(compressor)
        return packed if len(packed) <= len(payload) * _WORTH_WHILE else None

    def decompress(self, data: bytes | memoryview, max_bytes: int) -> bytes:
        """The payload. Raises Undecodable if it is larger, cut off, followed by other bytes, or no zstd."""
        zstd = self._zstd()
        options = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
        decompressor = zstd.ZstdDecompressor(options=options)
        try:
            payload: bytes = decompressor.decompress(data, max_bytes + 1)
        except zstd.ZstdError as error:
            raise Undecodable("no compressed payload") from error
        if len(payload) > max_bytes:
            raise Undecodable(f"decompresses to more than {max_bytes} bytes")
        if not decompressor.eof:
            raise Undecodable("the compressed payload is cut off")
        if decompressor.unused_data:
            raise Undecodable("bytes after the end of the compressed payload")
        return payload

    def _zstd(self) -> Any:
        if self._module is None:
            if sys.version_info >= (3, 14):
                from compression import zstd
            else:
                from backports import zstd
            self._module = zstd
        return self._module
