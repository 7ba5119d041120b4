"""A small result to test with."""

from __future__ import annotations

from benchmarks.machine import Environment
from benchmarks.result import OURS, Question, Result, Verdict, tabulate

SPEEDS = {
    "10": {OURS: [100.0, 110.0, 120.0], "slow": [10.0, 10.0, 10.0]},
    "100": {OURS: [1_000.0, 1_100.0, 1_200.0], "slow": [2_200.0, 2_200.0, 2_200.0], "new": [5.0]},
}
COSTS = {"": {OURS: [2.0], "slow": [8.0]}}


def small_result(*, name: str = "l2", verdicts: tuple[Verdict, ...] = (), date: str = "2026-01-02") -> Result:
    return Result(
        question=Question(name, "Who is faster?", "On one machine."),
        environment=Environment("a CPU", 2, "Linux 6", "CPython 3.11.7", "Valkey 9", {"redis": "8.1.0"}, date),
        tables=(
            tabulate("speed", "operations/s", "more", "tasks", {"10": SPEEDS["10"]}),
            tabulate("cost", "µs", "less", "", COSTS),
        ),
        verdicts=verdicts,
        notes=("a note",),
    )
