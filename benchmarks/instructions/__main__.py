"""``python -m benchmarks.instructions``: count, and compare with what was recorded.

Exits with 1 if a path takes more than the tolerance above its record, 2 without valgrind. Where there is no record for
this Python nothing is compared. ``--record`` writes the record anew: for a change that is worth its price.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from pika_redis.testing import EmbeddedServer

from .paths import REFERENCE

RECORD = Path(__file__).with_name("record.json")
TOLERANCE = 0.05
"""How much more than recorded is too much."""


def here() -> str:
    """For which interpreter a record is true: a release of another year compiles the same source to other steps."""
    return f"cpython-{sys.version_info.major}.{sys.version_info.minor}-{platform.machine()}"


def counted() -> dict[str, float]:
    """Instructions of one operation of each path, counted in a process of its own."""
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]
    with EmbeddedServer.start() as server:
        command += [sys.executable, "-m", "benchmarks.instructions.counted", server.url]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, capture_output=True, check=False, text=True, env=environment, timeout=600)
    if done.returncode:
        raise RuntimeError(f"the count failed: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compared(found: dict[str, float], record: dict[str, float]) -> tuple[str, list[str]]:
    """A table, and the names of the paths that take too much. Both in units of the reference of their own run."""
    lines = [f"{'':44} {'instructions':>13} {'bare calls':>11} {'recorded':>9} {'change':>8}"]
    slower: list[str] = []
    for name, count in found.items():
        unit = count / found[REFERENCE]
        before = record[name] / record[REFERENCE] if name in record else None
        change = "new" if before is None else f"{unit / before - 1:+.1%}"
        shown = "" if before is None else f"{before:,.2f}"
        lines.append(f"{name:44} {count:13,.0f} {unit:11,.2f} {shown:>9} {change:>8}")
        if before is not None and unit > before * (1 + TOLERANCE):
            slower.append(name)
    return "\n".join(lines), slower


def main(arguments: list[str]) -> int:
    """Count, and say what has changed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write what is counted as the record")
    options = parser.parse_args(arguments)
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: nothing can be counted", file=sys.stderr)
        return 2
    records: dict[str, dict[str, float]] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    found = counted()
    table, slower = compared(found, records.get(here(), {}))
    print(f"instructions of one operation ({here()}, {sysconfig.get_config_var('OPT') or 'unknown build'})")
    print(table)
    if options.record:
        records[here()] = {name: round(count, 1) for name, count in found.items()}
        RECORD.write_text(json.dumps(records, indent=2) + "\n")
        print(f"recorded in {RECORD.name}")
        return 0
    if here() not in records:
        print(f"there is no record for {here()}: nothing was compared", file=sys.stderr)
        return 0
    for name in slower:
        print(f"SLOWER by more than {TOLERANCE:.0%}: {name}", file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
