from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.result import OURS, Question, Result, Verdict, tabulate
from benchmarks.rounds import Spread

from .results import COSTS, SPEEDS, small_result


def test_a_result_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    result = small_result(verdicts=(Verdict("read-bare", "0.6×", kept=True),))
    path = result.write(tmp_path)
    assert path.name == "l2.json"
    assert Result.from_json(path.read_text("utf-8")) == result


def test_a_file_that_is_no_result_is_refused() -> None:
    with pytest.raises(KeyError):
        Result.from_json("{}")


def test_a_ratio_above_one_means_that_we_were_better_whatever_is_counted() -> None:
    fast = tabulate("speed", "operations/s", "more", "tasks", {"10": SPEEDS["10"]})
    cheap = tabulate("cost", "µs", "less", "", COSTS)
    for table, ratio in ((fast, Spread(10, 11, 12)), (cheap, Spread(4, 4, 4))):
        ours, slow = table.rows
        assert ours.name == OURS
        assert ours.cells[0] is not None
        assert ours.cells[0].ratio is None
        assert slow.cells[0] is not None
        assert slow.cells[0].ratio == ratio


def test_a_contestant_that_sat_out_a_case_leaves_a_gap() -> None:
    table = tabulate("speed", "operations/s", "more", "tasks", {"10": SPEEDS["10"], "100": {OURS: [1.0], "new": [5.0]}})
    assert [row.name for row in table.rows] == [OURS, "slow", "new"]
    assert [[cell is None for cell in row.cells] for row in table.rows] == [[False] * 2, [False, True], [True, False]]


def test_figures_are_written_with_five_digits() -> None:
    table = tabulate("speed", "operations/s", "more", "tasks", {"10": {OURS: [123_456.789]}})
    result = small_result()
    assert '"middle": 123460.0' in Result(result.question, result.environment, (table,)).to_json()


def test_a_question_is_its_files_docstring() -> None:
    question = Question.of("benchmarks.questions.l2", "Who is\n\nOne\ntwo.\n\nThree.\n")
    assert question == Question("l2", "Who is", "One two.\n\nThree.")
