from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing

import hiredis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pika_redis.model.glob import compile_glob, escape_glob
from pika_redis.testing.server import EmbeddedServer

DB = 15  # KEYS sees a whole database: this one is ours


class Server:
    """The server's own matcher, asked over a plain socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._nothing = object()
        self._reader = hiredis.Reader(notEnoughData=self._nothing)
        self.run([("SELECT", str(DB))])

    def run(self, commands: Sequence[tuple[str, ...]]) -> list[object]:
        packed = [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type]  # its stub is too narrow
        self._connection.sendall(b"".join(packed))
        replies: list[object] = []
        while len(replies) < len(commands):
            reply = self._reader.gets()
            if reply is self._nothing:
                self._reader.feed(self._connection.recv(1 << 20))
            else:
                assert not isinstance(reply, Exception), reply
                replies.append(reply)
        return replies

    def matches(self, patterns: Sequence[str], texts: Sequence[str]) -> list[set[str]]:
        """For each pattern, those of the texts that the server finds."""
        self.run([("FLUSHDB",), *(("SET", text, "") for text in texts)])
        found: list[set[str]] = []
        for start in range(0, len(patterns), 500):
            replies = self.run([("KEYS", pattern) for pattern in patterns[start : start + 500]])
            for reply in replies:
                assert isinstance(reply, list)
                found.append({key.decode() for key in reply})
        return found


@pytest.fixture
def redis(server: EmbeddedServer) -> Iterator[Server]:
    with closing(socket.create_connection((server.host, server.port), timeout=20)) as connection:
        yield Server(connection)


def ours(pattern: str, texts: Sequence[str]) -> set[str]:
    matches = compile_glob(pattern)
    return {text for text in texts if matches(text)}


def words(alphabet: str, longest: int) -> list[str]:
    return ["".join(word) for size in range(1, longest + 1) for word in itertools.product(alphabet, repeat=size)]


def test_every_short_pattern_matches_what_the_server_matches(redis: Server) -> None:
    patterns = words("*?[]^-\\a", 4)
    texts = words("ab-^[]\\", 2)
    theirs = redis.matches(patterns, texts)
    assert {
        p: ours(p, texts) ^ found for p, found in zip(patterns, theirs, strict=True) if ours(p, texts) != found
    } == {}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    patterns=st.lists(st.text("*?[]^-\\abz\x00\x7fé€😀", min_size=1, max_size=10), min_size=1, max_size=20),
    texts=st.lists(st.text("ab-]^\x00\x7fé€😀", min_size=1, max_size=4), min_size=1, max_size=8),
)
def test_long_and_non_ascii_patterns_match_what_the_server_matches(
    redis: Server, patterns: list[str], texts: list[str]
) -> None:
    assert redis.matches(patterns, texts) == [ours(pattern, texts) for pattern in patterns]


@pytest.mark.parametrize("stars", [999, 1000, 1001])
def test_patterns_with_a_thousand_stars_match_what_the_server_matches(redis: Server, stars: int) -> None:
    patterns = ["*a" * stars, "*a" * stars + "*", "*a" * stars + "b", "*" * stars, "*?" * stars]
    texts = ["a" * stars, "a" * stars + "b", "b"]
    assert redis.matches(patterns, texts) == [ours(pattern, texts) for pattern in patterns]


@given(text=st.text(min_size=1, max_size=20), other=st.text(min_size=1, max_size=20))
def test_an_escaped_text_matches_itself_alone(text: str, other: str) -> None:
    matches = compile_glob(escape_glob(text))
    assert matches(text)
    assert matches(other) is (text == other)
    assert not matches(text + other)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text("*?[]^-\\a{}é\n\x00", min_size=1, max_size=12))
def test_the_server_too_takes_an_escaped_text_literally(redis: Server, text: str) -> None:
    texts = [text, text + "a", "a" + text]
    assert redis.matches([escape_glob(text)], texts) == [{text}]


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("session:*", ["session:", "session:1:2"], ["sessions:1", "a session:"]),
        ("sessions:*:42:*", ["sessions:User.get:42:abc"], ["sessions:User.get:421:abc"]),
        ("h?llo", ["hello", "h?llo"], ["hllo", "heello"]),
        ("h[a-c]llo", ["hbllo"], ["hdllo"]),
        ("h[^x]llo", ["hello"], ["hxllo"]),
        (r"\*", ["*"], ["a", r"\*"]),
        ("??", ["ab", "é"], ["a", "abc"]),  # the server matches bytes, and é has two
        ("[", [], ["[", "a"]),
        ("[]", [], ["[", "]", "a"]),
        ("[^]", ["a", "]"], ["ab"]),
        ("[^", ["a", "^"], ["ab"]),
        ("[a-", ["a", "-"], ["b", "[a-"]),
        (r"[\]]", ["]"], ["\\", r"\]"]),
        ("a\\", ["a\\"], ["a"]),
        ("**", ["a", "ab"], []),
        ("[c-a]", ["b"], ["d"]),
        ("", [], ["a"]),
    ],
)
def test_patterns_mean_what_the_manual_says(pattern: str, matching: list[str], others: list[str]) -> None:
    matches = compile_glob(pattern)
    assert [text for text in matching + others if matches(text)] == matching


def test_a_hostile_pattern_is_answered_in_steps_of_pattern_times_text() -> None:
    class CountingText(str):
        reads = 0

        def __getitem__(self, index: object) -> str:
            CountingText.reads += 1
            return str.__getitem__(self, index)  # type: ignore[index]

        def isascii(self) -> bool:
            return True

    matches = compile_glob("*a" * 50 + "b")
    assert not matches(CountingText("a" * 400))
    assert CountingText.reads < 2 * 100 * 400
