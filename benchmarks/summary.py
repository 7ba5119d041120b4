"""`docs/benchmarks.md`, written anew from all results that are there: the bars first, then every question's tables.

The form depends on the results alone, so that two runs differ in figures and in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .bars import BARS, Bar
from .machine import Environment
from .result import Cell, Result, Table, Verdict
from .rounds import Spread

__all__ = ["number", "page", "read_results"]

_HEAD = """\
# Benchmarks

Written by `make bench`; [the questions](../benchmarks/questions) say how each figure is taken. Everybody is measured in
one run, in turns, on the same server, and what counts is the ratio within a round: on another machine the figures
differ, the ratios much less. A cell gives the median of the rounds, then how many times better `pika-redis` was than
that row (lowest..highest round): above 1 we won, below 1 we lost.
"""


def read_results(folder: Path, order: Sequence[str]) -> list[Result]:
    """The results in the folder: those of `order` first and in that order, strangers behind them by name."""
    found = {path.stem: Result.from_json(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}
    names = [name for name in order if name in found] + [name for name in found if name not in order]
    return [found[name] for name in names]


def page(results: Sequence[Result]) -> str:
    """The whole page."""
    parts = [_HEAD, *_surroundings(results), _bars(results)]
    parts += [_section(result) for result in results]
    return "\n".join(parts)


def _surroundings(results: Sequence[Result]) -> list[str]:
    if not results:
        return ["Nothing has been measured yet.\n"]
    newest = max(results, key=lambda result: result.environment.date).environment
    versions: dict[str, str] = {}
    for result in sorted(results, key=lambda result: result.environment.date):
        versions.update(result.environment.versions)
    listed = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    lines = [f"Measured on {_where(newest)}. Libraries: {listed}."]
    if any(result.quick for result in results):
        lines.append("\n**A hurried run: these figures mean nothing.**")
    return ["\n".join(lines) + "\n"]


def _where(environment: Environment) -> str:
    machine = f"{environment.cpu}, {environment.cores} cores, {environment.system}"
    return f"{environment.date}: {machine}, {environment.python}, {environment.server}"


def _bars(results: Sequence[Result]) -> str:
    verdicts = {verdict.bar: verdict for result in results for verdict in result.verdicts}
    lines = ["## The bars", "", "| what | bar | measured | |", "|---|---|---|---|"]
    lines += [_bar(bar, verdicts) for bar in BARS]
    missed = [(bar, verdicts[bar.key]) for bar in BARS if bar.key in verdicts and not verdicts[bar.key].kept]
    if missed:
        lines += ["", "What is known about those that were missed:", ""]
        known: dict[str, list[str]] = {}  # what is known now, rather than what was when it was measured
        for bar, verdict in missed:
            known.setdefault(bar.why_missed or verdict.explanation or "not explained yet.", []).append(bar.what)
        lines += [f"- {_together(bars)}: {explanation}" for explanation, bars in known.items()]
    return "\n".join(lines) + "\n"


def _together(bars: Sequence[str]) -> str:
    """What several bars are about; what they have in common is said once."""
    parts: dict[str, list[str]] = {}
    for bar in bars:
        about, _, against = bar.rpartition(": ")
        parts.setdefault(about, []).append(against)
    return "; ".join(f"{about}: {', '.join(parts[about])}" if about else ", ".join(parts[about]) for about in parts)


def _bar(bar: Bar, verdicts: Mapping[str, Verdict]) -> str:
    verdict = verdicts.get(bar.key)
    if verdict is None:
        return f"| {bar.what} | {bar.limit} | - | {f'comes with {bar.later}' if bar.later else 'not measured'} |"
    return f"| {bar.what} | {bar.limit} | {verdict.measured} | {'kept' if verdict.kept else '**missed**'} |"


def _section(result: Result) -> str:
    question = result.question
    picture = f"![{question.asks}](../benchmarks/results/{question.name}.png)"
    parts = [f"## {question.asks}", question.setting, picture]
    parts += [_table(table) for table in result.tables]
    if result.notes:
        parts.append("\n".join(f"- {note}" for note in result.notes))
    parts.append(f"`python -m benchmarks {question.name}`, {_where(result.environment)}.")
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    head = f"**{table.title}** ({table.unit}; {table.better} is better)"
    columns = [table.axis, *table.columns]
    lines = [head, "", f"| {' | '.join(columns)} |", f"|---|{'---:|' * len(table.columns)}"]
    lines += [f"| {row.name} | {' | '.join(_cell(cell) for cell in row.cells)} |" for row in table.rows]
    return "\n".join(lines)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    figure = number(cell.figure.middle)
    if cell.ratio is None:
        return f"**{figure}** ({_span(cell.figure)})"
    return f"{figure}, {number(cell.ratio.middle, 2)}× ({_span(cell.ratio, 2)})"


def _span(spread: Spread, digits: int = 3) -> str:
    return f"{number(spread.low, digits)}..{number(spread.high, digits)}"


def number(value: float, digits: int = 3) -> str:
    """So many digits, thousands apart."""
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0 or 1e-3 <= abs(rounded) < 10**digits:
        return f"{rounded:.{digits}g}"
    if abs(rounded) < 1e-3:
        return f"{rounded:.{digits - 1}e}"
    return f"{rounded:,.0f}".replace(",", " ")
