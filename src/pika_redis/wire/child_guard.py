"""Ends a child process when the process that started it dies, however hard, and removes its directory.

A guard is a small `/bin/sh` that reads from a pipe whose only writer is the starting process. A word on the pipe
dismisses it; the end of the pipe, which the kernel brings about on any death, SIGKILL included, makes it act. It runs
in a session of its own, so that Ctrl-C in a terminal doesn't reach it. The kernel's parent-death signal would be
lighter, but it is Linux only, fires when the starting *thread* ends, and needs code between fork and exec.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

__all__ = ["ChildGuard"]

_SCRIPT = """\
read -r pid || exit 0
read -r word && exit 0
kill -STOP "$pid" && rm -rf -- "$1"
kill -KILL "$pid"
"""  # stopped first, so that it can't write into the directory that is being removed


class ChildGuard:
    """Started before the child, told its pid with `watch`, sent home with `dismiss`."""

    def __init__(self, directory: Path) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "sh", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        """From now on the death of this process ends `pid`."""
        self._tell(str(pid))

    def dismiss(self) -> None:
        """End the guard; it touches nothing. Waits for its exit, which takes about a millisecond."""
        self._tell("done")
        self._close()
        self._shell.wait()

    def forget_after_fork(self) -> None:
        """In a forked child: drop its copy of the pipe, so that only the parent's death counts."""
        self._shell.returncode = 0  # the parent's child: not ours to wait for or to warn about
        self._close()

    def _tell(self, line: str) -> None:
        assert self._shell.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody ended the guard: nothing left to tell it
            self._shell.stdin.write(line.encode() + b"\n")
            self._shell.stdin.flush()

    def _close(self) -> None:
        assert self._shell.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.close()
