from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
from collections.abc import Iterator

import pytest

from .command import PROGRAM, Command, Ended, environment_with


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: what a person types into, and what the command reads from."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def answered(command: Command, terminal: tuple[int, int], reply: bytes, *words: str) -> Ended:
    person, keyboard = terminal
    os.write(person, reply)
    ended = subprocess.run(
        [*PROGRAM, *words],
        env=environment_with(command.environment),
        stdin=keyboard,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def fill(command: Command) -> None:
    for key in ("session:1", "session:2", "page:1"):
        assert command("set", key, "x").code == 0


def left(command: Command) -> int:
    number: int = command("delete-pattern", "*", "--dry-run", "--json").document["matching"]
    return number


def test_invalidated_tags_end_the_entries_that_carry_them(command: Command) -> None:
    command("set", "a", "x", "--tag", "red")
    command("set", "b", "x", "--tag", "red", "--tag", "blue")
    command("set", "c", "x", "--tag", "green")
    done = command("invalidate-tags", "red", "unknown")
    assert (done.code, done.out, done.err) == (0, "invalidated red, unknown\n", "")
    assert [command("exists", key).code for key in "abc"] == [1, 1, 0]
    assert command("invalidate-tags", "green", "--json").document == {"invalidated": ["green"]}
    assert command("exists", "c").code == 1


def test_a_bad_tag_is_refused(command: Command) -> None:
    refused = command("invalidate-tags", "")
    assert (refused.code, refused.out, refused.complaint) == (2, "", "a tag must not be empty")


def test_a_dry_run_counts_and_deletes_nothing(command: Command) -> None:
    fill(command)
    counted = command("delete-pattern", "session:*", "--dry-run")
    assert (counted.code, counted.out) == (0, "2 keys would be deleted\n")
    assert command("delete-pattern", "p*", "--dry-run").out == "1 key would be deleted\n"
    both = command("delete-pattern", "*", "--dry-run", "--yes", "--json")
    assert both.document == {"pattern": "*", "matching": 3, "deleted": 0}
    assert left(command) == 3


def test_yes_deletes_without_asking(command: Command) -> None:
    fill(command)
    gone = command("delete-pattern", "session:*", "--yes")
    assert (gone.code, gone.out, gone.err) == (0, "deleted 2 keys\n", "")
    assert command("delete-pattern", "*", "-y", "--json").document == {"pattern": "*", "deleted": 1}
    assert command("delete-pattern", "*", "-y").out == "deleted 0 keys\n"
    assert left(command) == 0


def test_without_a_terminal_to_ask_on_it_refuses_and_deletes_nothing(command: Command) -> None:
    fill(command)
    for stdin in (None, b"y\n"):
        refused = command("delete-pattern", "*", stdin=stdin)
        assert (refused.code, refused.out) == (2, "")
        assert "--yes" in refused.complaint
        assert "--dry-run" in refused.complaint
    assert left(command) == 3


@pytest.mark.parametrize(("reply", "words"), [(b"y\n", ()), (b" YES \n", ("--json",))])
def test_a_yes_deletes(command: Command, terminal: tuple[int, int], reply: bytes, words: tuple[str, ...]) -> None:
    fill(command)
    ended = answered(command, terminal, reply, "delete-pattern", "session:*", *words)
    assert ended.code == 0
    assert ended.document == {"pattern": "session:*", "deleted": 2} if words else ended.out == "deleted 2 keys\n"
    assert left(command) == 1
    facts, question = ended.err.splitlines()
    assert facts.startswith(f"pika-redis: 2 keys match 'session:*' under the prefix {command.prefix!r}, on redis://")
    assert question.startswith("Delete? [y/N]")


@pytest.mark.parametrize("reply", [b"n\n", b"\n", b"yess\n", b"\xff\n", b"\x04"])
def test_anything_else_is_a_no(command: Command, terminal: tuple[int, int], reply: bytes) -> None:
    fill(command)
    ended = answered(command, terminal, reply, "delete-pattern", "*")
    assert (ended.code, ended.out) == (1, "")
    end_of_line = "\n" if reply == b"\x04" else ""  # elsewhere the terminal has echoed one
    assert ended.err.endswith(f"Delete? [y/N] {end_of_line}pika-redis: nothing deleted\n")
    assert left(command) == 3


def test_a_no_in_json_is_one_document(command: Command, terminal: tuple[int, int]) -> None:
    fill(command)
    ended = answered(command, terminal, b"n\n", "delete-pattern", "*", "--json")
    assert (ended.code, ended.document) == (1, {"pattern": "*", "matching": 3, "deleted": 0})


def test_where_nothing_matches_nothing_is_asked(command: Command, terminal: tuple[int, int]) -> None:
    ended = answered(command, terminal, b"", "delete-pattern", "*")
    assert (ended.code, ended.out, ended.err) == (0, "deleted 0 keys\n", "")


def test_the_question_warns_where_there_is_no_prefix(command: Command, terminal: tuple[int, int]) -> None:
    fill(command)
    pattern = f"{command.prefix}*"
    ended = answered(command, terminal, b"n\n", "delete-pattern", pattern, "--prefix", "")
    assert "no prefix: the whole database, on redis://" in ended.err
    assert left(command) == 3


def test_an_interrupt_at_the_question_ends_quietly(command: Command, terminal: tuple[int, int]) -> None:
    fill(command)
    with subprocess.Popen(
        [*PROGRAM, "delete-pattern", "*"],
        env=environment_with(command.environment),
        stdin=terminal[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        asked = b""
        while not asked.endswith(b"[y/N] "):
            letter = process.stderr.read(1)
            assert letter
            asked += letter
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"\n")
    assert left(command) == 3


def test_an_empty_pattern_is_refused(command: Command) -> None:
    assert command("delete-pattern", "", "--yes").code == 2
