"""Where and with what a result was measured."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Environment", "observe"]

OURSELVES = ("pika-redis", "hiredis", "ormsgpack", "uvloop")


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine, Python, the server, the versions of the libraries that took part, and the day (UTC)."""

    cpu: str
    cores: int
    system: str
    python: str
    server: str
    versions: dict[str, str]
    date: str


def observe(server: str, libraries: Sequence[str] = ()) -> Environment:
    """What is true now; `libraries` are names of distributions."""
    return Environment(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        system=f"{platform.system()} {re.match(r'[0-9.]*', platform.release()).group()}".strip(),  # type: ignore[union-attr]  # matches always
        python=f"{platform.python_implementation()} {platform.python_version()}",
        server=server,
        versions={name: importlib.metadata.version(name) for name in sorted({*OURSELVES, *libraries})},
        date=dt.datetime.now(dt.UTC).date().isoformat(),
    )


def _cpu() -> str:
    """The processor as the kernel names it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()
