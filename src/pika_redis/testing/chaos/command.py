"""``python -m pika_redis.testing.chaos``: the arguments, and what the outcome means for the exit code.

====  ==========================================================================================
code  meaning
====  ==========================================================================================
0     the promise held, and nothing was left behind
1     a read broke the promise, or a service left tasks, sockets or memory behind, or complained
2     the command line is wrong, or asks for what is not installed
3     no verdict: the servers didn't start, a process broke, or there was nothing to judge
130   interrupted (128 + SIGINT)
====  ==========================================================================================
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any, get_args

from pika_redis import CacheError, CacheUsageError

from ...wire.embedded import ServerKind
from ..checker import CheckerError
from .soak import Soak, soak
from .stage import Topology

__all__ = ["main"]

_HELD, _BROKEN, _USAGE, _NO_VERDICT, _INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak as the command line says; gives the exit code."""
    given = vars(_parser().parse_args(arguments))
    as_json: bool = given.pop("json")
    try:
        wanted = Soak(**{name: value for name, value in given.items() if value is not None})
        report = asyncio.run(soak(wanted, (lambda _: None) if as_json else _say))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (CacheError, CheckerError) as error:
        sys.stderr.write(f"chaos: {error}\n")
        return _USAGE if isinstance(error, CacheUsageError) else _NO_VERDICT
    _say(json.dumps(report.to_dict()) if as_json else f"\n{report.to_text()}")
    if not report.held:
        return _BROKEN
    return _HELD if report.conclusive else _NO_VERDICT


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pika_redis.testing.chaos",
        description="Several processes use a cache while its servers and the network fail at random; then every read "
        "is judged, every call counted, and what the services left behind is looked for.",
        epilog="exit code: 0 all well, 1 broken, 2 usage, 3 no verdict",
    )
    add: Any = parser.add_argument
    add("--seconds", type=float, help="how long (300)")
    add("--topology", choices=get_args(Topology), help="the servers (standalone)")
    add("--kind", choices=get_args(ServerKind), help="valkey from its wheel, or the redis-server on PATH (valkey)")
    add("--every", type=float, metavar="S", help="seconds from one fault to the next (2)")
    add("--faults", metavar="NAMES", help="only these, with commas between them, such as 'killed,cut off' (all)")
    add("--processes", type=int, metavar="N", help="how many processes (3)")
    add("--tasks", type=int, metavar="N", help="tasks in each process (6)")
    add("--keys", type=int, metavar="N", help="rows of the database, each under one key (100)")
    add("--uvloop", action="store_true", default=None, help="run the processes on uvloop")
    add("--seed", type=int, metavar="N", help="the same faults in the same order again")
    add("--json", action="store_true", help="print one JSON document instead of text")
    return parser
