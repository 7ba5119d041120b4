"""Replays each trace through every contestant, in room for 0.1, 1 and 10 % of its distinct keys."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..machine import observe
from ..plots import draw
from .contestants import LIBRARIES, Contestant, contestants
from .generated import mixes
from .opt import opt
from .report import OPT, Cell, result_of, show
from .traces import FORMATS, Trace, read

__all__ = ["main"]

_SHARES = (0.001, 0.01, 0.1)
_LEAST = 5
"""Entries: with fewer there is nothing to choose."""
_RESULTS = Path(__file__).parents[1] / "results"


def main(options: Sequence[str] = ()) -> None:
    """Print the table, write the results."""
    traces = _traces(options)
    names, missing = contestants()
    for module in missing:
        print(f"{module} is not installed: left out")
    cells = [cell for trace in traces for cell in _cells(trace, {**names, OPT: opt})]
    show(cells)
    _RESULTS.mkdir(exist_ok=True)
    took_part = [library for module, library in LIBRARIES.items() if module not in missing]
    result = result_of(cells, observe("no server", took_part))
    result.write(_RESULTS)
    draw(result, _RESULTS)


def _cells(trace: Trace, names: dict[str, Contestant]) -> list[Cell]:
    distinct, accesses = trace.distinct, len(trace.keys)
    rooms = [max(_LEAST, round(share * distinct)) for share in _SHARES]
    return [
        Cell(
            trace.name,
            accesses,
            distinct,
            room,
            {name: 100 * run(trace.keys, room) / accesses for name, run in names.items()},
        )
        for room in rooms
    ]


def _traces(options: Sequence[str]) -> list[Trace]:
    parser = argparse.ArgumentParser("python -m benchmarks hit_ratio", description=__doc__)
    parser.add_argument(
        "--trace", action="append", default=[], metavar="PATH:FORMAT", help=f"a file; formats: {', '.join(FORMATS)}"
    )
    parser.add_argument("--limit", type=int, help="of each trace only so many accesses, the first ones")
    given = parser.parse_args(options)
    files = []
    for trace in given.trace:
        path, _, form = trace.rpartition(":")
        if form not in FORMATS or not Path(path).is_file():
            parser.error(f"--trace {trace}: a file and, behind a colon, one of {', '.join(FORMATS)} is expected")
        files.append((Path(path), form))
    return [read(path, form, given.limit) for path, form in files] or mixes(given.limit)
