"""The guard against slowing down: what it compares, and that it counts."""

from __future__ import annotations

import shutil

import pytest
from benchmarks.instructions.__main__ import TOLERANCE, compared, counted
from benchmarks.instructions.paths import REFERENCE

RECORD = {REFERENCE: 2_000.0, "get": 8_000.0, "set": 100_000.0}


def test_a_path_that_takes_more_than_the_tolerance_is_named() -> None:
    found = {REFERENCE: 2_000.0, "get": 8_000.0 * (1 + TOLERANCE) + 10, "set": 100_000.0 * (1 + TOLERANCE) - 10}
    table, slower = compared(found, RECORD)
    assert slower == ["get"]
    assert f"{TOLERANCE:+.1%}" in table


def test_what_counts_is_the_ratio_to_the_bare_call_of_the_same_run() -> None:
    assert compared({name: 2 * count for name, count in RECORD.items()}, RECORD)[1] == []
    assert compared({**RECORD, REFERENCE: 1_000.0}, RECORD)[1] == ["get", "set"]


def test_a_path_without_a_record_is_new_and_no_failure() -> None:
    table, slower = compared({**RECORD, "delete": 1.0}, RECORD)
    assert slower == []
    assert "new" in table.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_instructions_are_counted_and_repeat() -> None:
    first, second = counted(), counted()
    assert first.keys() == second.keys()
    for name, count in first.items():
        assert count > 500, name
        spread = 2 * TOLERANCE if "copy" in name else TOLERANCE  # of copies a part depends on where they lie in memory
        assert second[name] == pytest.approx(count, rel=spread), name
