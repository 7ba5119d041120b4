"""What a command shows: lines and tables for people, one JSON document for programs.

Standard output carries the answer, standard error what is said about it. On a terminal, control characters of cached
text are shown instead of sent, since what a cache holds may have come from anywhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from .failure import NO_ANSWER, Failure
from .plain import is_plain, plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["Output", "Unread", "agreed", "complain"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_BREAKS = re.compile(r"[\r\n\x85\u2028\u2029]+\s*")
_STATUS_STYLES = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}


class Unread(Exception):
    """Whoever read standard output stopped reading."""


class Output:
    """Standard output in one of its two forms."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._terminal = not as_json and sys.stdout is not None and sys.stdout.isatty()

    def answer(self, document: Mapping[str, object], words: str) -> None:
        """Show the outcome: `document` to programs, `words` to people."""
        self._write(json.dumps(document) if self._json else words)

    def no(self, document: Mapping[str, object], words: str) -> None:
        """Say no: to programs on standard output; to people on standard error, so that the answer stays empty."""
        if self._json:
            self._write(json.dumps(document))
        else:
            complain(words)

    def record(self, document: Mapping[str, str | float | None], units: Mapping[str, str]) -> None:
        """Show a record, to people as a table of its fields; `units` names the units of some of them."""
        if self._json:
            self._write(json.dumps(document))
            return
        rows: list[tuple[str, str]] = []
        for name, value in document.items():
            unit = units.get(name, "")
            text = _field(value) if value is None else f"{_field(value)} {unit}".rstrip()
            rows.append((name.removesuffix(f"_{unit}").replace("_", " "), text))
        if self._terminal:
            self._draw_table(rows)
        else:
            width = max(len(name) for name, _ in rows)
            self._write("\n".join(f"{name:<{width}}  {text}" for name, text in rows))

    def value(self, key: str, value: object, ttl: float) -> None:
        """Show a cached value: text as it is, what JSON holds as JSON, anything else as Python writes it."""
        if self._json:
            left = None if ttl == float("inf") else round(ttl, 3)
            document = {"key": key, "found": True, "type": type(value).__name__, "value": plain(value), "ttl": left}
            self._write(json.dumps(document))
        elif isinstance(value, str):
            self._write(value)
        elif is_plain(value):
            self._source(json.dumps(value, indent=2, ensure_ascii=False), "json")
        else:
            from rich.pretty import pretty_repr

            self._source(pretty_repr(value, max_width=_console().width), "python")

    def _source(self, literal: str, language: Literal["json", "python"]) -> None:
        """Show a literal, in colours on a terminal that has them."""
        if not self._terminal:
            self._write(literal)
            return
        from rich.highlighter import JSONHighlighter, ReprHighlighter
        from rich.text import Text

        highlighter = JSONHighlighter() if language == "json" else ReprHighlighter()
        self._draw(highlighter(Text(_visible(literal))), soft_wrap=True)

    def _draw_table(self, rows: list[tuple[str, str]]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(show_header=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in rows:
            style = _STATUS_STYLES.get(text, "") if name == "status" else ""
            table.add_row(name, Text(_visible(text), style=style))
        self._draw(table)

    def _draw(self, picture: RenderableType, *, soft_wrap: bool = False) -> None:
        console = _console()
        with console.capture() as drawn:
            console.print(picture, soft_wrap=soft_wrap)
        _flush(drawn.get().removesuffix("\n"))

    def _write(self, text: str) -> None:
        _flush(_visible(text) if self._terminal else text)


def complain(words: str) -> None:
    """One line on standard error."""
    _tell(f"pika-redis: {_visible(_LINE_BREAKS.sub(' ', words))}\n")


def agreed(facts: str, question: str) -> bool:
    """Ask on standard error; only a clear yes on standard input is one."""
    complain(facts)
    _tell(f"{question} [y/N] ")
    reply = sys.stdin.buffer.readline()
    if not reply.endswith(b"\n"):
        _tell("\n")
    return reply.strip().lower() in (b"y", b"yes")


def _tell(text: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


def _flush(text: str) -> None:
    """Write and flush. Raises Unread, and Failure when it can't be written."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _drop_the_rest()
        raise Unread from None
    except OSError as error:
        _drop_the_rest()
        raise Failure(f"the answer can't be written: {error.strerror or error}", NO_ANSWER) from None


def _drop_the_rest() -> None:
    """What is still buffered goes nowhere: the interpreter's last flush would fail and change the exit code."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _visible(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _field(value: str | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or "(none)"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
