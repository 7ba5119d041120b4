"""A drawing of a contest: for each trace and size a row, for each contestant a dot, the clairvoyant bound as a line."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from .contestants import OURS
from .report import OPT, Cell

__all__ = ["draw"]

_LEFT, _WIDTH, _ROW, _TOP = 190, 620, 26, 64
_COLOURS = (
    "#d62728",
    "#1f77b4",
    "#9467bd",
    "#17becf",
    "#2ca02c",
    "#ff7f0e",
    "#bcbd22",
    "#7f7f7f",
    "#8c564b",
    "#e377c2",
)


def draw(cells: Sequence[Cell], path: Path) -> None:
    """Write an SVG."""
    names = [name for name in cells[0].ratios if name != OPT]
    colours = dict(zip(names, _COLOURS, strict=False))
    bottom = _TOP + _ROW * len(cells)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 30} {bottom + 40}" font-size="12">',
        "<style>text {font-family: sans-serif}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        *_legend(names, colours),
    ]
    for percent in range(0, 101, 10):
        x = _x(percent)
        parts.append(f'<line x1="{x}" x2="{x}" y1="{_TOP - 8}" y2="{bottom}" stroke="#eee"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{percent} %</text>')
    for number, cell in enumerate(cells):
        y = _TOP + _ROW * number + _ROW // 2
        parts.append(f'<text x="8" y="{y + 4}">{escape(cell.trace)}, {cell.capacity}</text>')
        parts.append(f'<line x1="{_x(0)}" x2="{_x(cell.ratios[OPT])}" y1="{y}" y2="{y}" stroke="#bbb"/>')
        parts.append(f'<path d="M{_x(cell.ratios[OPT])} {y - 8}v16" stroke="black" stroke-width="2"/>')
        for name in (*(name for name in names if name != OURS), OURS):
            size = 6 if name == OURS else 4
            title = f"<title>{escape(name)} {cell.ratios[name]:.2f} %</title>"
            parts.append(
                f'<circle cx="{_x(cell.ratios[name])}" cy="{y}" r="{size}" fill="{colours[name]}">{title}</circle>'
            )
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def _x(percent: float) -> float:
    return round(_LEFT + percent / 100 * _WIDTH, 1)


def _legend(names: Sequence[str], colours: dict[str, str]) -> list[str]:
    parts: list[str] = []
    for number, name in enumerate(names):
        x, y = 12 + number % 6 * 135, 16 + number // 6 * 18
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="5" fill="{colours[name]}"/>')
        parts.append(f'<text x="{x + 10}" y="{y}">{escape(name)}</text>')
    x, y = 12 + len(names) % 6 * 135, 16 + len(names) // 6 * 18
    parts.append(f'<path d="M{x} {y - 12}v16" stroke="black" stroke-width="2"/><text x="{x + 10}" y="{y}">{OPT}</text>')
    return parts
