"""A program that decodes payloads made to exhaust memory or stack, and prints its peak of memory in MiB.

It ends by a signal when the stack overflows, and writes to stderr when an allocation fails.
"""

from __future__ import annotations

import resource
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pika_redis.codec import Codec, Limits, Undecodable, layout
from pika_redis.codec.compression import Compression

MIB = 1 << 20
ROOM = 400 * MIB


def ext(code: int, data: bytes) -> bytes:
    return b"\xc9" + struct.pack(">Ib", len(data), code) + data


def array(head: bytes, count: int) -> bytes:
    return b"\xdd" + struct.pack(">I", count) + head * count


def nested(native: bytes, levels: int, inner: bytes = b"\x01") -> bytes:
    for _ in range(levels):
        inner = ext(layout.TUPLE, native + inner)
    return inner


def lies() -> Iterator[bytes]:
    """Lengths and counts of four gigabytes."""
    heads = [head + b"\xff\xff\xff\xff" for head in (b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9")]
    heads += [b"\xdd\xff\xff\xff\xff" * 900, b"\xdf\xff\xff\xff\xff\xa1k" * 900, b"\xdc\xff\xff" * 900]
    yield from heads
    for code in range(1, 22):
        for prefix in (b"", bytes(layout.PREFIX)):
            yield from (ext(code, prefix + head) for head in heads)


def depths() -> Iterator[bytes]:
    """Lists, dicts and extension values inside each other, as deep as it goes and deeper."""
    for head in (b"\x91", b"\x81\xa1k"):
        yield from (head * count + b"\x01" for count in (1022, 5_000, 1_000_000))
    for native in (1, 60, 64, 65, 255, 1000):
        yield from (nested(b"\x91" * native, levels) for levels in (1, 3, 4, 64, 70))
    inner = nested(b"\x91" * 63, 61)
    for _ in range(3):
        inner = b"\x91" * 1000 + ext(layout.TUPLE, inner)
    yield inner


def crowds() -> Iterator[bytes]:
    """Up to 4 MiB that would take a hundred times as much."""
    yield from (array(head, 4 * MIB - 5) for head in (b"\x80", b"\x90", b"\xa0", b"\x00"))
    yield from (array(part, 500_000) for part in (ext(layout.SET, b"\x90"), b"\xa1a", b"\xcd\xff\xff"))
    yield nested(b"\x91", 64, b"\xc6" + struct.pack(">I", 3 * MIB) + bytes(3 * MIB))
    yield ext(layout.BLOCK, b"\x91" + array(b"\x00", 3 * MIB))
    yield ext(layout.BLOCK, b"\x91" + ext(layout.COLUMN, b"\x02" + b"\x07\xe8\x01\x01" * 900_000))


def bombs() -> Iterator[bytes]:
    """Small frames of up to 300 MiB, made piece by piece to keep the memory of this program low."""
    zstd: Any = Compression()._zstd()
    parameters = zstd.CompressionParameter
    for fill, size, window in [(0, 1, 19), (0, 300, 19), (0x80, 4, 19), (0x91, 300, 19), (0xC7, 300, 19), (0, 1, 27)]:
        compressor = zstd.ZstdCompressor(options={parameters.compression_level: 1, parameters.window_log: window})
        yield b"".join(compressor.compress(bytes((fill,)) * MIB) for _ in range(size)) + compressor.flush()


def decode(codec: Codec, payload: bytes, compressed: bool) -> None:
    try:
        codec.decode(payload, compressed)
    except Undecodable as error:
        if "Memory" in error.reason:
            sys.stderr.write(f"{payload[:8]!r}: {error.reason}\n")


def run(work: list[tuple[Codec, bytes, bool]]) -> None:
    for codec, payload, compressed in work:
        decode(codec, payload, compressed)


def main() -> None:
    wide, narrow = Codec(), Codec(limits=Limits(max_bytes=4 * MIB, max_objects=100_000))
    work = [(wide, payload, False) for payload in (*lies(), *depths())]
    work += [(narrow, payload, False) for payload in crowds()]
    work += [(narrow, payload, True) for payload in bombs()]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    threading.stack_size(8 * MIB)
    thread = threading.Thread(target=run, args=(work,))
    thread.start()
    thread.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(str(peak // (MIB if sys.platform == "darwin" else 1024)))


if __name__ == "__main__":
    main()
