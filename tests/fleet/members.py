"""Processes that a test gives orders to, and what they tell the server of their loads."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from pika_redis.testing import EmbeddedServer

from ..storage.raw import Raw

__all__ = ["Log", "Member"]


class Member:
    """One process."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), server.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._numbers = itertools.count()
        self._answers: dict[int, dict[str, Any]] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, do: str, **order: Any) -> int:
        """Give an order; the number by which its answer is asked for."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([number, {"do": do, **order}]) + "\n")
        self._process.stdin.flush()
        return number

    def result(self, number: int) -> Any:
        """Wait for the end of an order; what it gave."""
        assert self._process.stdout is not None
        while number not in self._answers:
            line = self._process.stdout.readline()
            if not line:
                raise EOFError(f"the process ended with status {self._process.wait()}")
            answer = json.loads(line)
            self._answers[answer["number"]] = answer
        answer = self._answers.pop(number)
        assert "raised" not in answer, answer["raised"]
        return answer["gave"]

    def do(self, do: str, **order: Any) -> Any:
        """Give an order and wait for its end."""
        return self.result(self.send(do, **order))

    def until(self, do: str, **order: Any) -> None:
        """Ask until it says yes."""
        while not self.do(do, **order):
            pass

    def stop(self) -> None:
        """SIGSTOP, and wait until it stands."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


class Log:
    """What the loaders told the server: ``+value`` when they began, ``-value`` when they ended."""

    def __init__(self, server: EmbeddedServer, prefix: str) -> None:
        self._server = server
        self._name = f"log of {prefix}"
        self._prefix = prefix
        self.events: list[str] = []

    def next(self) -> str:
        """Wait for the next event."""
        with Raw(self._server) as raw:
            _, event = raw("BLPOP", self._name, 0)
        self.events.append(event.decode())
        return self.events[-1]

    def rest(self) -> list[str]:
        """All events by now."""
        with Raw(self._server) as raw:
            self.events += [event.decode() for event in raw("LRANGE", self._name, 0, -1)]
            raw("DEL", self._name)
        return self.events

    def open(self, gate: str, times: int = 1) -> None:
        """Let so many loaders go on that wait at this gate."""
        with Raw(self._server) as raw:
            raw("RPUSH", f"{gate} of {self._prefix}", *(["go"] * times))
