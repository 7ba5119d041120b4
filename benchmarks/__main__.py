"""``python -m benchmarks [question ...]``: ask all questions, or those named, and write the results and their page."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import summary
from .questions.registry import QUESTIONS, ask, asks
from .result import Cell, Result
from .rounds import Pace

__all__ = ["main"]

_ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str]) -> int:
    """Ask; 2 for a question that doesn't exist."""
    if arguments[:1] == ["hit_ratio"]:  # it has options of its own, and takes no server and no rounds
        from . import hit_ratio

        hit_ratio.main(arguments[1:])
        arguments = ["--summary"]
    options = _parser().parse_args(arguments)
    if options.list:
        for name in QUESTIONS:
            print(f"{name:14} {asks(name)}")
        return 0
    unknown = [name for name in options.questions if name not in QUESTIONS]
    if unknown:
        print(f"no such question: {unknown[0]} (there are {', '.join(QUESTIONS)})", file=sys.stderr)
        return 2
    options.results.mkdir(parents=True, exist_ok=True)
    pace = Pace.hurried() if options.quick else Pace.usual()
    if not options.summary:
        for name in options.questions or QUESTIONS:
            _ask_one(name, pace, options.results)
    options.page.write_text(summary.page(summary.read_results(options.results, list(QUESTIONS))), "utf-8")
    print(f"\nwritten: {options.page}")
    return 0


def _ask_one(name: str, pace: Pace, folder: Path) -> None:
    from . import plots

    began = time.perf_counter()
    result = ask(name).run(pace)
    result.write(folder)
    plots.draw(result, folder)
    _show(result, time.perf_counter() - began)


def _show(result: Result, seconds: float) -> None:
    print(f"\n{result.question.name}: {result.question.asks} ({seconds:.0f} s)")
    for table in result.tables:
        print(f"\n  {table.title}; {table.unit}, {table.better} is better; ours is n times better: low..high")
        width = max(len(row.name) for row in table.rows)
        shown = [[_cell(cell) for cell in row.cells] for row in table.rows]
        widths = [max(map(len, [head, *column])) for head, *column in zip(table.columns, *shown, strict=True)]
        print(f"    {table.axis:>{width}}", *[f"{head:>{w}}" for head, w in zip(table.columns, widths, strict=True)])
        for row, cells in zip(table.rows, shown, strict=True):
            print(f"    {row.name:{width}}", *[f"{cell:>{w}}" for cell, w in zip(cells, widths, strict=True)])
    for note in result.notes:
        print(f"  - {note}")
    for verdict in result.verdicts:
        print(f"  bar {verdict.bar}: {verdict.measured} {'kept' if verdict.kept else 'MISSED'}")


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    figure = summary.number(cell.figure.middle)
    if cell.ratio is None:
        return figure
    middle, low, high = (summary.number(one, 2) for one in (cell.ratio.middle, cell.ratio.low, cell.ratio.high))
    return f"{figure} ({middle}: {low}..{high})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="question", help="its name; all of them without one")
    parser.add_argument("--list", action="store_true", help="list the questions")
    parser.add_argument("--quick", action="store_true", help="hurry: everything runs, no figure means anything")
    parser.add_argument("--summary", action="store_true", help="ask nothing, write the page anew from the results")
    parser.add_argument("--results", type=Path, default=_ROOT / "benchmarks" / "results", help="folder of the results")
    parser.add_argument("--page", type=Path, default=_ROOT / "docs" / "benchmarks.md", help="the page to write")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
