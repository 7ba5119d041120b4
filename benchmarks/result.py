"""What a question found out: tables, and verdicts on the bars; the same as JSON, so that pages can be written anew.

A table compares contestants (rows) over cases (columns): task counts, sizes, or a single case. Each cell is a spread of
figures and, beside it, how many times better *we* were than that row in the same rounds: above 1 means that we won,
whether more or less of the unit is better.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from .machine import Environment
from .rounds import Measured, Spread, ratios

__all__ = ["OURS", "Better", "Cell", "Question", "Result", "Row", "Table", "Verdict", "tabulate"]

OURS = "pika-redis"
"""The name of our own row, against which ratios are taken."""

Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question's name on the command line, what it asks, and what makes the comparison fair."""

    name: str
    asks: str
    setting: str

    @classmethod
    def of(cls, module: str, docstring: str | None) -> Self:
        """From the file that asks: its name, its docstring's first line, and the paragraphs below."""
        asks, _, rest = (docstring or "").strip().partition("\n")
        paragraphs = [" ".join(paragraph.split()) for paragraph in rest.strip().split("\n\n")]
        return cls(module.rpartition(".")[2], asks, "\n\n".join(paragraphs))


@dataclass(frozen=True, slots=True)
class Cell:
    """One contestant in one case; `ratio` is how many times better we were, None where there is nothing to compare."""

    figure: Spread
    ratio: Spread | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A contestant; None in a case that it can't do."""

    name: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Contestants over cases. `axis` says what the columns are."""

    title: str
    unit: str
    better: Better
    axis: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar (its key in `bars`), what was measured, whether that keeps it, and why not."""

    bar: str
    measured: str
    kept: bool
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """All that one run of a question found out."""

    question: Question
    environment: Environment
    tables: tuple[Table, ...]
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = field(default=())
    quick: bool = False

    def to_json(self) -> str:
        """Indented JSON with a newline at its end."""
        return json.dumps(_rounded(asdict(self)), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError for anything else."""
        data = json.loads(text)
        return cls(
            question=Question(**data["question"]),
            environment=Environment(**data["environment"]),
            tables=tuple(_table(one) for one in data["tables"]),
            verdicts=tuple(Verdict(**one) for one in data["verdicts"]),
            notes=tuple(data["notes"]),
            quick=data["quick"],
        )

    def write(self, folder: Path) -> Path:
        """Write `<question>.json` into the folder."""
        path = folder / f"{self.question.name}.json"
        path.write_text(self.to_json(), "utf-8")
        return path


def tabulate(  # the four words that head a table, and what was measured
    title: str, unit: str, better: Better, axis: str, cases: Mapping[str, Measured], *, reference: str = OURS
) -> Table:
    """A table of what was measured in each case; rows in the order in which they first appear."""
    names = list(dict.fromkeys(name for measured in cases.values() for name in measured))
    rows = [Row(name, tuple(_cell(measured, name, better, reference) for measured in cases.values())) for name in names]
    return Table(title, unit, better, axis, tuple(cases), tuple(rows))


def _cell(measured: Measured, name: str, better: Better, reference: str) -> Cell | None:
    if name not in measured:
        return None
    figure = Spread.of(measured[name])
    if reference not in measured or name == reference or not all(measured[name]) or not all(measured[reference]):
        return Cell(figure)
    pair = (reference, name) if better == "more" else (name, reference)
    return Cell(figure, ratios(measured, *pair))


def _table(data: dict[str, Any]) -> Table:
    rows = tuple(Row(row["name"], tuple(_cell_of(cell) for cell in row["cells"])) for row in data["rows"])
    return Table(data["title"], data["unit"], data["better"], data["axis"], tuple(data["columns"]), rows)


def _cell_of(data: dict[str, Any] | None) -> Cell | None:
    if data is None:
        return None
    return Cell(Spread(**data["figure"]), None if data["ratio"] is None else Spread(**data["ratio"]))


def _rounded(value: Any) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """Five digits say more than a noisy machine knows, and keep the files readable."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
