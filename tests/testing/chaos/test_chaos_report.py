"""What a soak's report counts as broken, and what a failover excuses."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from pika_redis.testing.chaos import ChaosReport, Window, figures_of
from pika_redis.testing.checker import Kind, Operation, Plan, Report, judge
from pika_redis.testing.checker.residue import Residue

SECOND = 1_000_000_000
STALE = [
    Operation(Kind.LOAD, 1, 2, 1, version=1, as_of=1, origin=5),
    Operation(Kind.DELETE, 10 * SECOND, 11 * SECOND, 1, process=1),
    Operation(Kind.READ, 12 * SECOND, 12 * SECOND + 1, 1, version=1, as_of=1, origin=5),
]


NOTHING = Residue()


def report(
    *windows: Window, left: Residue = NOTHING, complaints: tuple[str, ...] = (), history: Any = STALE
) -> ChaosReport:
    plan = Plan(seed=3)
    checked = Report(plan, judge(history, plan.tags_of), "valkey 9.1")
    return ChaosReport(checked, windows, figures_of(history, windows), left, complaints)


@pytest.mark.parametrize(
    ("window", "excused"),
    [
        (Window("primary killed", 9 * SECOND, 11 * SECOND, loses=True), True),
        (Window("primary killed", 9 * SECOND, 11 * SECOND), False),
        (Window("primary killed", 1 * SECOND, 6 * SECOND, loses=True), False),
        (Window("primary killed", 13 * SECOND, 14 * SECOND, loses=True), False),
    ],
)
def test_a_stale_read_is_excused_while_another_server_takes_over(window: Window, *, excused: bool) -> None:
    found = report(window)
    assert (len(found.excused), len(found.broken)) == ((1, 0) if excused else (0, 1))
    assert found.held is excused
    assert found.worst_excused_ms == (1000 if excused else 0)


def test_a_value_of_another_row_is_never_excused() -> None:
    mixed = [*STALE[:2], Operation(Kind.MIXED, 12 * SECOND, 13 * SECOND, 1)]
    found = report(Window("primary killed", 9 * SECOND, 14 * SECOND, loses=True), history=mixed)
    assert (len(found.excused), len(found.broken)) == (0, 1)


@pytest.mark.parametrize(
    "more", [{"left": Residue(1, 0, 0)}, {"left": Residue(0, 0, 1)}, {"complaints": ("never awaited",)}]
)
def test_what_is_left_behind_or_complained_of_breaks_it(more: dict[str, Any]) -> None:
    window = Window("cut", 1, 2)
    assert report(window, history=STALE[:2]).held
    assert not report(window, history=STALE[:2], **more).held


def test_without_faults_there_is_no_verdict() -> None:
    assert report(Window("cut", 1, 2)).conclusive
    assert not report().conclusive


def test_the_text_tells_all_and_which_fault_came_before_a_violation() -> None:
    window = Window("cut", 11 * SECOND + SECOND // 2, 13 * SECOND)
    text = report(window, left=Residue(1, 2, 3)).to_text()
    for part in (
        "cut 1",
        "violations",
        "1 tasks",
        "2 sockets, 3 bytes",
        "100.000%",
        "the slowest call took 1,000 ms (delete, no fault)",
        "'cut' began 500.0 ms before the read",
    ):
        assert part in text


def test_the_errors_of_calls_are_told_with_their_number() -> None:
    found = dataclasses.replace(report(Window("cut", 1, 2)), failures=("CacheServerError: no",) * 2)
    assert "  2 failed: CacheServerError: no" in found.to_text().splitlines()
    assert found.to_dict()["failures"] == {"CacheServerError: no": 2}


def test_the_figures_are_json() -> None:
    found = json.loads(json.dumps(report(Window("primary killed", 9 * SECOND, 11 * SECOND, loses=True)).to_dict()))
    assert found["faults"] == {"primary killed": 1}
    assert (found["violations"], found["violations_in_failovers"]) == (0, 1)
    assert found["longest_staleness_in_failovers_ms"] == 1000
    assert found["leaked"] == {"tasks": 0, "sockets": 0, "bytes": 0}


def test_the_slowest_call_is_told_with_the_fault_that_it_met() -> None:
    found = report(Window("cut", 10 * SECOND, 10 * SECOND + 1), Window("killed", 20 * SECOND, 21 * SECOND))
    assert found.figures.slowest == "delete, 'cut'"
    assert found.to_dict()["slowest"] == "delete, 'cut'"
