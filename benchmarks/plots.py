"""One picture a question: a panel for each of its tables.

Columns that are numbers become lines over a logarithmic axis, with the spread as a band; anything else becomes
horizontal bars with the spread as whiskers. Ours is drawn strong, the rest in quieter colours.
"""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from .result import OURS, Cell, Result, Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "is_curve"]

_OURS = "#c1121f"
_COPIES = "#f4845f"
_PEERS = ("#1d3557", "#2a9d8f", "#8338ec", "#457b9d", "#6a994e", "#bc6c25", "#8d99ae", "#e9c46a", "#264653", "#adb5bd")
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
_PANELS_A_ROW = 2
_DECADES_FOR_LOG = 1.0


def is_curve(table: Table) -> bool:
    """Whether the table is drawn as lines: at least two columns, all of them numbers."""
    return len(table.columns) > 1 and all(column.replace(".", "", 1).isdigit() for column in table.columns)


def draw(result: Result, folder: Path) -> Path:
    """Write `<question>.png` into the folder."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    across = min(_PANELS_A_ROW, len(result.tables))
    down = math.ceil(len(result.tables) / across)
    heights = [max(_height(table) for table in result.tables[row * across : (row + 1) * across]) for row in range(down)]
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(7.2 * across, sum(heights)),
        squeeze=False,
        height_ratios=heights,
        layout="constrained",
    )
    panels = list(axes.flat)
    for panel, table in zip(panels, result.tables, strict=False):
        (_lines if is_curve(table) else _bars)(panel, table)
    for panel in panels[len(result.tables) :]:
        panel.set_visible(False)
    figure.suptitle(textwrap.fill(result.question.asks, 60 * across), fontsize=12, fontweight="bold")
    path = folder / f"{result.question.name}.png"
    figure.savefig(path, dpi=90, metadata={"Software": None})
    plt.close(figure)
    return path


def _height(table: Table) -> float:
    return 4.6 if is_curve(table) else 1.3 + 0.26 * (len(table.rows) + 1) * len(table.columns)


def _lines(panel: Axes, table: Table) -> None:
    across = [float(column) for column in table.columns]
    for row, (colour, mark) in zip(table.rows, _looks(table), strict=True):
        points = [(x, cell.figure) for x, cell in zip(across, row.cells, strict=True) if cell is not None]
        xs = [x for x, _ in points]
        ours = row.name == OURS
        panel.plot(
            xs,
            [figure.middle for _, figure in points],
            color=colour,
            marker=mark,
            markersize=5,
            linewidth=2.6 if ours else 1.4,
            zorder=3 if ours else 2,
            label=row.name,
        )
        panel.fill_between(
            xs, [figure.low for _, figure in points], [figure.high for _, figure in points], color=colour, alpha=0.12
        )
    if across[0] > 0 and across[-1] / across[0] >= 10:
        panel.set_xscale("log")
    panel.set_xticks(across, [_count(x) for x in across])
    panel.minorticks_off()
    if _decades(table) >= _DECADES_FOR_LOG:
        panel.set_yscale("log")
    else:
        panel.set_ylim(bottom=0)
    panel.set_xlabel(table.axis)
    panel.set_ylabel(f"{table.unit} ({table.better} is better)")
    panel.set_title(table.title, fontsize=11)
    panel.grid(visible=True, alpha=0.3)
    panel.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _bars(panel: Axes, table: Table) -> None:
    """A block of bars for each case, contestants in the same order and colours."""
    labels: list[str] = []
    for number, column in enumerate(table.columns):
        if len(table.columns) > 1:
            labels.append(f"{column}:")
        for row, (colour, _) in zip(table.rows, _looks(table), strict=True):
            cell = row.cells[number]
            if cell is not None:
                _bar(panel, len(labels), cell, colour)
                labels.append(row.name)
    panel.set_yticks(range(len(labels)), labels, fontsize=9)
    for label in panel.get_yticklabels():
        if label.get_text().endswith(":"):
            label.set_fontweight("bold")
    panel.set_ylim(len(labels) - 0.4, -0.6)
    if _decades(table) >= _DECADES_FOR_LOG:
        panel.set_xscale("log")
    panel.margins(x=0.18)
    if panel.get_xscale() == "linear":
        panel.set_xlim(left=0)
    panel.set_xlabel(f"{table.unit} ({table.better} is better)")
    panel.set_title(table.title, fontsize=11)
    panel.grid(visible=True, axis="x", alpha=0.3)


def _bar(panel: Axes, place: int, cell: Cell, colour: str) -> None:
    figure = cell.figure
    whiskers = [[figure.middle - figure.low], [figure.high - figure.middle]]
    panel.barh(place, figure.middle, color=colour, height=0.7, xerr=whiskers, error_kw={"lw": 1, "alpha": 0.6})
    panel.annotate(
        f" {_count(figure.middle)}",
        (figure.high, place),
        va="center",
        fontsize=8,
        xytext=(2, 0),
        textcoords="offset points",
    )


def _looks(table: Table) -> list[tuple[str, str]]:
    looks, peers = [], 0
    for row in table.rows:
        if row.name.startswith(OURS):
            looks.append((_OURS if row.name == OURS else _COPIES, "o"))
        else:
            looks.append((_PEERS[peers % len(_PEERS)], _MARKS[1 + peers % (len(_MARKS) - 1)]))
            peers += 1
    return looks


def _decades(table: Table) -> float:
    middles = [cell.figure.middle for row in table.rows for cell in _cells(row) if cell.figure.middle > 0]
    return math.log10(max(middles) / min(middles)) if middles else 0.0


def _cells(row: Row) -> list[Cell]:
    return [cell for cell in row.cells if cell is not None]


def _count(number: float) -> str:
    """Three digits that a person reads: 1.2 k, 3 M, 0.045."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.3g} {letter}"
    return f"{number:.3g}"
