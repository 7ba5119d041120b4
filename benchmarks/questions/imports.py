"""How long does an import take, and what does it bring along?

Each import runs in a fresh interpreter, all in turns, with compiled files in place (in a folder of this run, whatever
the environment says about writing them); the clock starts after the interpreter's own start. `import asyncio` is what
every asynchronous library pays anyway.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable

from ..bars import at_most
from ..machine import observe
from ..peers.catalog import LIBRARIES
from ..result import OURS, Question, Result, tabulate
from ..rounds import Pace, ratios, rounds

__all__ = ["QUESTION", "run"]

QUESTION = Question.of(__name__, __doc__)

_MODULES = {
    OURS: "pika_redis",
    "asyncio, of the standard library": "asyncio",
    "redis-py (redis.asyncio)": "redis.asyncio",
    "coredis": "coredis",
    "valkey-glide": "glide",
    "cashews": "cashews",
    "aiocache": "aiocache",
    "fastapi-cache2": "fastapi_cache.decorator",
}
_ASYNCIO, _REDIS = list(_MODULES)[1:3]
_TIMED = """
import sys, time
known = set(sys.modules)
began = time.perf_counter()
import {module}
print(time.perf_counter() - began, len(set(sys.modules) - known), "msgspec" in sys.modules)
"""


def run(pace: Pace) -> Result:
    """Ask."""
    with tempfile.TemporaryDirectory() as compiled:
        contest = {name: _timing(module, compiled) for name, module in _MODULES.items()}
        measured = asyncio.run(rounds(contest, pace.few))
        brought = {name: [float(_measure(module, compiled)[1])] for name, module in _MODULES.items()}
        lazy = _measure(_MODULES[OURS], compiled)[2] == "False"
    milliseconds = {name: [figure * 1e3 for figure in figures] for name, figures in measured.items()}
    tables = (
        tabulate("import in a fresh interpreter", "ms", "less", "", {"time": milliseconds}),
        tabulate("modules that it brings along", "modules", "less", "", {"modules": brought}),
    )
    verdicts = (
        at_most("import-asyncio", ratios(measured, OURS, _ASYNCIO), 1.5),
        at_most("import-redis", ratios(measured, OURS, _REDIS), 0.4),
    )
    notes = (f"msgspec is {'not ' if lazy else ''}loaded by the import of pika_redis.",)
    return Result(QUESTION, observe("no server", LIBRARIES), tables, verdicts, notes, quick=pace.quick)


def _timing(module: str, compiled: str) -> Callable[[], Awaitable[float]]:
    _measure(module, compiled)  # writes compiled files

    async def measure() -> float:
        return float(_measure(module, compiled)[0])

    return measure


def _measure(module: str, compiled: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run(
        [sys.executable, "-c", _TIMED.format(module=module)],
        env={**kept, "PYTHONPYCACHEPREFIX": compiled},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ran.stdout.split()
