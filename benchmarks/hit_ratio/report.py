"""The table, the verdict and the JSON of a contest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from .contestants import BAR, OURS

__all__ = ["OPT", "Cell", "show", "write_json"]

OPT = "OPT"


@dataclass(frozen=True)
class Cell:
    """One trace in one size: hit ratios in percent, by contestant, `OPT` the last."""

    trace: str
    accesses: int
    distinct: int
    capacity: int
    ratios: dict[str, float]

    @property
    def lead(self) -> float:
        """Points above the best of the bar; negative = below."""
        return self.ratios[OURS] - max(self.ratios[name] for name in BAR if name in self.ratios)


def averages(cells: Sequence[Cell]) -> dict[str, float]:
    return {name: fmean(cell.ratios[name] for cell in cells) for name in cells[0].ratios}


def show(cells: Sequence[Cell]) -> None:
    """Print a row for each trace and size."""
    names = list(cells[0].ratios)
    widths = [max(7, len(name)) for name in names]
    first = max(len(cell.trace) for cell in cells)
    print("hit ratios in percent; room in entries for 0.1, 1 and 10 % of the distinct keys")
    print(f"  {'':{first}} {'room':>7}  " + "  ".join(f"{name:>{w}}" for name, w in zip(names, widths, strict=True)))
    for cell in cells:
        figures = "  ".join(f"{cell.ratios[name]:{w}.2f}" for name, w in zip(names, widths, strict=True))
        print(f"  {cell.trace:{first}} {cell.capacity:7}  {figures}  {cell.lead:+6.2f}")
    means = averages(cells)
    figures = "  ".join(f"{means[name]:{w}.2f}" for name, w in zip(names, widths, strict=True))
    print(f"  {'average':{first}} {'':7}  {figures}")
    peers = {name: mean for name, mean in means.items() if name not in {OURS, OPT}}
    best = max(peers, key=lambda name: peers[name])
    worst = min(cells, key=lambda cell: cell.lead)
    print(f"  on average {means[OURS] - peers[best]:+.2f} points against {best}, the best of the others: bar > 0")
    print(
        f"  at worst {worst.lead:+.2f} points against the best of {', '.join(BAR)}"
        f" ({worst.trace}, room for {worst.capacity}): bar >= -1"
    )


def write_json(cells: Sequence[Cell], path: Path) -> None:
    rows = [
        {
            "trace": cell.trace,
            "accesses": cell.accesses,
            "distinct": cell.distinct,
            "capacity": cell.capacity,
            "percent": {name: round(ratio, 2) for name, ratio in cell.ratios.items()},
            "lead": round(cell.lead, 2),
        }
        for cell in cells
    ]
    means = {name: round(mean, 2) for name, mean in averages(cells).items()}
    path.write_text(json.dumps({"cells": rows, "averages": means}, indent=1) + "\n")
