"""The questions, in the order in which they are asked and published.

Each module has `run(pace) -> Result`, and its docstring says what is asked. They are imported when they are asked, so
that a library that is missing spoils no other question.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path
from typing import Protocol, cast

from ..result import Question, Result
from ..rounds import Pace

__all__ = ["QUESTIONS", "Asked", "ask", "asks"]

QUESTIONS: dict[str, str] = {
    "l2": "benchmarks.questions.l2",
    "l1_hit": "benchmarks.questions.l1_hit",
    "decorator_hit": "benchmarks.questions.decorator_hit",
    "batch": "benchmarks.questions.batch",
    "stampede": "benchmarks.questions.stampede",
    "tags": "benchmarks.questions.tags",
    "fan_out": "benchmarks.questions.fan_out",
    "memory": "benchmarks.questions.memory",
    "footprint": "benchmarks.questions.footprint",
    "outage": "benchmarks.questions.outage",
    "imports": "benchmarks.questions.imports",
    "cpu": "benchmarks.questions.cpu",
    "fleet_work": "benchmarks.questions.fleet_work",
    "curves": "benchmarks.questions.curves",
}
"""Name to module."""


class Asked(Protocol):
    """A question's module."""

    QUESTION: Question

    def run(self, pace: Pace) -> Result: ...


def asks(name: str) -> str:
    """What a question asks, read from its file without importing any library. Raises KeyError for an unknown name."""
    found = importlib.util.find_spec(QUESTIONS[name])
    assert found is not None
    assert found.origin is not None
    docstring = ast.get_docstring(ast.parse(Path(found.origin).read_text("utf-8")))
    return Question.of(name, docstring).asks


def ask(name: str) -> Asked:
    """The module of a question. Raises KeyError for an unknown name, ImportError without its libraries."""
    return cast("Asked", importlib.import_module(QUESTIONS[name]))
