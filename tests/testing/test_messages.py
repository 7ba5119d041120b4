"""RESP cut into messages: each ends where it ends, however its bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pika_redis.testing.messages import Messages, words_of

MESSAGES = [
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":12\r\n",
    b"_\r\n",
    b"#t\r\n",
    b",1.5\r\n",
    b"(123456789012345678901234567890\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"$9\r\n*1\r\n$3\r\na\r\n",
    b"=7\r\ntxt:abc\r\n",
    b"!5\r\nERR x\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n*2\r\n:1\r\n$1\r\n\n\r\n*0\r\n",
    b"%2\r\n+a\r\n:1\r\n$1\r\nb\r\n*1\r\n:2\r\n",
    b"~1\r\n+a\r\n",
    b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
    b"|1\r\n+ttl\r\n:3600\r\n*1\r\n:1\r\n",
]


@given(st.lists(st.sampled_from(MESSAGES), max_size=8), st.data())
def test_messages_come_out_whole_however_their_bytes_come(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    messages = Messages()
    found = [
        one
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for one in messages.feed(stream[start:end])
    ]
    assert found == sent
    assert messages.rest() == b""


def test_what_never_ended_is_the_rest() -> None:
    messages = Messages()
    assert messages.feed(b":1\r\n$5\r\nab") == [b":1\r\n"]
    assert messages.rest() == b"$5\r\nab"


def test_what_is_no_resp_comes_line_by_line() -> None:
    assert Messages().feed(b"PING\r\nGET a\r\n") == [b"PING\r\n", b"GET a\r\n"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (b"*2\r\n$3\r\nGET\r\n$3\r\n\xff\r\n\r\n", ["GET", "\xff\r\n"]),
        (b"*1\r\n$0\r\n\r\n", [""]),
        (b"*0\r\n", []),
        (b"SET a 1\r\n", ["SET", "a", "1"]),
    ],
)
def test_words_of_a_command(command: bytes, words: list[str]) -> None:
    assert words_of(command) == words
