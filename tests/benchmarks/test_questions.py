"""The questions run, hurried, on a real server, and what they write has its form. No figure is looked at."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.bars import BARS
from benchmarks.questions.registry import QUESTIONS
from benchmarks.result import OURS, Result

ROOT = Path(__file__).resolve().parents[2]

EXPECTED = {
    "l1_hit": (2, {OURS, "cashews", "aiocache"}),
    "batch": (4, {OURS, "the bare multiplexed wire", "valkey-glide", "redis-py", "coredis", "aiocache", "cashews"}),
    "stampede": (2, {OURS, "cashews, lock=True"}),
    "tags": (1, {OURS, "cashews, delete_tags"}),
    "fan_out": (1, {"the call returns", "server time"}),
    "footprint": (5, {OURS, "redis-py"}),
    "cpu": (1, {OURS, "redis-py"}),
    "curves": (2, {"get from the server"}),
}
"""The cheaper questions: how many tables each has, and rows that its first one must have."""


def _run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments, "--results", str(folder), "--page", str(folder / "page.md")],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=ROOT,
        check=False,
    )


def test_every_question_is_listed_with_what_it_asks(tmp_path: Path) -> None:
    ran = _run("--list", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    listed = [line.split(maxsplit=1) for line in ran.stdout.splitlines()]
    assert [name for name, _ in listed] == list(QUESTIONS)
    assert all(asks.endswith("?") for _, asks in listed)


def test_an_unknown_question_is_refused_by_name(tmp_path: Path) -> None:
    ran = _run("nonsense", folder=tmp_path)
    assert ran.returncode == 2
    assert "no such question: nonsense" in ran.stderr


def test_every_bar_belongs_to_a_question_or_says_what_it_waits_for() -> None:
    asked = {*QUESTIONS, "hit_ratio"}  # which is asked alone
    assert [bar.key for bar in BARS if bar.question not in asked and not bar.later] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.valkey
def test_questions_write_results_plots_and_the_page(tmp_path: Path) -> None:
    libraries = ("matplotlib", "cashews", "glide", "theine")
    if None in map(importlib.util.find_spec, libraries):  # not imported: glide warns whoever looks at its names
        pytest.skip("the libraries that the benchmarks compare with are not installed")
    ran = _run(*EXPECTED, "--quick", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    page = (tmp_path / "page.md").read_text("utf-8")
    assert "these figures mean nothing" in page
    for name, (tables, rows) in EXPECTED.items():
        result = Result.from_json((tmp_path / f"{name}.json").read_text("utf-8"))
        assert result.quick
        assert result.question.name == name
        assert len(result.tables) == tables
        assert rows <= {row.name for row in result.tables[0].rows}
        assert all(any(cell is not None for cell in row.cells) for table in result.tables for row in table.rows)
        assert {verdict.bar for verdict in result.verdicts} <= {bar.key for bar in BARS if bar.question == name}
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"## {result.question.asks}" in page
