"""``python -m pika_redis.testing.checker``: the arguments, and what the outcome means for the exit code.

====  ==========================================================================================
code  meaning
====  ==========================================================================================
0     the promise held
1     it was broken (which is what --control is for)
2     the command line is wrong, or asks for what is not installed
3     no verdict: the server can't be reached, a process broke, or there was nothing to judge
130   interrupted (128 + SIGINT)
====  ==========================================================================================
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from pika_redis import CacheError, CacheUsageError

from .fleet import CheckerError, Fleet
from .plan import Plan
from .report import Report
from .run import report_on

__all__ = ["main"]

_HELD, _BROKEN, _USAGE, _NO_VERDICT, _INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checker as the command line says; gives the exit code."""
    given = vars(_parser().parse_args(arguments))
    as_json: bool = given.pop("json")
    try:
        plan = Plan(**{name: value for name, value in given.items() if value is not None})
        report = asyncio.run(_checked(plan, heading=not as_json))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (CacheError, CheckerError) as error:
        sys.stderr.write(f"checker: {error}\n")
        return _USAGE if isinstance(error, CacheUsageError) else _NO_VERDICT
    _say(json.dumps(report.to_dict()) if as_json else f"\n{report.to_text()}")
    return _code_of(report)


async def _checked(plan: Plan, *, heading: bool) -> Report:
    async with Fleet(plan) as fleet:
        if heading:
            _say(_heading(fleet))
        await fleet.run()
        return await report_on(fleet)


def _code_of(report: Report) -> int:
    if not report.verdict.held:
        return _BROKEN
    return _HELD if report.verdict.conclusive else _NO_VERDICT


def _heading(fleet: Fleet) -> str:
    plan = fleet.plan
    what = "a naive cache-aside (the control)" if plan.control else plan.service or "pika-redis"
    by = "tags and keys" if plan.invalidate == "both" else plan.invalidate
    return (
        f"checking {what} on {fleet.server_name} for {plan.seconds:g} s: "
        f"{plan.processes} processes of {plan.tasks} tasks, {plan.keys} keys, invalidation by {by}, seed {plan.seed}"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pika_redis.testing.checker",
        description="Several processes read, load, write and invalidate; then every read is judged: none may give a "
        "value whose load began before an invalidation that had ended before the read began.",
        epilog="exit code: 0 the promise held, 1 it was broken, 2 usage, 3 no verdict",
    )
    add: Any = parser.add_argument
    add("--seconds", type=float, help="how long they work (60)")
    add("--operations", type=int, metavar="N", help="at most so many operations a task")
    add("--processes", type=int, metavar="N", help="how many processes (4)")
    add("--tasks", type=int, metavar="N", help="tasks in each process (8)")
    add("--keys", type=int, metavar="N", help="rows of the database, each under one key (200)")
    add("--invalidate", choices=["tags", "keys", "both"], help="by what the writers invalidate (both)")
    add("--url", metavar="URL", type=_url, help="the server: redis://…, or embedded, a Valkey of its own (embedded)")
    add("--service", metavar="MODULE:FACTORY", help="a service of your own, made by factory(url, key_prefix)")
    add("--control", action="store_true", help="check a naive cache-aside instead, which must fail")
    add("--ttl", type=float, metavar="S", help="how long entries live (600)")
    add("--stale", type=float, metavar="S", help="how long past their time they are served while loaded again (0)")
    add("--refresh-ahead", type=float, metavar="S", help="how long before their end they are loaded again (0)")
    add("--fail-rate", type=float, metavar="SHARE", help="the share of loads that fail (0)")
    add("--load-ms", type=float, metavar="MS", help="the longest time of each half of a load (2)")
    add("--think-ms", type=float, metavar="MS", help="the longest pause between two operations of a task (2)")
    add("--uvloop", action="store_true", help="run the processes on uvloop")
    add("--seed", type=int, metavar="N", help="the same operations again, though not the same interleaving")
    add("--json", action="store_true", help="print one JSON document instead of text")
    return parser


def _url(text: str) -> str | None:
    return None if text in ("embedded", "embedded://") else text
