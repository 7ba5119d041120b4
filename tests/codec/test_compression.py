"""Large payloads are compressed when it pays, and nothing is believed when they are decompressed."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

from pika_redis.codec import Codec, Limits, Undecodable
from pika_redis.codec.compression import Compression
from pika_redis.errors import ValueTooLargeError

CODEC = Codec()
NOISE = random.Random(1).randbytes(40_000)


def reason(codec: Codec, payload: bytes) -> str:
    with pytest.raises(Undecodable) as caught:
        codec.decode(payload, True)
    return caught.value.reason


def test_a_payload_is_compressed_from_the_bound_up() -> None:
    codec = Codec(limits=Limits(compress_from=1_000))
    assert codec.encode("x" * 996) == (b"\xda\x03\xe4" + b"x" * 996, False)
    payload, compressed = codec.encode("x" * 997)
    assert compressed
    assert len(payload) < 100
    assert codec.decode(payload, compressed) == "x" * 997


def test_no_bound_means_no_compression() -> None:
    assert Codec(limits=Limits(compress_from=None)).encode("x" * 100_000)[1] is False


def test_a_payload_that_hardly_shrinks_is_kept_as_it_is() -> None:
    assert CODEC.encode(NOISE)[1] is False
    payload, compressed = CODEC.encode(NOISE + bytes(4_000))
    assert not compressed, "saves 9 %"
    payload, compressed = CODEC.encode(NOISE + bytes(10_000))
    assert compressed, "saves 20 %"
    assert CODEC.decode(payload, compressed) == NOISE + bytes(10_000)


def test_a_memoryview_is_decoded_like_bytes() -> None:
    for value in ("short", "long " * 10_000, [(1, 2)] * 10):
        payload, compressed = CODEC.encode(value)
        assert CODEC.decode(memoryview(b"head" + payload)[4:], compressed) == value


def test_what_is_no_compressed_payload_is_undecodable() -> None:
    payload, _ = CODEC.encode("long " * 10_000)
    assert reason(CODEC, b"") == "the compressed payload is cut off"
    assert reason(CODEC, b"no zstd at all") == "no compressed payload"
    assert reason(CODEC, payload + b"\x00") == "bytes after the end of the compressed payload"
    assert reason(CODEC, payload + payload) == "bytes after the end of the compressed payload"
    for size in range(len(payload)):
        assert reason(CODEC, payload[:size])


def test_mutated_frames_are_undecodable_or_a_value() -> None:
    chance = random.Random(2)
    payload, _ = CODEC.encode([{"id": number, "text": "some text " * 3} for number in range(300)])
    for _ in range(3_000):
        mutated = bytearray(payload)
        for _ in range(chance.randint(1, 3)):
            mutated[chance.randrange(len(mutated))] = chance.randrange(256)
        try:
            CODEC.decode(bytes(mutated), True)
        except Undecodable:
            pass


def test_the_bound_holds_before_and_after_compression() -> None:
    wide, narrow = Codec(limits=Limits(max_bytes=100_000)), Codec(limits=Limits(max_bytes=20_000))
    exact = narrow.encode("x" * (20_000 - 3))
    assert narrow.decode(*exact) == "x" * (20_000 - 3)
    with pytest.raises(ValueTooLargeError, match="takes 20001 bytes, more than max_value_bytes=20000"):
        narrow.encode("x" * (20_000 - 2))
    for size in (20_001 - 3, 90_000):
        payload, compressed = wide.encode("x" * size)
        assert reason(narrow, payload) == "decompresses to more than 20000 bytes"
    payload, compressed = wide.encode(NOISE)
    assert not compressed
    with pytest.raises(Undecodable, match="more than 20000 bytes"):
        narrow.decode(payload, False)


def test_a_frame_that_asks_for_a_huge_window_is_undecodable() -> None:
    zstd: Any = Compression()._zstd()
    parameters = zstd.CompressionParameter
    compressor = zstd.ZstdCompressor(options={parameters.compression_level: 1, parameters.window_log: 27})
    frame = compressor.compress(b"\xa1x") + compressor.flush()
    assert reason(CODEC, frame) == "no compressed payload"


def test_a_compressor_serves_one_thread_at_a_time_and_is_used_again() -> None:
    compression = Compression()
    samples = [bytes((number,)) * 200_000 + NOISE[: number * 100] for number in range(40)]
    wrong: list[int] = []
    start = threading.Barrier(4)

    def work(first: int) -> None:
        start.wait()
        for number in range(first, len(samples), 2):
            packed = compression.compress(samples[number])
            if packed is None or compression.decompress(packed, 1 << 20) != samples[number]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number % 2,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert 1 <= len(compression._idle) <= 4
    kept = compression._idle[-1]
    compression.compress(samples[0])
    assert compression._idle[-1] is kept


def test_a_compressor_that_failed_is_not_used_again() -> None:
    compression = Compression()
    compression.compress(b"x" * 100)
    with pytest.raises(TypeError):
        compression.compress("no bytes")  # type: ignore[arg-type]
    assert compression._idle == []
    assert compression.compress(b"x" * 100) is not None
