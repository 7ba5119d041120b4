from __future__ import annotations

from pathlib import Path

from benchmarks.bars import BARS, at_least, at_most
from benchmarks.result import Verdict
from benchmarks.rounds import Spread
from benchmarks.summary import number, page, read_results

from benchmarks import bars

from .results import small_result


def _line(text: str, part: str) -> str:
    return next(line for line in text.splitlines() if part in line)


def test_every_bar_has_its_line_measured_or_not() -> None:
    text = page([])
    assert all(f"| {bar.what} | {bar.limit} |" in text for bar in BARS)
    assert "comes with the HTTP middleware" in _line(text, "cache-tests")
    keys = {bar.key for bar in BARS}
    assert len(keys) == len(BARS)
    assert keys >= bars.EXPLAINED


def test_a_missed_bar_stays_and_is_explained_or_said_to_be_unexplained() -> None:
    verdicts = (
        Verdict("read-bare", "0.7×", kept=True),
        Verdict("read-glide", "2×", kept=False, explanation="what was known then"),
        Verdict("tags-fast", "3 ms", kept=False, explanation="for this reason"),
        Verdict("overhead", "40 bytes", kept=False),
        Verdict("import-asyncio", "2×", kept=False),
        Verdict("import-redis", "1×", kept=False),
    )
    text = page([small_result(verdicts=verdicts)])
    assert _line(text, "| 0.7× |").endswith("| kept |")
    assert _line(text, "| 2× |").endswith("| **missed** |")
    assert "what was known then" not in text
    assert _line(text, "one process tracking: ").endswith("for this reason")
    assert _line(text, "untagged: ").endswith("not explained yet.")
    why = next(bar for bar in BARS if bar.key == "import-redis").why_missed
    assert why
    assert _line(text, "import of `pika_redis`: against `import asyncio`, cost, against").endswith(why)


def test_a_cell_shows_figure_ratio_and_spread_and_losing_rows_stay() -> None:
    lines = page([small_result()]).splitlines()
    assert "| pika-redis | **110** (100..120) |" in lines
    assert "| slow | 10, 11× (10..12) |" in lines
    assert "- a note" in lines


def test_the_page_depends_on_the_results_alone(tmp_path: Path) -> None:
    for name in ("zebra", "l2", "ant"):
        small_result(name=name).write(tmp_path)
    results = read_results(tmp_path, ["zebra", "absent", "l2"])
    assert [result.question.name for result in results] == ["zebra", "l2", "ant"]
    assert page(results) == page(read_results(tmp_path, ["zebra", "l2"]))


def test_the_newest_result_says_where_it_was_measured() -> None:
    text = page([small_result(date="2026-03-01"), small_result(name="other", date="2026-01-01")])
    assert "Measured on 2026-03-01: a CPU, 2 cores" in text


def test_numbers_have_three_digits() -> None:
    assert [number(value) for value in (0, 0.01234, 1.5, 1234.6, 1e6, 2e-5)] == [
        "0",
        "0.0123",
        "1.5",
        "1 230",
        "1 000 000",
        "2.00e-05",
    ]


def test_ratios_have_two_digits_and_no_exponent() -> None:
    assert [number(value, 2) for value in (0, 0.0123, 1.56, 99.9, 99.4, 100, 1234.6)] == [
        "0",
        "0.012",
        "1.6",
        "100",
        "99",
        "100",
        "1 200",
    ]


def test_a_bar_is_judged_by_the_median() -> None:
    spread = Spread(0.5, 2.0, 9.0)
    assert [at_least("read-bare", spread, 2.0).kept, at_least("read-bare", spread, 2.1).kept] == [True, False]
    assert [at_most("hit-bare", spread, 2.0).kept, at_most("hit-bare", spread, 1.9).kept] == [True, False]
    assert at_least("read-bare", spread, 2.0).measured == "2× (0.5..9)"
    assert bars.verdict("loads", "1", kept=True).explanation == ""
