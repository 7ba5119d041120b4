"""The command as a process: what only shows there."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .command import PROGRAM, Command, environment_with, started


def on_a_terminal(command: Command, *words: str, **settings: str) -> tuple[int, str]:
    """Run the command with a terminal as its standard output; gives the exit code and what was sent to it."""
    screen, output = pty.openpty()
    environment = environment_with({**command.environment, "TERM": "xterm-256color", "COLUMNS": "80", **settings})
    with subprocess.Popen([*PROGRAM, *words], env=environment, stdout=output, stdin=subprocess.DEVNULL) as process:
        os.close(output)
        sent = b""
        with contextlib.suppress(OSError):  # how a terminal says that the other side is gone
            while block := os.read(screen, 65536):
                sent += block
        code = process.wait(timeout=30)
    os.close(screen)
    return code, sent.decode().replace("\r\n", "\n")


@pytest.mark.slow
@pytest.mark.ci
def test_every_verb_as_a_process(command: Command) -> None:
    runs = [
        (("ping",), 0),
        (("health", "--json"), 0),
        (("set", "k", "-", "--ttl", "10m", "--tag", "t"), 0),
        (("get", "k"), 0),
        (("exists", "k"), 0),
        (("stats", "--exact", "--json"), 0),
        (("delete-pattern", "k*", "--dry-run"), 0),
        (("invalidate-tags", "t"), 0),
        (("get", "k", "--json"), 1),
        (("del", "k"), 0),  # its bytes are there until they are deleted
        (("delete-pattern", "*", "--yes"), 0),
        (("delete-pattern", "*"), 2),
    ]
    ended = {words: command.started(*words, stdin=b"from a pipe\n") for words, _ in runs}
    assert [(words, ended[words].code) for words, _ in runs] == runs
    assert ended["get", "k"].out == "from a pipe\n"
    assert ended["stats", "--exact", "--json"].document["key_count"] == 1
    assert ended["get", "k", "--json"].document["found"] is False
    assert all(end.err == "" for words, end in ended.items() if end.code == 0)


@pytest.mark.parametrize("words", [("get", "k"), ("set", "k", "v"), ("delete-pattern", "*", "--yes"), ("ping",)])
def test_a_server_that_is_not_there(closed_port: int, words: tuple[str, ...]) -> None:
    ended = started(*words, environment={"REDIS_URL": f"redis://:sesame@127.0.0.1:{closed_port}"})
    assert (ended.code, ended.out) == (3, "")
    assert ended.complaint.startswith(f"no answer from the server: 127.0.0.1:{closed_port}: ")
    assert ended.complaint.endswith("(address from REDIS_URL)")
    assert "sesame" not in ended.complaint


def test_a_server_that_says_nothing(silent_server: socket.socket) -> None:
    port = silent_server.getsockname()[1]
    ended = started("ping", "--json", environment={"REDIS_URL": f"redis://:sesame@127.0.0.1:{port}"})
    assert ended.code == 3
    assert "no connection within 1 s" in ended.complaint
    assert ended.document == {"error": ended.complaint, "exit_code": 3}
    assert "sesame" not in ended.err + ended.out


def test_a_name_look_up_that_hangs_does_not_hold_the_command() -> None:
    program = """if True:
        import socket, sys, threading
        from pika_redis.cli import main
        look_up = socket.getaddrinfo
        def hang(*args, flags=0, **options):
            if flags & socket.AI_NUMERICHOST:
                return look_up(*args, flags=flags, **options)
            threading.Event().wait()
        socket.getaddrinfo = hang
        sys.argv = ["pika-redis", "ping", "--url", "redis://slow.example:6379"]
        main()
    """
    ended = started(environment={}, program=[sys.executable, "-c", program])
    assert ended.code == 3
    assert "no connection within 1 s" in ended.complaint


def test_a_wrong_password(command: Command) -> None:
    user = command.prefix.replace(":", "")
    command.raw("ACL", "SETUSER", user, "on", ">right", "~*", "+@all")
    try:
        url = command.server.url.replace("redis://", f"redis://{user}:sesame@")
        ended = started("get", "k", "--json", environment={"REDIS_URL": url})
        health = started("health", environment={"REDIS_URL": url})
    finally:
        command.raw("ACL", "DELUSER", user)
    assert ended.code == health.code == 3
    assert ended.complaint.startswith("access denied: ")
    assert "WRONGPASS" in ended.complaint
    assert "WRONGPASS" in health.complaint
    assert "sesame" not in ended.err + ended.out + health.err + health.out


def test_a_bad_setting_and_a_bad_url() -> None:
    setting = started("ping", environment={"REDIS_PORT": "many"})
    assert (setting.code, setting.out) == (2, "")
    assert "REDIS_PORT='many'" in setting.complaint
    url = started("ping", environment={"REDIS_URL": "redis://ann:ses/ame@host"})
    assert (url.code, url.out) == (2, "")
    assert url.complaint.startswith("REDIS_URL: ")
    assert "ses" not in url.complaint


def test_a_reader_that_stops_reading(command: Command) -> None:
    command("set", "k", "x" * 1_000_000)
    reading, writing = os.pipe()
    with subprocess.Popen(
        [*PROGRAM, "get", "k"], env=environment_with(command.environment), stdout=writing, stderr=subprocess.PIPE
    ) as process:
        os.close(writing)
        os.close(reading)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is had only where there is /dev/full")
def test_a_full_disk(command: Command) -> None:
    command("set", "k", "v")
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*PROGRAM, "get", "k"],
            env=environment_with(command.environment),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (3, "pika-redis: the answer can't be written: No space left on device\n")


def test_an_interrupt_while_waiting_for_the_server_ends_quietly(silent_server: socket.socket) -> None:
    url = f"redis://127.0.0.1:{silent_server.getsockname()[1]}"
    environment = environment_with({"REDIS_URL": url, "REDIS_STALL_TIMEOUT": "20s"})
    with subprocess.Popen(
        [*PROGRAM, "ping"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        connection, _ = silent_server.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.strip()) == (130, b"", b"")


def test_closed_outputs_are_no_reason_to_fail(command: Command) -> None:
    command("set", "k", "v")
    quiet = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *PROGRAM]
    ended = started("get", "k", environment=command.environment, program=quiet)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    mute = ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *PROGRAM]
    ended = started("get", "", environment=command.environment, program=mute)
    assert (ended.code, ended.out, ended.err) == (2, "", "")


def test_what_the_encoding_of_the_output_lacks_is_escaped(command: Command) -> None:
    command("set", "k", "-", stdin="na\u00efve".encode())
    environment = {**command.environment, "PYTHONIOENCODING": "ascii"}
    assert started("get", "k", environment=environment).out == "na\\xefve\n"
    assert started("get", "k", "--json", environment=environment).document["value"] == "na\u00efve"


def test_tables_and_colours_are_for_terminals_and_colours_only_where_wanted(command: Command) -> None:
    code, drawn = on_a_terminal(command, "health")
    assert code == 0
    assert "\x1b[32mhealthy" in drawn
    assert "│" in drawn
    assert max(len(line) for line in drawn.splitlines()) < 200
    assert "\x1b[3" not in on_a_terminal(command, "health", NO_COLOR="1")[1]
    assert "\x1b" not in on_a_terminal(command, "health", "--json")[1]
    assert "\x1b" not in command.started("health").out


def test_control_characters_are_shown_on_a_terminal_and_sent_elsewhere(command: Command) -> None:
    command("set", "k", "-", stdin="\x1b[31mred\x9b0m\ttab\nline".encode())
    assert on_a_terminal(command, "get", "k")[1] == "\\x1b[31mred\\x9b0m\ttab\nline\n"
    assert command.started("get", "k").out == "\x1b[31mred\x9b0m\ttab\nline\n"


def test_data_is_coloured_on_a_terminal(command: Command) -> None:
    command("set", "k", '{"a": null}', "--json-value")
    assert "\x1b[" in on_a_terminal(command, "get", "k")[1]
    assert on_a_terminal(command, "get", "k", TERM="dumb")[1] == '{\n  "a": null\n}\n'


@pytest.mark.parametrize("missing", ["click"])
def test_without_the_extra_it_says_what_to_install(command: Command, missing: str) -> None:
    program = f"""if True:
        import sys
        sys.modules[{missing!r}] = None
        from pika_redis.cli import main
        sys.argv = ["pika-redis", "ping"]
        main()
    """
    ended = started(environment=command.environment, program=[sys.executable, "-c", program])
    assert (ended.code, ended.out) == (2, "")
    assert ended.complaint == f"the command needs {missing}: pip install 'pika-redis[cli]'"


def test_importing_the_door_loads_neither_the_parser_nor_the_pictures() -> None:
    program = "import sys, pika_redis.cli; sys.exit(bool({'click', 'rich', 'typer'} & sys.modules.keys()))"
    assert started(environment={}, program=[sys.executable, "-c", program]).code == 0
