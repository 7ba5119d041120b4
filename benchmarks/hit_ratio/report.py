"""The table, the verdicts and the result of a contest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ..machine import Environment
from ..result import Cell as Figure
from ..result import Question, Result, Row, Table, Verdict
from ..rounds import Spread
from .contestants import BAR, OURS

__all__ = ["OPT", "Cell", "result_of", "show"]

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


def result_of(cells: Sequence[Cell], environment: Environment) -> Result:
    """The same for the published page."""
    means = averages(cells)
    best = max((mean, name) for name, mean in means.items() if name not in {OURS, OPT})
    worst = min(cells, key=lambda cell: cell.lead)
    tables = [_table(trace, [cell for cell in cells if cell.trace == trace]) for trace in _traces(cells)]
    whole = tuple(Row(name, (_figure(mean),)) for name, mean in means.items())
    tables.append(Table("mean of all", _UNIT, "more", "", ("hit ratio",), whole))
    return Result(
        Question("hit_ratio", "What part of the reads does memory answer, of what no policy could exceed?", _SETTING),
        environment,
        tuple(tables),
        (
            Verdict("hit-ratio", f"{means[OURS]:.2f} % against {best[0]:.2f} % ({best[1]})", means[OURS] > best[0]),
            Verdict("hit-ratio-worst", f"{worst.lead:+.2f} ({worst.trace}, {worst.capacity})", worst.lead >= -1),
        ),
    )


_SETTING = (
    "Each trace is replayed through the eviction of our copies in memory, and through that of the others, in room "
    "for 0.1, 1 and 10 % of its distinct keys. OPT knows the future: nobody exceeds it. moka finishes its pending work "
    "after each insert; left alone (moka +64) it holds up to 64 entries more than it may. The files are named with "
    "`--trace PATH:FORMAT`; without any, mixes are generated."
)


_UNIT = "percent of the reads"


def _traces(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.trace for cell in cells))


def _table(trace: str, cells: Sequence[Cell]) -> Table:
    rows = tuple(Row(name, tuple(_figure(cell.ratios[name]) for cell in cells)) for name in cells[0].ratios)
    return Table(trace, _UNIT, "more", "room in entries", tuple(str(cell.capacity) for cell in cells), rows)


def _figure(percent: float) -> Figure:
    return Figure(Spread(percent, percent, percent))
